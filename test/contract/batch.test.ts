/** Many operations in one request: order, one result each, and faults that stay with their own operation. */
import t from 'tap';
import {
  isProblem,
  MISSING_TOPIC,
  NARROW_TOPIC,
  startServer,
  type TestServer,
  transaction,
} from '../support/http-server.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER_TRACEPARENT = TRACEPARENT.replace('-01', '-00');

const prepare = (id: string, message: object = {}) => ({ op: 'prepare', ...transaction(id, message) });

const run = async (s: TestServer, operations: unknown[], headers = {}) => {
  const answer = await s.call('POST', '/v1/batch', { operations }, headers);
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json().results as { status: number; body: Record<string, unknown> }[];
};

const short = (results: Awaited<ReturnType<typeof run>>) =>
  results.map(({ status, body }) => `${status} ${body.code ?? body.state}`);

t.test('operations take effect in the order given, also on the same id', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const results = await run(s, [
    { op: 'commit', id: 't1' },
    prepare('t1'),
    prepare('t1'),
    prepare('t1', { payload: 'other' }),
    { op: 'commit', id: 't1' },
    { op: 'commit', id: 't1' },
    { op: 'rollback', id: 't1' },
    prepare('t1'),
    prepare('t2'),
    { op: 'rollback', id: 't2' },
  ]);
  t.same(short(results), [
    '404 TRANSACTION_NOT_FOUND',
    '201 prepared',
    '200 prepared',
    '409 EXISTS_WITH_DIFFERENT_CONTENT',
    '200 committed',
    '200 committed',
    '409 ALREADY_COMMITTED',
    '200 committed',
    '201 prepared',
    '200 rolled_back',
  ]);
  t.equal(results[6]!.body.state, 'committed');
  const alone = await s.call('POST', '/v1/transactions/t1/commit');
  t.same(results[4]!.body, alone.json(), 'the same body as of the single call');
});

t.test('repeating a whole batch is safe', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const operations = [prepare('t1'), { op: 'commit', id: 't1' }, prepare('t2'), { op: 'rollback', id: 't2' }];
  t.same(short(await run(s, operations)), ['201 prepared', '200 committed', '201 prepared', '200 rolled_back']);
  t.same(short(await run(s, operations)), ['200 committed', '200 committed', '200 rolled_back', '200 rolled_back']);
  t.equal(s.coordinator.counters().get('accepted'), 2);
});

t.test('a fault is its own operation’s result, with pointers into the operation', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.park('parked');
  const cases: [operation: unknown, result: string, pointer?: string][] = [
    [null, '400 VALIDATION_FAILED', '/op'],
    ['commit', '400 VALIDATION_FAILED', '/op'],
    [[], '400 VALIDATION_FAILED', '/op'],
    [{}, '400 VALIDATION_FAILED', '/op'],
    [{ op: 'toString', id: 't1' }, '400 VALIDATION_FAILED', '/op'],
    [{ op: 'commit' }, '400 VALIDATION_FAILED', '/id'],
    [{ op: 'commit', id: 5 }, '400 VALIDATION_FAILED', '/id'],
    [{ op: 'commit', id: 't1', group: 'g' }, '400 VALIDATION_FAILED', '/group'],
    [{ op: 'check', id: 't1' }, '400 VALIDATION_FAILED', '/reason'],
    [{ op: 'retry', id: 'parked.0', reason: 'x' }, '400 VALIDATION_FAILED', '/messageId'],
    [{ op: 'retry', messageId: 'parked', reason: 'x' }, '400 VALIDATION_FAILED', '/messageId'],
    [{ op: 'discard', messageId: 'parked.0' }, '400 VALIDATION_FAILED', '/reason'],
    [{ ...prepare('t1'), reason: 'x' }, '400 VALIDATION_FAILED', '/reason'],
    [{ ...prepare('t1'), traceparent: 5 }, '400 VALIDATION_FAILED', '/traceparent'],
    [prepare('t1', { payload: { base64: '!' } }), '400 VALIDATION_FAILED', '/messages/0/payload/base64'],
    [prepare('t1', { payload: 'x'.repeat(1_000_001) }), '413 BODY_TOO_LARGE', '/messages/0'],
    [prepare('t1', { topic: MISSING_TOPIC }), '422 TOPIC_NOT_FOUND', '/messages/0/topic'],
    [prepare('t1', { topic: NARROW_TOPIC, partition: 2 }), '422 PARTITION_NOT_FOUND', '/messages/0/partition'],
    [{ ...prepare('t1'), group: 'nobody' }, '404 PRODUCER_GROUP_NOT_FOUND'],
    [{ op: 'check', id: 'parked', reason: 'x' }, '409 ALREADY_COMMITTED'],
    [{ op: 'retry', messageId: 'nobody.0', reason: 'x' }, '404 MESSAGE_NOT_FOUND'],
    [prepare('fine'), '201 prepared'],
    [{ op: 'retry', messageId: 'parked.0', reason: 'x' }, '200 ready'],
    [{ op: 'discard', messageId: 'parked.0', reason: 'x' }, '409 NOT_PARKED'],
  ];
  const results = await run(
    s,
    cases.map(([operation]) => operation),
  );
  t.same(
    short(results),
    cases.map(([, result]) => result),
  );
  for (const [i, [, result, pointer]] of cases.entries()) {
    const { status, body } = results[i]!;
    if (status < 400) continue;
    t.match(body, { type: /^\/errors#/, title: String, status, detail: /\.$/, retryable: false }, result);
    if (pointer !== undefined)
      t.match(body.errors, [{ pointer }], `${result}: ${JSON.stringify(cases[i]![0]).slice(0, 60)}`);
  }
  t.equal(s.coordinator.counters().get('accepted'), 2);
});

t.test('check, retry and discard answer as alone', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/' });
  await s.prepare('t1');
  await s.park('t2');
  const [check, discard] = await run(s, [
    { op: 'check', id: 't1', reason: 'x' },
    { op: 'discard', messageId: 't2.0', reason: 'x' },
  ]);
  t.match(check, { status: 202, body: { id: 't1', unresolved: false, parked: 0 } });
  t.match(discard, { status: 200, body: { id: 't2.0', state: 'discarded' } });
});

