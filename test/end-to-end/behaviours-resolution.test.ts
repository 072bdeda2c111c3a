/** Commit and rollback by the producer, seen from both ends: HTTP on one side, the topic on the other. */
import t from 'tap';
import { type BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { type CheckHandler, startCheckHandler } from '../support/check-handler.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { endOffsets } from '../support/topics.ts';
import { commit, delivered, gauges, inState, payloads, prepare, rollback, show } from '../support/transactions.ts';

/** Contract, section 3, limits: payload, key, header names and values of one message. */
const MESSAGE_LIMIT = 1_000_000;
const TRANSACTION_LIMIT = 4_000_000;

let kafka: Awaited<ReturnType<typeof sharedKafka>>;
let broker: BrokerProcess;
let checker: CheckHandler;
let topic: string;

t.setTimeout(120_000);
t.before(async () => {
  if (needsKafka.skip) return;
  kafka = await sharedKafka(t);
  broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  checker = await startCheckHandler(t, () => 'unknown');
  topic = await newTopic(kafka);
  await broker.put('/v1/producer-groups/quiet', {});
});

/** A group whose checker is asked soon, should the broker ever ask; not so soon that a slow test meets it. */
const eagerGroup = (group: string) =>
  broker.put(`/v1/producer-groups/${group}`, { checkUrl: checker.url, check: { afterMs: 1500, intervalMs: 100 } });

/** Resolves when a check that was due after everything so far has been asked. */
const nextCheck = async (group: string): Promise<void> => {
  const id = `asked-${group}`;
  checker.answer(transactionId => (transactionId === id ? 'rollback' : 'commit'));
  await prepare(broker, group, id, { topic, payload: 'never' });
  await inState(broker, id, 'rolled_back');
};

t.test('V1: a prepared message is invisible until commit', needsKafka, async t => {
  const before = await endOffsets(kafka.brokers, topic);
  const made = await prepare(broker, 'quiet', 'v1', { topic, payload: 'v1' });
  t.equal(made.status, 201);
  t.equal(made.headers.get('location'), '/v1/transactions/v1');
  t.match(made.body, { id: 'v1', group: 'quiet', state: 'prepared', resolvedAt: null, resolvedBy: null });
  t.notOk(payloads(await delivered(broker, kafka, topic)).includes('v1'), 'a later message has arrived, this one not');
  t.same(await endOffsets(kafka.brokers, topic, { isolation: 'uncommitted' }), [before[0]! + 1], 'not even hidden');
  t.match(await commit(broker, 'v1'), { status: 200, body: { state: 'committed', resolvedBy: 'producer' } });
  t.ok(payloads(await delivered(broker, kafka, topic)).includes('v1'));
});

t.test('V2: committed at once, delivered once, and nobody asks the checker', needsKafka, async t => {
  await eagerGroup('v2');
  await prepare(broker, 'v2', 'v2', { topic, payload: 'v2' });
  t.equal((await commit(broker, 'v2')).status, 200);
  await nextCheck('v2');
  t.notOk(checker.asked.includes('v2'));
  t.equal(payloads(await delivered(broker, kafka, topic)).filter(payload => payload === 'v2').length, 1);
});

t.test('V3: rolled back at once, never delivered, whatever the checker would say', needsKafka, async t => {
  await eagerGroup('v3');
  await prepare(broker, 'v3', 'v3', { topic, payload: 'v3' });
  t.match(await rollback(broker, 'v3'), { status: 200, body: { state: 'rolled_back', resolvedBy: 'producer' } });
  await nextCheck('v3');
  t.notOk(checker.asked.includes('v3'));
  t.notOk(payloads(await delivered(broker, kafka, topic)).includes('v3'));
  t.match(await show(broker, 'v3'), { messageStates: { dropped: 1 } });
});

t.test('V10: a payload at the limit is accepted, one byte more is refused at prepare', needsKafka, async t => {
  const message = (bytes: number) => {
    const rest = Buffer.byteLength('key' + 'name' + 'väl');
    return { topic, key: 'key', headers: { name: 'väl' }, payload: 'x'.repeat(bytes - rest) };
  };
  const refused = await prepare(broker, 'quiet', 'v10', message(MESSAGE_LIMIT + 1));
  t.equal(refused.status, 413);
  t.match(refused.body, { code: 'BODY_TOO_LARGE', limitBytes: MESSAGE_LIMIT });
  t.equal((await broker.get('/v1/transactions/v10')).status, 404, 'nothing of it is kept');
  t.equal((await prepare(broker, 'quiet', 'v10', message(MESSAGE_LIMIT))).status, 201);
  t.equal((await commit(broker, 'v10')).status, 200);
  const [found] = (await delivered(broker, kafka, topic)).filter(record => record.key?.toString() === 'key');
  t.equal(found?.value?.length, MESSAGE_LIMIT - 11);
});

t.test('V10: the limit of a whole transaction is one of bytes after decoding', needsKafka, async t => {
  const base64 = (bytes: number) => ({ topic, payload: { base64: Buffer.alloc(bytes, 255).toString('base64') } });
  const full = Array.from({ length: 4 }, () => base64(MESSAGE_LIMIT));
  const refused = await prepare(broker, 'quiet', 'v10-whole', [...full, base64(1)]);
  t.match(refused, { status: 413, body: { code: 'BODY_TOO_LARGE', limitBytes: TRANSACTION_LIMIT } });
  t.equal((await prepare(broker, 'quiet', 'v10-whole', full)).status, 201);
  t.equal((await rollback(broker, 'v10-whole')).status, 200);
});

t.test('V14: an unknown id is 404 and no verdict', needsKafka, async t => {
  for (const act of [commit, rollback]) {
    const { status, headers, body } = await act(broker, 'v14');
    t.equal(status, 404);
    t.match(headers.get('content-type'), 'application/problem+json');
    t.match(body, { code: 'TRANSACTION_NOT_FOUND', status: 404, retryable: false, detail: /v14/ });
    t.notOk('state' in body);
  }
  t.match(await broker.get('/v1/transactions/v14'), { status: 404, body: { code: 'TRANSACTION_NOT_FOUND' } });
  t.match(await broker.post('/v1/messages/v14.0/retry', { reason: 'why not' }), { status: 404 });
});

t.test('I24 I25: ended from another connection much later, and the caller learns the truth', needsKafka, async t => {
  await prepare(broker, 'quiet', 'i24', { topic, payload: 'i24' }, { check: { afterMs: 600_000 } });
  // A connection of its own, closed at the end of each call.
  const alone = { connection: 'close' };
  const ended = await broker.call('POST', '/v1/transactions/i24/commit', undefined, alone);
  t.match(ended, { status: 200, body: { state: 'committed' } });
  for (const path of ['commit', 'commit']) {
    const again = await broker.call('POST', `/v1/transactions/i24/${path}`, undefined, alone);
    t.same(again.body, ended.body, 'the repeat of a call whose answer was lost tells the same');
  }
  const opposite = await broker.call('POST', '/v1/transactions/i24/rollback', undefined, alone);
  t.match(opposite, { status: 409, body: { code: 'ALREADY_COMMITTED', state: 'committed' } });
  const late = await prepare(broker, 'quiet', 'i24', { topic, payload: 'i24' });
  t.match(late, { status: 200, body: { state: 'committed', resolvedBy: 'producer' } });
});

t.test('a transaction of many messages is forwarded in index order, and counted', needsKafka, async t => {
  const own = await newTopic(kafka);
  const before = await gauges(broker);
  const messages = Array.from({ length: 100 }, (_, index) => ({ topic: own, key: 'k', payload: `m${index}` }));
  t.equal((await prepare(broker, 'quiet', 'hundred', messages)).status, 201);
  t.equal((await commit(broker, 'hundred')).status, 200);
  const records = await delivered(broker, kafka, own);
  t.same(
    payloads(records),
    messages.map(({ payload }) => payload),
  );
  t.same(
    records.map(record => record.headers.ce_id!.toString()),
    messages.map((_, index) => `hundred.${index}`),
  );
  const name = 'escrowmq_messages{state="forwarded"}';
  await eventually('all to be marked', async () => (await gauges(broker)).get(name)! >= before.get(name)! + 100);
  const { messages: shown } = await show(broker, 'hundred');
  t.same(
    shown.map(({ partition, offset }: { partition: number; offset: number }) => [partition, offset]),
    records.map(({ partition, offset }) => [partition, offset]),
    'where each is in Kafka is known',
  );
});
