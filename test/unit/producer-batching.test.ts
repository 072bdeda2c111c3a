import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { type ClientOptions, createClient } from '../../producer-sdk/index.ts';
import { problem, startBatchDouble } from '../support/batch-double.ts';
import { until } from '../support/until.ts';

const start = async (t: Tap, options: Partial<ClientOptions> = {}) => {
  const double = await startBatchDouble(t);
  const client = createClient({ url: double.url, group: 'g', ...options });
  t.teardown(() => client.close());
  return { double, client };
};
type Tap = Parameters<typeof startBatchDouble>[0];

const messages = [{ topic: 't', payload: 'p' }];
/** Resolves when `open` is called. */
const gate = () => {
  let open = (): void => undefined;
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  return { opened, open: () => open() };
};

t.test('calls of one turn share a request, in order; resolutions go first', async t => {
  const { double, client } = await start(t);
  await Promise.all(['a', 'b', 'c'].map(id => client.prepare({ id, messages })));
  const answers = await Promise.all([client.prepare({ id: 'd', messages }), client.commit('b'), client.rollback('a')]);
  t.match(answers, [
    { id: 'd', state: 'prepared', isNew: true },
    { id: 'b', state: 'committed' },
    { id: 'a', state: 'rolled_back' },
  ]);
  t.same(double.batches, [
    ['a', 'b', 'c'],
    ['b', 'a', 'd'],
  ]);
  t.match(await client.prepare({ id: 'd', messages }), { id: 'd', isNew: false });
  const { id } = await client.prepare({ messages });
  t.match(id, /^[0-9a-v]{24}$/);
});

t.test('what the request says: key, path, length, trace', async t => {
  const double = await startBatchDouble(t);
  const client = createClient({ url: double.url, key: 'secret-key', group: 'g' });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await client.prepare({ id: 'a', messages: [{ topic: 't', payload: 'ß€' }], traceparent, tracestate: 'x=y' });
  const [seen] = double.requests;
  t.match(seen, { method: 'POST', operations: [{ op: 'prepare', group: 'g', traceparent, tracestate: 'x=y' }] });
  t.match(seen!.headers, {
    authorization: 'Bearer secret-key',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(seen!.body)),
    host: `127.0.0.1:${double.port}`,
  });
  await client.close();
});

t.test('a request holds no more operations and bytes than it may; a large operation goes alone', async t => {
  const { double, client } = await start(t, { maxBatch: 3, maxBatchBytes: 2_000 });
  const large = [{ topic: 't', payload: 'x'.repeat(5_000) }];
  const calls = ['a', 'b', 'c', 'd', 'L', 'e'].map(id =>
    client.prepare({ id, messages: id === 'L' ? large : messages }),
  );
  await Promise.all(calls);
  t.same(double.batches.toSorted(), [['L'], ['a', 'b', 'c'], ['d'], ['e']].toSorted());
});

t.test('no more requests at once than allowed; what waits meanwhile goes together', async t => {
  const { double, client } = await start(t, { maxInFlight: 2 });
  const { opened, open } = gate();
  double.behave = n => (n < 2 ? { hold: opened } : {});
  const calls = [client.prepare({ id: 'a', messages })];
  await until('the first is there', () => double.requests.length === 1);
  calls.push(client.prepare({ id: 'b', messages }));
  await until('the second is there', () => double.requests.length === 2);
  for (const id of ['c', 'd', 'e']) {
    calls.push(client.prepare({ id, messages }));
    await turn();
  }
  t.equal(double.requests.length, 2);
  open();
  await Promise.all(calls);
  t.same(double.batches, [['a'], ['b'], ['c', 'd', 'e']]);
  t.equal(double.mostUnderWay, 2);
});

t.test('with a linger, calls of several turns share a request, and a full one does not wait', async t => {
  const { double, client } = await start(t, { lingerMs: 1_000, maxBatch: 3 });
  const calls = [];
  for (const id of ['a', 'b', 'c']) {
    calls.push(client.prepare({ id, messages }));
    await turn();
  }
  await Promise.all(calls);
  t.same(double.batches, [['a', 'b', 'c']]);
  const last = client.prepare({ id: 'd', messages });
  await client.close();
  t.match(await last, { id: 'd' }, 'close does not wait for company');
});

