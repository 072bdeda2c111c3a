/** The same call again, the opposite call, and calls that race: one truth, told to everybody. */
import t from 'tap';
import { type BrokerProcess, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import {
  commit,
  delivered,
  gauges,
  inState,
  payloads,
  prepare,
  rollback,
  show,
  shows,
} from '../support/transactions.ts';

let kafka: Awaited<ReturnType<typeof sharedKafka>>;
let broker: BrokerProcess;
let topic: string;

t.setTimeout(120_000);
t.before(async () => {
  if (needsKafka.skip) return;
  kafka = await sharedKafka(t);
  broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  topic = await newTopic(kafka);
  await broker.put('/v1/producer-groups/bank', {});
  await broker.put('/v1/producer-groups/other', {});
});

const times = async (payload: string): Promise<number> =>
  payloads(await delivered(broker, kafka, topic)).filter(found => found === payload).length;

t.test('I1: commit twice, serially and at once: one delivery, the same answer', needsKafka, async t => {
  await prepare(broker, 'bank', 'i1', { topic, payload: 'i1' });
  const [first, ...more] = await Promise.all(Array.from({ length: 8 }, () => commit(broker, 'i1')));
  t.equal(first!.status, 200);
  for (const answer of [...more, await commit(broker, 'i1')]) t.same([answer.status, answer.body], [200, first!.body]);
  t.equal(await times('i1'), 1);
  t.same((await commit(broker, 'i1')).body, first!.body, 'also after it was forwarded');
  t.match(await show(broker, 'i1'), { contradicted: false, messageStates: { forwarded: 1 } });
});

t.test('I2 I3: the opposite call is refused with what stands, and written down', needsKafka, async t => {
  const ends = { commit, rollback };
  for (const [first, second, state, code] of [
    ['rollback', 'commit', 'rolled_back', 'ALREADY_ROLLED_BACK'],
    ['commit', 'rollback', 'committed', 'ALREADY_COMMITTED'],
  ] as const) {
    const id = `i2-${first}`;
    await prepare(broker, 'bank', id, { topic, payload: id });
    t.equal((await ends[first](broker, id)).status, 200);
    const refused = await ends[second](broker, id);
    t.match(refused, { status: 409, body: { code, state, status: 409, retryable: false } });
    t.match(await ends[first](broker, id), { status: 200, body: { state } }, 'the first stands');
    const transaction = await show(broker, id);
    t.match(transaction, { state, contradicted: true });
    t.ok(transaction.history.some((entry: { event: string }) => entry.event === 'contradicted'));
    t.match(await broker.get('/v1/transactions?contradicted=true&limit=1'), { body: { items: [{ id }] } });
  }
  t.same([await times('i2-rollback'), await times('i2-commit')], [0, 1]);
  t.equal((await gauges(broker)).get('escrowmq_transactions_contradicted'), 2);
});

t.test('I2 I3: twenty races of commit and rollback have one winner each', needsKafka, async t => {
  for (let i = 0; i < 20; i++) {
    const id = `race-${i}`;
    await prepare(broker, 'bank', id, { topic, payload: id });
    const calls = [commit, rollback, commit, rollback].map(act => act(broker, id));
    const statuses = (await Promise.all(calls)).map(answer => answer.status);
    const [committed, rolledBack] = [statuses[0], statuses[1]];
    t.same(statuses, committed === 200 ? [200, 409, 200, 409] : [409, 200, 409, 200], `${committed}, ${rolledBack}`);
    t.equal((await show(broker, id)).state, committed === 200 ? 'committed' : 'rolled_back');
  }
  const arrived = payloads(await delivered(broker, kafka, topic));
  for (let i = 0; i < 20; i++) {
    const { state } = await show(broker, `race-${i}`);
    t.equal(arrived.filter(payload => payload === `race-${i}`).length, state === 'committed' ? 1 : 0);
  }
});

t.test('I4 I5: commit and a check’s answer race: one wins, one delivery, no further check', needsKafka, async t => {
  const checker = await startCheckHandler(t);
  const check = { afterMs: 100, intervalMs: 100 };
  await broker.put('/v1/producer-groups/i4', { checkUrl: checker.url, check });
  for (const [id, answer] of [
    ['i4-same', 'commit'],
    ['i4-opposite', 'rollback'],
  ] as const) {
    const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    checker.respond(async ({ body }, response) => {
      isAsked();
      await released;
      const resolutions = body.checks.map(({ transactionId }) => ({ transactionId, resolution: answer }));
      response.end(JSON.stringify({ group: body.group, resolutions }));
    });
    await prepare(broker, 'i4', id, { topic, payload: id });
    await asked;
    t.match(await commit(broker, id), { status: 200, body: { resolvedBy: 'producer' } }, 'while the call is open');
    release();
    const askedBefore = checker.asked.filter(one => one === id).length;
    if (answer === 'rollback') await shows(broker, id, 'contradicted', one => one.contradicted);
    await prepare(broker, 'i4', `${id}-next`, { topic, payload: 'next' });
    await inState(broker, `${id}-next`, answer === 'commit' ? 'committed' : 'rolled_back');
    const transaction = await show(broker, id);
    t.match(transaction, { state: 'committed', resolvedBy: 'producer', contradicted: answer === 'rollback' });
    t.equal(checker.asked.filter(one => one === id).length, askedBefore, 'asked once, and never again');
    t.equal(await times(id), 1);
  }
});

t.test('I7 I8: the same prepare again is the same transaction, another content is refused', needsKafka, async t => {
  const message = { topic, key: 'k', payload: 'i7', headers: { a: '1', b: '2' } };
  const first = await prepare(broker, 'bank', 'i7', message);
  t.equal(first.status, 201);
  const same = [
    message,
    { ...message, headers: { b: '2', a: '1' } },
    { ...message, payload: { base64: 'aTc=' } },
    { ...message, contentType: 'application/octet-stream', type: topic, partition: null },
  ];
  for (const draft of same) t.same(await statusAndBody(prepare(broker, 'bank', 'i7', draft)), [200, first.body]);
  const withCheck = await prepare(broker, 'bank', 'i7', message, { check: { afterMs: 12_345 } });
  t.same([withCheck.status, withCheck.body], [200, first.body], 'check does not count');
  const others = [
    { ...message, payload: 'i8' },
    { ...message, payload: null },
    { ...message, key: null },
    { ...message, key: '' },
    { ...message, headers: { a: '1' } },
    { ...message, headers: { a: '1', b: '3' } },
    { ...message, type: 'another' },
    { ...message, contentType: 'text/plain' },
    { ...message, partition: 0 },
    [message, message],
  ];
  for (const draft of others) {
    const refused = await prepare(broker, 'bank', 'i7', draft);
    t.match(refused, { status: 409, body: { code: 'EXISTS_WITH_DIFFERENT_CONTENT' } });
  }
  const taken = await prepare(broker, 'other', 'i7', message);
  t.match(taken, { status: 409, body: { code: 'ID_TAKEN' } });
  t.notMatch(JSON.stringify(taken.body), /bank|prepared/, 'and reveals nothing');
  const committed = await commit(broker, 'i7');
  t.same(await statusAndBody(prepare(broker, 'bank', 'i7', message)), [200, committed.body], 'the state as it now is');
  t.equal(await times('i7'), 1);
});

const statusAndBody = async (call: Promise<{ status: number; body: unknown }>): Promise<unknown[]> => {
  const { status, body } = await call;
  return [status, body];
};

t.test('I7: an existing id is looked up before anything that depends on circumstances', needsKafka, async t => {
  await prepare(broker, 'bank', 'i7-allowed', { topic, payload: 'x' });
  await broker.put('/v1/producer-groups/bank', { topics: ['nothing-else'] });
  t.equal((await prepare(broker, 'bank', 'i7-allowed', { topic, payload: 'x' })).status, 200);
  const fresh = await prepare(broker, 'bank', 'i7-refused', { topic, payload: 'x' });
  t.match(fresh, { status: 403, body: { code: 'TOPIC_NOT_ALLOWED' } });
  await broker.put('/v1/producer-groups/bank', { topics: null });
  t.equal((await prepare(broker, 'bank', 'i7-refused', { topic, payload: 'x' })).status, 201, 'the id was not spent');
});

t.test('a batch takes effect in order, and its repeat tells the same', needsKafka, async t => {
  const operations = [
    { op: 'prepare', id: 'b1', group: 'bank', messages: [{ topic, payload: 'b1' }] },
    { op: 'commit', id: 'b1' },
    { op: 'rollback', id: 'b1' },
    { op: 'commit', id: 'b-unknown' },
    { op: 'prepare', id: 'b2', group: 'bank', messages: [{ topic, payload: 'b2' }] },
    { op: 'rollback', id: 'b2' },
    { op: 'dance' },
  ];
  const first = await broker.post('/v1/batch', { operations });
  t.equal(first.status, 200);
  const statuses = (answer: typeof first) => answer.body.results.map((result: { status: number }) => result.status);
  t.same(statuses(first), [201, 200, 409, 404, 201, 200, 400]);
  t.match(first.body.results[2].body, { code: 'ALREADY_COMMITTED', state: 'committed' });
  const again = await broker.post('/v1/batch', { operations });
  t.same(statuses(again), [200, 200, 409, 404, 200, 200, 400]);
  t.same(again.body.results[0].body.state, 'committed');
  t.same([await times('b1'), await times('b2')], [1, 0]);
});
