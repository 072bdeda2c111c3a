import t from 'tap';
import { type ClientOptions, createClient, type EscrowError } from '../../producer-sdk/index.ts';
import { BatchDouble, type Behaviour, problem, startBatchDouble } from '../support/batch-double.ts';
import { until } from '../support/until.ts';

const messages = [{ topic: 't', payload: 'p' }];

const start = async (t: Parameters<typeof startBatchDouble>[0], options: Partial<ClientOptions> = {}) => {
  const double = await startBatchDouble(t);
  const client = createClient({ url: double.url, group: 'g', ...options });
  t.teardown(() => client.close());
  return { double, client };
};

const FAULTS: Record<string, Behaviour> = {
  'the connection is dropped before anything happens': { isApplied: false, cut: 'before' },
  'the connection is dropped when it is done': { cut: 'before' },
  'half of the answer': { cut: 'inside' },
  '500 when it is done': { isApplied: true, status: 500, body: problem(500, 'INTERNAL').body },
  'a gateway’s page': { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' },
  garbage: { isApplied: true, status: 200, body: '{"results":[{"sta' },
  'another shape': { isApplied: true, status: 200, body: { items: [] } },
  'a result too few': { isApplied: true, status: 200, body: { results: [] } },
  'a result of another shape': { isApplied: true, status: 200, body: { results: [{ status: 201, body: null }] } },
  'asked for patience': { status: 503, headers: { 'retry-after': '0' }, body: problem(503, 'OVERLOADED').body },
};

t.test('after any fault the same operation goes again, with the same id, and has one outcome', async t => {
  for (const [what, fault] of Object.entries(FAULTS)) {
    const { double, client } = await start(t);
    double.behave = n => (n === 0 ? fault : {});
    const { id, state } = await client.prepare({ messages });
    t.equal(state, 'prepared', what);
    t.same(double.batches, [[id], [id]], what);
    t.equal(double.requests[0]!.body, double.requests[1]!.body, what);
    double.behave = n => (n === 2 ? fault : {});
    t.match(await client.commit(id), { state: 'committed' }, what);
    t.equal(double.requests.length, 4, what);
    t.same(double.wrong, [], what);
    t.equal(double.transactions.size, 1, what);
  }
});

t.test('a broker that is not there yet is waited for; the log says so once, and when it is back', async t => {
  const double = new BatchDouble();
  await double.listen();
  const { port } = double;
  await double.close();
  const events: unknown[] = [];
  const note = (fields: object): void => void events.push((fields as { event: string }).event);
  const logger = { info: note, warn: note, error: note };
  const client = createClient({ url: `http://127.0.0.1:${port}`, group: 'g', logger });
  const calls = ['a', 'b', 'c'].map(id => client.prepare({ id, messages }));
  await until('it was noticed', () => events.length > 0);
  const late = new BatchDouble();
  await late.listen(port);
  t.teardown(() => late.close());
  await Promise.all(calls);
  await client.close();
  t.same(late.batches, [['a', 'b', 'c']]);
  t.same(events, ['broker_away', 'broker_back']);
});

t.test('Retry-After is honoured', async t => {
  const { double, client } = await start(t);
  const headers = { 'retry-after': '1' };
  double.behave = n => (n === 0 ? { status: 503, headers, body: problem(503, 'SHUTTING_DOWN').body } : {});
  double.transactions.set('a', { id: 'a', state: 'prepared', content: '' } as never);
  await client.commit('a');
  const [first, second] = double.requests;
  t.ok(second!.at - first!.at >= 1_000, `${second!.at - first!.at} ms`);
});

t.test('a call that comes while nothing else waits for the end of a pause is sent at its end', async t => {
  const { double, client } = await start(t);
  const headers = { 'retry-after': '1' };
  double.behave = n => (n === 0 ? { status: 503, headers, body: problem(503, 'OVERLOADED').body } : {});
  await t.rejects(client.prepare({ id: 'a', messages }, { deadlineMs: 100 }), { code: 'NO_ANSWER' });
  t.match(await client.prepare({ id: 'b', messages }, { deadlineMs: 20_000 }), { state: 'prepared' });
  t.same(double.batches, [['a'], ['b']]);
});

t.test('an operation that is put off goes again in its time, the others have their answers', async t => {
  const { double, client } = await start(t);
  for (const [status, code] of [
    [429, 'TOO_MANY_REQUESTS'],
    [503, 'OVERLOADED'],
    [507, 'STORAGE_FULL'],
    [500, 'INTERNAL'],
    [409, 'LATER_PERHAPS'],
  ] as const) {
    const begin = double.requests.length;
    const late = problem(status, code, { retryable: true, retryAfterMs: 300 });
    double.behave = (_, { operations }) =>
      operations.length === 2 ? { element: ({ id }) => (id === `late-${code}` ? late : null) } : {};
    const calls = [`late-${code}`, `fine-${code}`].map(id => client.prepare({ id, messages }));
    await calls[1];
    t.equal(double.requests.length, begin + 1, code);
    t.match(await calls[0], { state: 'prepared' }, code);
    const [first, second] = double.requests.slice(begin);
    t.same(
      second!.operations.map(({ id }) => id),
      [`late-${code}`],
    );
    t.ok(second!.at - first!.at >= 300, code);
  }
});

t.test('while the broker takes no prepares, resolutions pass', async t => {
  const { double, client } = await start(t, { deadlineMs: 10_000 });
  await Promise.all(['a', 'b'].map(id => client.prepare({ id, messages })));
  let isOverloaded = true;
  double.behave = (_, { operations }) =>
    isOverloaded && operations.some(({ op }) => op === 'prepare')
      ? { status: 503, headers: { 'retry-after': '1' }, body: problem(503, 'OVERLOADED').body }
      : {};
  const prepared = client.prepare({ id: 'c', messages });
  let isPrepared = false;
  void prepared.then(() => {
    isPrepared = true;
  });
  t.match(await client.commit('a'), { state: 'committed' }, 'shared a request that was turned away');
  t.match(await client.commit('b'), { state: 'committed' });
  t.notOk(isPrepared);
  isOverloaded = false;
  t.match(await prepared, { state: 'prepared' });
});

t.test('a request refused as a whole: each operation alone, and only the faulty one fails', async t => {
  const { double, client } = await start(t);
  const isBad = (ids: string[]): boolean => ids.includes('bad');
  double.behave = (_, { operations }) =>
    isBad(operations.map(({ id }) => id)) ? problem(400, 'VALIDATION_FAILED') : {};
  const calls = ['a', 'bad', 'b'].map(id => client.prepare({ id, messages }));
  const settled = await Promise.allSettled(calls);
  t.match(settled, [
    { value: { id: 'a' } },
    { reason: { code: 'VALIDATION_FAILED', transactionId: 'bad' } },
    { value: { id: 'b' } },
  ]);
  t.equal(double.requests.length, 4);
});

t.test('a broker that takes smaller bodies gets smaller ones', async t => {
  const { double, client } = await start(t);
  const limitBytes = 8_000;
  double.behave = (_, { body }) => (body.length > limitBytes ? problem(413, 'BODY_TOO_LARGE', { limitBytes }) : {});
  const draft = (id: string, length: number) => ({ id, messages: [{ topic: 't', payload: 'x'.repeat(length) }] });
  await Promise.all(Array.from({ length: 20 }, (_, i) => client.prepare(draft(`t${i}`, 1_000))));
  const [whole, ...parts] = double.batches;
  t.equal(whole!.length, 20);
  t.ok(parts.length > 3 && parts.length < 10, `${parts.length} smaller ones`);
  await t.rejects(client.prepare(draft('large', 9_000)), { code: 'BODY_TOO_LARGE', transactionId: 'large' });
});

t.test('a key that does not count, and an address that is no broker’s, are told to everybody at once', async t => {
  const { double, client } = await start(t);
  double.behave = () => problem(401, 'UNAUTHENTICATED');
  const calls = await Promise.allSettled(['a', 'b'].map(id => client.prepare({ id, messages })));
  t.match(calls, [
    { reason: { name: 'NotPermittedError', code: 'UNAUTHENTICATED', transactionId: 'a' } },
    { reason: { name: 'NotPermittedError', code: 'UNAUTHENTICATED', transactionId: 'b' } },
  ]);
  for (const [status, body] of [
    [404, '<html>'],
    [302, ''],
  ] as const) {
    double.behave = () => ({ status, body });
    await t.rejects(client.commit('a'), { name: 'UnexpectedAnswerError', code: 'UNEXPECTED_ANSWER', status });
  }
  t.equal(double.requests.length, 3);
});

t.test('at its deadline a call learns that nothing is known, and why', async t => {
  const { double, client } = await start(t, { requestTimeoutMs: 60_000 });
  let open = (): void => undefined;
  const hold = new Promise<void>(resolve => {
    open = resolve;
  });
  double.behave = () => ({ status: 503, body: problem(503, 'OVERLOADED', { retryAfterMs: 1 }).body });
  const refusedOften: EscrowError = await client.commit('a', { deadlineMs: 200 }).then(undefined, error => error);
  t.match(refusedOften, { name: 'NoAnswerError', code: 'NO_ANSWER', retryable: true, transactionId: 'a' });
  t.match(refusedOften.cause, { name: 'UnavailableError', code: 'OVERLOADED' });
  t.match(refusedOften.message, /about a within 200 ms: nothing is known, repeat the call with the same id/);
  double.behave = () => ({ hold });
  const never = client.prepare({ id: 'b', messages }, { deadlineMs: 100 });
  await t.rejects(never, { name: 'NoAnswerError', attempts: 1, transactionId: 'b', cause: undefined });
  const repeated = client.prepare({ id: 'b', messages });
  open();
  t.match(await repeated, { state: 'prepared', isNew: false });
  t.same(double.wrong, []);
});

t.test('a request that hangs is given up and made again within the deadline', async t => {
  const { double, client } = await start(t, { requestTimeoutMs: 100 });
  let open = (): void => undefined;
  const hold = new Promise<void>(resolve => {
    open = resolve;
  });
  double.behave = n => (n === 0 ? { hold } : {});
  t.match(await client.prepare({ id: 'a', messages }), { state: 'prepared' });
  t.same(double.batches, [['a'], ['a']]);
  open();
});

t.test('single calls are repeated too, end at their deadline, and can be aborted', async t => {
  const { double, client } = await start(t);
  let asked = 0;
  double.single = () =>
    ++asked < 3 ? problem(503, 'SHUTTING_DOWN', { retryAfterMs: 1 }) : { status: 200, body: { id: 'a' } };
  t.match(await client.transaction('a'), { id: 'a' });
  t.equal(asked, 3);
  double.single = () => problem(503, 'OVERLOADED', { retryAfterMs: 60_000 });
  const late = client.putGroup('g', {}, { deadlineMs: 100 });
  await t.rejects(late, { code: 'NO_ANSWER', attempts: 1, cause: { code: 'OVERLOADED' } });
  const controller = new AbortController();
  const call = client.transaction('a', { signal: controller.signal });
  controller.abort();
  await t.rejects(call, { code: 'ABORTED', transactionId: 'a' });
});

t.test('under a storm of faults each call has one outcome, and what resolved is so', { timeout: 60_000 }, async t => {
  const { double, client } = await start(t, { maxBatch: 20, requestTimeoutMs: 500 });
  const faults = Object.values(FAULTS).filter(fault => fault.cut !== undefined || fault.status !== 200);
  const element = ({ id }: { id: string }) =>
    id.charCodeAt(id.length - 1) % 7 === 0 && Math.random() < 0.5
      ? problem(503, 'OVERLOADED', { retryable: true, retryAfterMs: 1 })
      : null;
  double.behave = () =>
    Math.random() < 0.3 ? faults[Math.floor(Math.random() * faults.length)]! : { element: element as never };
  const work = async (n: number): Promise<void> => {
    for (let i = 0; i < 10; i += 1) {
      const { id, state } = await client.prepare({ messages: [{ topic: 't', payload: `${n}-${i}` }] });
      t.equal(state, 'prepared');
      const end = n % 3 === 0 ? await client.rollback(id) : await client.commit(id);
      t.equal(double.transactions.get(id)?.state, end.state);
    }
  };
  await Promise.all(Array.from({ length: 30 }, (_, n) => work(n)));
  t.equal(double.transactions.size, 300);
  t.same(double.wrong, []);
});
