import t from 'tap';
import { watchedClock } from '../../broker/clock.ts';
import { createRetention } from '../../broker/retention.ts';
import { openCoordinator, openStore, prepareCommand, producerGroup, resolveCommand } from '../support/store.ts';
import { until } from '../support/until.ts';

t.test('what ended long enough ago is forgotten, in chunks; what waits stays', async t => {
  const store = openStore(t);
  let now = 1_000_000;
  const clock = { now: () => now, monotonic: () => 0 };
  const coordinator = await openCoordinator(store, { clock });
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  const ids = Array.from({ length: 1_200 }, (_, i) => `t${i}`);
  await coordinator.submit(ids.map(id => prepareCommand(id, 'g')));
  await coordinator.submit(ids.slice(0, 1_100).map(id => resolveCommand(id, 'rollback')));
  await coordinator.submit([resolveCommand('t1100'), resolveCommand('t1101')]);
  await coordinator.submit([{ type: 'park', transactionId: 't1101', index: 0, error: 'too large' }]);
  now += 5_000;
  await coordinator.submit([prepareCommand('young', 'g'), resolveCommand('young', 'rollback')]);
  const { promise: purged, resolve } = Promise.withResolvers<void>();
  const watched = new Proxy(coordinator, {
    get: (_, name) => {
      if (name !== 'submit') return Reflect.get(coordinator, name);
      return async (commands: Parameters<typeof coordinator.submit>[0]) => {
        const outcomes = await coordinator.submit(commands);
        if (coordinator.counters().get('purged') === 1_100) resolve();
        return outcomes;
      };
    },
  });
  now += 5_500;
  const retention = createRetention({ store, coordinator: watched, clock, retentionMs: 10_000, onFatal: t.fail });
  retention.start();
  await purged;
  await retention.stop();
  t.equal(await store.transaction('t0'), null);
  t.equal(await store.transaction('t1099'), null);
  for (const id of ['t1100', 't1101', 't1102', 't1199', 'young']) t.ok(await store.transaction(id), id);
  const counters = coordinator.counters();
  t.equal(counters.get('transactions.rolled_back'), 1);
  t.equal(counters.get('messages.dropped'), 1);
  t.equal(counters.get('accepted'), 1_201);
});

t.test('what looks old because the clock was set forward is kept until it is old', async t => {
  const store = openStore(t);
  const time = { wall: 5_000, steady: 0 };
  const clock = watchedClock(
    () => time.wall,
    () => time.steady,
  );
  const coordinator = await openCoordinator(store, { clock });
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  for (const id of ['t0', 't1']) await coordinator.submit([prepareCommand(id, 'g'), resolveCommand(id, 'rollback')]);
  const looked: number[] = [];
  let whenLooked: () => void = () => {};
  const watched = new Proxy(store, {
    get: (_, name) => {
      const value = Reflect.get(store, name);
      if (name !== 'ended') return typeof value === 'function' ? value.bind(store) : value;
      return async (...given: Parameters<typeof store.ended>) => {
        looked.push(given[0]);
        whenLooked();
        return store.ended(...given);
      };
    },
  });
  const look = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    whenLooked = resolve;
    const retention = createRetention({ store: watched, coordinator, clock, retentionMs: 10_000, onFatal: t.fail });
    retention.start();
    await promise;
    await retention.stop();
    return looked.at(-1)!;
  };
  const dayMs = 24 * 60 * 60 * 1_000;
  time.wall += dayMs;
  time.steady += 1_000;
  t.equal(await look(), time.wall - 10_000 - dayMs + 1_000, 'set forward by a day less a second');
  t.ok(await store.transaction('t0'));
  time.wall += 8_000;
  time.steady += 8_000;
  await look();
  t.ok(await store.transaction('t1'), 'nine seconds old');
  time.wall += 3_000;
  time.steady += 3_000;
  await look();
  await until('both are forgotten', async () => (await store.transaction('t1')) === null);
});

t.test('what arrived while the clock went ahead does not hide what comes behind it', async t => {
  const store = openStore(t);
  let now = 5_000_000;
  const clock = { now: () => now, monotonic: () => 0 };
  const coordinator = await openCoordinator(store, { clock });
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  const end = (id: string) => coordinator.submit([prepareCommand(id, 'g'), resolveCommand(id, 'rollback')]);
  await end('ahead');
  now -= 3_600_000;
  await end('t0');
  now += 11_000;
  const retention = createRetention({ store, coordinator, clock, retentionMs: 10_000, onFatal: t.fail });
  retention.start();
  await until('t0 is forgotten', async () => (await store.transaction('t0')) === null);
  await retention.stop();
  t.ok(await store.transaction('ahead'), 'and that one when its time has come');
});