t.test('an envelope that cannot be read is a 400 for the whole, and nothing is done', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const envelopes: [what: string, body: unknown][] = [
    ['no operations', {}],
    ['none at all', { operations: [] }],
    ['too many', { operations: Array(1_001).fill({ op: 'commit', id: 't1' }) }],
    ['operations as an object', { operations: {} }],
    ['null', { operations: null }],
    ['something more', { operations: [prepare('t1')], atomic: true }],
    ['a list', [prepare('t1')]],
    ['invalid JSON behind a good operation', `${JSON.stringify({ operations: [prepare('t1')] })}}`],
    ['a member twice in one operation', '{"operations":[{"op":"commit","id":"a","id":"b"}]}'],
  ];
  for (const [what, body] of envelopes) {
    isProblem(t, await s.call('POST', '/v1/batch', body), 'VALIDATION_FAILED', what);
  }
  t.equal(s.coordinator.counters().get('accepted') ?? 0, 0);
  t.equal((await run(s, Array(1_000).fill({ op: 'commit', id: 't1' }))).length, 1_000, 'a thousand will do');
});

t.test('topics of all prepares are asked about together, once', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  s.inspected.length = 0;
  await run(s, [prepare('t1'), prepare('t2', { topic: 'audit' }), prepare('t3'), { op: 'commit', id: 't1' }]);
  t.same(s.inspected, [['transfers', 'audit']]);
  await run(s, [{ op: 'commit', id: 't1' }]);
  t.equal(s.inspected.length, 1, 'and not at all where there is none');
});

t.test('all of it is one submission, or two where resolutions need not wait for prepares', async t => {
  const commits: number[] = [];
  const s = await startServer(t, ({ coordinator }) => ({
    coordinator: {
      group: name => coordinator.group(name),
      groups: () => coordinator.groups(),
      topics: () => coordinator.topics(),
      counters: () => coordinator.counters(),
      waiting: { commands: 0, bytes: 0 },
      waitingOf: () => ({ commands: 0, bytes: 0 }),
      submit: commands => {
        commits.push(commands.length);
        return coordinator.submit(commands);
      },
    },
  }));
  await s.createGroup('g');
  await run(s, [prepare('t1'), { op: 'commit', id: 't1' }, { op: 'wrong' }, prepare('t2')]);
  t.same(commits, [1, 3]);
  await run(s, [prepare('t3'), { op: 'commit', id: 't2' }, prepare('t4')]);
  t.same(commits, [1, 3, 2, 1]);
});

t.test('trace context: the operation’s own wins over the HTTP header', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await run(
    s,
    [
      prepare('t1'),
      { ...prepare('t2'), traceparent: OTHER_TRACEPARENT, tracestate: 'b=2' },
      { ...prepare('t3'), traceparent: OTHER_TRACEPARENT },
      { ...prepare('t4'), traceparent: 'junk' },
    ],
    { traceparent: TRACEPARENT, tracestate: 'a=1' },
  );
  const trace = async (id: string) => {
    const found = await s.store.transaction(id);
    return [found?.traceparent, found?.tracestate];
  };
  t.same(await trace('t1'), [TRACEPARENT, 'a=1']);
  t.same(await trace('t2'), [OTHER_TRACEPARENT, 'b=2']);
  t.same(await trace('t3'), [OTHER_TRACEPARENT, null], 'the pair belongs together');
  t.same(await trace('t4'), [null, null]);
});

t.test('with an operator key a resolution needs its reason', async t => {
  const s = await startServer(t, { operatorKey: KEY });
  const headers = { authorization: `Bearer ${KEY}` };
  await s.call('PUT', '/v1/producer-groups/g', {}, headers);
  const results = await run(
    s,
    [prepare('t1'), { op: 'commit', id: 't1' }, { op: 'commit', id: 't1', reason: 'x' }],
    headers,
  );
  t.same(short(results), ['201 prepared', '400 VALIDATION_FAILED', '200 committed']);
  t.equal(results[2]!.body.resolvedBy, 'operator');
});