t.test('calls about one id are under way one after the other, in their order', async t => {
  const { double, client } = await start(t);
  double.behave = () => ({ hold: turn() });
  const calls = [client.prepare({ id: 'a', messages }), client.commit('a'), client.rollback('a'), client.commit('a')];
  const settled = await Promise.allSettled([...calls, client.prepare({ id: 'b', messages })]);
  t.same(
    settled.map(one => (one.status === 'fulfilled' ? one.value.state : one.reason.code)),
    ['prepared', 'committed', 'ALREADY_COMMITTED', 'committed', 'prepared'],
  );
  t.same(double.batches, [['a', 'b'], ['a'], ['a'], ['a']]);
  t.same(double.wrong, []);
});

t.test('a failing operation concerns its caller only; errors say what and about whom', async t => {
  const { double, client } = await start(t);
  const faults = {
    e400: [400, 'VALIDATION_FAILED', 'RefusedError'],
    e403: [403, 'TOPIC_NOT_ALLOWED', 'NotPermittedError'],
    e404: [404, 'PRODUCER_GROUP_NOT_FOUND', 'NotFoundError'],
    e409: [409, 'EXISTS_WITH_DIFFERENT_CONTENT', 'ConflictError'],
    e422: [422, 'TOPIC_NOT_FOUND', 'RefusedError'],
    e418: [418, 'SOMETHING_NEW', 'RefusedError'],
  } as const;
  double.behave = () => ({
    element: ({ id }) => (id in faults ? problem(faults[id as 'e400'][0], faults[id as 'e400'][1]) : null),
  });
  const calls = [...Object.keys(faults), 'fine'].map(id => client.prepare({ id, messages }));
  const settled = await Promise.allSettled(calls);
  for (const [index, [id, [status, code, name]]] of Object.entries(faults).entries()) {
    const outcome = settled[index]!;
    t.match(outcome, { reason: { name, status, code, retryable: false, transactionId: id, problem: { code } } });
  }
  t.match(settled.at(-1), { value: { id: 'fine', state: 'prepared' } });
  t.equal(double.requests.length, 1);
  await client.commit('fine');
  await t.rejects(client.rollback('fine'), { name: 'ConflictError', code: 'ALREADY_COMMITTED', state: 'committed' });
});

t.test('single calls: a transaction, a group', async t => {
  const { double, client } = await start(t);
  double.single = ({ path }) =>
    path === '/v1/transactions/none' ? problem(404, 'TRANSACTION_NOT_FOUND') : { status: 200, body: { id: path } };
  t.match(await client.transaction('a'), { id: '/v1/transactions/a' });
  t.match(await client.putGroup('g', { topics: ['ü'] }), { id: '/v1/producer-groups/g' });
  t.match(double.requests.at(-1), { method: 'PUT', body: '{"topics":["ü"]}' });
  await t.rejects(client.transaction('none'), { name: 'NotFoundError', transactionId: 'none' });
});

t.test('settings and arguments that cannot be used are named', async t => {
  const url = 'http://127.0.0.1:1';
  const wrong: [object, RegExp][] = [
    [{ url: 'nowhere' }, /url must be/],
    [{ url: 'ftp://a' }, /url must be/],
    [{ url: 'http://a:b@c' }, /url must be/],
    [{ url, key: 'a\nb' }, /key must be/],
    [{ url, group: 'ä' }, /group must match/],
    [{ url, maxBatch: 1_001 }, /maxBatch must be a whole number from 1 to 1000/],
    [{ url, lingerMs: -1 }, /lingerMs must be/],
    [{ url, maxInFlight: 1.5 }, /maxInFlight must be/],
    [{ url, deadlineMs: '5' }, /deadlineMs must be/],
  ];
  for (const [options, message] of wrong) {
    t.throws(() => createClient(options as ClientOptions), { name: 'InvalidCallError', message });
  }
  const client = createClient({ url });
  await t.rejects(client.prepare({ messages }), /group must match/);
  await t.rejects(client.prepare({ id: 'a/b', group: 'g', messages }), /id must match/);
  await t.rejects(client.commit(''), /id must match/);
  await t.rejects(client.transaction('..'), /id must match/);
  await t.rejects(client.commit('a', { deadlineMs: 0 }), /deadlineMs must be/);
  await client.close();
});
