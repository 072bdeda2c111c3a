import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { createClient } from '../../producer-sdk/index.ts';
import { startBatchDouble } from '../support/batch-double.ts';
import { until } from '../support/until.ts';

const messages = [{ topic: 't', payload: 'p' }];

/** A double whose answers wait until `open` is called. */
const startHeld = async (t: Parameters<typeof startBatchDouble>[0]) => {
  const double = await startBatchDouble(t);
  let open = (): void => undefined;
  const hold = new Promise<void>(resolve => {
    open = resolve;
  });
  double.behave = () => ({ hold });
  return { double, open: () => open() };
};

t.test('more than may wait is refused clearly; a resolution still has room', async t => {
  const { double, open } = await startHeld(t);
  const client = createClient({ url: double.url, group: 'g', maxWaiting: 2 });
  const accepted = ['a', 'b'].map(id => client.prepare({ id, messages }));
  const refused = { name: 'QueueFullError', code: 'QUEUE_FULL', retryable: true, transactionId: 'c' };
  await t.rejects(client.prepare({ id: 'c', messages }), refused);
  accepted.push(client.commit('a') as never, client.commit('b') as never);
  await t.rejects(client.commit('c'), refused);
  open();
  t.same(
    (await Promise.all(accepted)).map(({ state }) => state),
    ['prepared', 'prepared', 'committed', 'committed'],
  );
  await client.prepare({ id: 'c', messages });
  await client.close();
});

t.test('more bytes than may wait are refused too, but one operation always has room', async t => {
  const { double, open } = await startHeld(t);
  const client = createClient({ url: double.url, group: 'g', maxWaitingBytes: 1_000 });
  const large = [{ topic: 't', payload: 'x'.repeat(5_000) }];
  const first = client.prepare({ id: 'a', messages: large });
  await t.rejects(client.prepare({ id: 'b', messages }), { code: 'QUEUE_FULL' });
  open();
  await first;
  await client.prepare({ id: 'b', messages });
  await client.close();
});

t.test('an abort ends the call for its caller: before, while it waits, and on the wire', async t => {
  const { double, open } = await startHeld(t);
  const client = createClient({ url: double.url, group: 'g', maxInFlight: 1 });
  const reason = new Error('changed my mind');
  const aborted = { name: 'AbortError', code: 'ABORTED', retryable: true, cause: reason };
  const prepare = (id: string, signal: AbortSignal) => client.prepare({ id, messages }, { signal });
  await t.rejects(prepare('never', AbortSignal.abort(reason)), aborted);
  const controllers = Array.from({ length: 4 }, () => new AbortController());
  const sent = prepare('sent', controllers[0]!.signal);
  await until('it is on the wire', () => double.requests.length === 1);
  const calls = [sent, prepare('waits', controllers[1]!.signal), prepare('sent', controllers[2]!.signal)];
  const last = prepare('last', controllers[3]!.signal);
  for (const controller of controllers.slice(0, 3)) controller.abort(reason);
  for (const call of calls) await t.rejects(call, aborted);
  const again = client.prepare({ id: 'sent', messages });
  await turn();
  t.equal(double.requests.length, 1, 'the id waits for what is on the wire');
  open();
  t.match(await again, { id: 'sent', isNew: false }, 'what was sent took effect');
  await last;
  controllers[3]!.abort();
  t.same([...double.transactions.keys()].toSorted(), ['last', 'sent']);
  t.same(double.wrong, []);
  await client.close();
});

t.test('an id stays taken while an aborted call about it is on the wire', async t => {
  const { double, open } = await startHeld(t);
  const client = createClient({ url: double.url, group: 'g' });
  const controller = new AbortController();
  const aborted = client.prepare({ id: 'a', messages }, { signal: controller.signal });
  await until('it is on the wire', () => double.requests.length === 1);
  controller.abort();
  await t.rejects(aborted, { code: 'ABORTED' });
  const calls = [client.prepare({ id: 'a', messages }), client.prepare({ id: 'b', messages })];
  await until('another id went', () => double.requests.length === 2);
  t.same(double.batches, [['a'], ['b']]);
  open();
  await Promise.all(calls);
  t.same(double.batches, [['a'], ['b'], ['a']]);
  t.same(double.wrong, []);
  await client.close();
});

t.test('close refuses what comes later and loses nothing that came before', async t => {
  const { double, open } = await startHeld(t);
  const client = createClient({ url: double.url, group: 'g', maxInFlight: 1, maxBatch: 2 });
  const calls = ['a', 'b', 'c', 'd', 'e'].map(id => client.prepare({ id, messages }));
  let isClosed = false;
  const closing = client.close().then(() => {
    isClosed = true;
  });
  const closed = { name: 'ClientClosedError', code: 'CLIENT_CLOSED', retryable: false };
  await t.rejects(client.commit('a'), closed);
  await t.rejects(client.transaction('a'), closed);
  await until('the first is there', () => double.requests.length === 1);
  t.notOk(isClosed);
  open();
  t.equal((await Promise.all(calls)).length, 5);
  await closing;
  t.same(double.batches, [['a', 'b'], ['c', 'd'], ['e']]);
  await client.close();
});

t.test('close waits no longer than the deadlines of those who wait', async t => {
  const { double, open } = await startHeld(t);
  t.teardown(open);
  const client = createClient({ url: double.url, group: 'g', deadlineMs: 100 });
  const call = client.prepare({ id: 'a', messages });
  const [, outcome] = await Promise.all([client.close(), call.catch(error => error)]);
  t.match(outcome, { name: 'NoAnswerError', attempts: 1 });
});

t.test('a process with an idle client ends by itself, and one whose call waits does not', async t => {
  const double = await startBatchDouble(t);
  const index = resolve('producer-sdk/index.ts');
  const program = `
    const { createClient } = await import(${JSON.stringify(index)});
    const client = createClient({ url: process.argv[1], group: 'g', deadlineMs: Number(process.argv[2]) });
    const prepared = client.prepare({ id: 'a', messages: [{ topic: 't', payload: 'p' }] });
    process.stdout.write(await prepared.then(({ state }) => state, ({ code }) => code));`;
  const run = (url: string, deadlineMs: number) =>
    new Promise(resolve => {
      const args = ['--input-type=module', '--eval', program, url, String(deadlineMs)];
      execFile(process.execPath, args, { timeout: 30_000 }, (error, stdout) => resolve({ error, stdout }));
    });
  // A timer that kept the idle process alive would last far longer than the 30 s it is given.
  t.same(await run(double.url, 10 * 60_000), { error: null, stdout: 'prepared' });
  t.same(await run('http://127.0.0.1:1', 300), { error: null, stdout: 'NO_ANSWER' });
});
