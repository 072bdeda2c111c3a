import t from 'tap';
import { Poller } from '../../broker/poller.ts';

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

t.test('a wake-up during a step brings exactly one more', async t => {
  let steps = 0;
  let release = (): void => {};
  const poller = new Poller({
    step: async () => {
      steps++;
      await new Promise<void>(resolve => {
        release = resolve;
      });
      return null;
    },
    onFatal: t.fail,
  });
  poller.wake();
  await turn();
  t.equal(steps, 0, 'nothing runs before the start');
  poller.start();
  await turn();
  t.equal(steps, 1);
  for (let i = 0; i < 5; i++) poller.wake();
  t.equal(steps, 1, 'never two at once');
  release();
  while (steps < 2) await turn();
  release();
  for (let i = 0; i < 5; i++) await turn();
  t.equal(steps, 2, 'then it sleeps until woken');
  const stopped = poller.stop();
  poller.wake();
  await stopped;
  await turn();
  t.equal(steps, 2);
});

t.test('stopping waits for the step under way', async t => {
  const events: string[] = [];
  const poller = new Poller({
    step: async () => {
      events.push('begin');
      await turn();
      await turn();
      events.push('end');
      return 0;
    },
    onFatal: t.fail,
  });
  poller.start();
  while (events.length === 0) await turn();
  await poller.stop();
  t.equal(events.at(-1), 'end');
});

t.test('a step that throws ends the loop and is told', async t => {
  const { promise, resolve } = Promise.withResolvers<Error>();
  let steps = 0;
  const poller = new Poller({
    step: async () => {
      steps++;
      throw new Error('broken');
    },
    onFatal: resolve,
  });
  poller.start();
  t.match(await promise, { message: 'broken' });
  poller.wake();
  await turn();
  t.equal(steps, 1);
});
