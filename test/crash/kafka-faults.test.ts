/** Kafka away, frozen, killed, its topics deleted and widened: nothing acknowledged is missing, order per key is kept. */
import { Kafka } from 'kafkajs';
import t, { type Test } from 'tap';
import type { KafkaCluster, KafkaNode } from '../../tools/kafka/cluster.ts';
import { audit, hasAll, Load, NOTHING_WRONG } from '../../torture/load.ts';
import { type BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { needsOwnKafka, newTopic, ownKafka } from '../support/kafka.ts';
import {
  addPartitions,
  createTopic,
  deleteTopic,
  kafkaConfig,
  readTopic,
  type TopicRecord,
} from '../support/topics.ts';
import { commit, gauges, list, payloads, prepare, show, shows } from '../support/transactions.ts';

const FROZEN_MS = 10_000;
const BACKLOG = 60;
/** Of a resource, in Kafka's protocol. */
const TOPIC_RESOURCE = 2;
const slow = { ...needsOwnKafka, timeout: 110_000 };

let kafka: KafkaCluster;
let node: KafkaNode;
let broker: BrokerProcess;

t.setTimeout(230_000);
t.before(async () => {
  if (needsOwnKafka.skip) return;
  kafka = await ownKafka(t);
  node = kafka.nodes[0]!;
  broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  for (const group of ['bank', 'load']) await broker.put(`/v1/producer-groups/${group}`, {});
});

const startLoad = (topics: readonly string[]): Load => {
  const load = new Load(broker, { group: 'load', topics, producers: 5, pauseMs: 20 });
  load.start();
  return load;
};

/** Ends the load, and finds nothing missing, nothing too much and nothing out of order. */
const endLoad = async (t: Test, load: Load, topics: readonly string[]): Promise<void> => {
  await load.stop();
  t.same(load.wrong, []);
  const records = [];
  for (const topic of topics) {
    records.push(...(await readTopic(kafka, topic, { until: hasAll(load, topic), timeoutMs: 60_000 })));
  }
  const found = audit(load, records);
  t.match(found, NOTHING_WRONG, `${load.in('committed').length} committed, ${found.duplicates} duplicates`);
};

t.test('I27: Kafka down at commit and at the broker’s start: accepted, forwarded later in order', slow, async t => {
  const topic = await newTopic(kafka, { partitions: 3 });
  const [unseen, quiet] = [await newTopic(kafka, { partitions: 2 }), await newTopic(kafka)];
  const keys = ['a', 'b', 'c', 'd'];
  const put = async (on: string, id: string, key: string) => {
    const made = await prepare(broker, 'bank', id, { topic: on, payload: id, key });
    t.equal(made.status, 201, id);
    t.equal((await commit(broker, id)).status, 200, id);
  };
  for (const key of keys) await put(topic, `up-${key}`, key);
  await node.kill();
  for (let i = 0; i < 5; i++) for (const key of keys) await put(topic, `down-${i}-${key}`, key);
  for (let i = 0; i < 3; i++) for (const key of keys) await put(quiet, `quiet-${i}-${key}`, key);
  const degraded = async () => {
    const { status, body } = await broker.get('/readyz');
    t.equal(status, 200, 'transactions are accepted all the time');
    return body.status === 'degraded' && body.checks.kafka.status === 'degraded' && body;
  };
  t.match((await eventually('the loss to be seen', degraded)).checks.kafka.detail, /./);
  await broker.restart();
  t.equal((await eventually('the loss to be seen from the start', degraded)).checks.store.status, 'ok');
  for (let i = 5; i < 8; i++) for (const key of keys) await put(topic, `down-${i}-${key}`, key);
  for (let i = 0; i < 3; i++) for (const key of keys) await put(unseen, `unseen-${i}-${key}`, key);
  t.match(await show(broker, 'down-7-a'), { state: 'committed', messages: [{ state: 'ready', lastError: /Kafka/ }] });
  await node.start();
  for (const [on, prefix, count] of [
    [topic, 'down', 4 + 8 * 4],
    [unseen, 'unseen', 3 * 4],
    // Nothing is committed for it after the restart that could wake it up.
    [quiet, 'quiet', 3 * 4],
  ] as const) {
    const isComplete = (found: readonly TopicRecord[]) => firsts(payloads(found)).length >= count;
    const records = await readTopic(kafka, on, { until: isComplete, timeoutMs: 60_000 });
    for (const key of keys) {
      const arrived = firsts(payloads(records.filter(record => record.key?.toString() === key)));
      t.same(
        arrived.filter(id => id?.startsWith(prefix)),
        arrived.filter(id => id?.startsWith(prefix)).toSorted(),
      );
      t.equal(arrived.length, count / keys.length, `all of ${key} in ${prefix}`);
      t.equal(new Set(records.filter(record => record.key?.toString() === key).map(one => one.partition)).size, 1);
    }
  }
  await eventually('ready again', async () => (await broker.get('/readyz')).body.status === 'ok');
});

const firsts = <T>(all: readonly T[]): T[] => [...new Set(all)];

t.test('Kafka frozen for 10 s and resumed under load', slow, async t => {
  const topics = [await newTopic(kafka, { partitions: 3 })];
  const load = startLoad(topics);
  await load.more(100);
  node.pause();
  t.teardown(() => node.resume());
  const frozen = performance.now();
  await load.more(100);
  t.equal(await broker.stop(), 0, 'prepares and commits go on while nothing answers, and the broker can be stopped');
  await broker.start();
  await eventually('the freeze to have lasted', async () => performance.now() - frozen > FROZEN_MS);
  node.resume();
  await load.more(50);
  await endLoad(t, load, topics);
});

t.test('Kafka killed and started again, twice, under load', slow, async t => {
  const topics = [await newTopic(kafka, { partitions: 3 }), await newTopic(kafka)];
  const load = startLoad(topics);
  for (let i = 0; i < 2; i++) {
    await load.more(100);
    await node.kill();
    await load.more(50);
    if (i === 1) await broker.restart();
    await node.start();
  }
  await load.more(50);
  await endLoad(t, load, topics);
});

t.test('I23: a topic deleted while others flow: pending transactions and other topics are untouched', slow, async t => {
  const doomed = await newTopic(kafka);
  const topic = await newTopic(kafka, { partitions: 2 });
  for (let i = 0; i < 10; i++) await prepare(broker, 'bank', `i23-${i}`, { topic: doomed, payload: `i23-${i}` });
  for (let i = 0; i < 5; i++) await prepare(broker, 'bank', `i23-other-${i}`, { topic, payload: '{"id":"other"}' });
  const load = startLoad([topic]);
  await load.more(30);
  await deleteTopic(kafka, doomed);
  for (let i = 0; i < 5; i++) t.equal((await commit(broker, `i23-${i}`)).status, 200, 'a decision needs no topic');
  await load.more(100);
  await endLoad(t, load, [topic]);
  t.equal((await list(broker, `topic=${doomed}&state=prepared`)).length, 5);
  t.equal((await list(broker, `group=bank&topic=${topic}&state=prepared`)).length, 5);
  t.match(await show(broker, 'i23-0'), { messageStates: { ready: 1 } }, 'they wait, and are not parked yet');
  const ready = await eventually('the trouble to be told', async () => {
    const { body } = await broker.get('/readyz');
    return body.checks.topics.status === 'degraded' && body;
  });
  t.match(ready.checks.topics.detail, new RegExp(doomed));
  await createTopic(kafka, doomed);
  const records = await readTopic(kafka, doomed, { until: 5, timeoutMs: 40_000 });
  t.same(firsts(payloads(records)), ['i23-0', 'i23-1', 'i23-2', 'i23-3', 'i23-4'], 'in commit order');
  await eventually('no trouble', async () => (await broker.get('/readyz')).body.status === 'ok');
});

t.test('partitions added under load: order per key stays', slow, async t => {
  const topic = await newTopic(kafka, { partitions: 2 });
  const load = startLoad([topic]);
  await load.more(100);
  await addPartitions(kafka, topic, 7);
  const seen = async () => {
    await load.more(10);
    const { messages } = await show(broker, load.in('committed').at(-1)!.id);
    return messages[0].partition >= 2;
  };
  await eventually('the new partitions to be used', seen);
  await load.more(100);
  await endLoad(t, load, [topic]);
  const records = await readTopic(kafka, topic);
  t.ok(new Set(records.map(record => record.partition)).size > 2);
  const spread = new Map<string, number[]>();
  for (const { key, partition } of records) {
    const known = spread.get(key!.toString()) ?? [];
    if (!known.includes(partition)) spread.set(key!.toString(), [...known, partition]);
  }
  for (const [key, partitions] of spread) t.ok(partitions.length <= 2, `${key} moved at most once`);
});

t.test('a change of partitions while much is waiting: the old number ends before the new one begins', slow, async t => {
  const topic = await newTopic(kafka, { partitions: 2 });
  const operations = (op: string, prefix: string, count: number, payload?: string) =>
    Array.from({ length: count }, (_, i) => ({
      ...{ op, id: `${prefix}-${i}` },
      ...(payload === undefined ? {} : { group: 'bank', messages: [{ topic, key: `k${i % 4}`, payload }] }),
    }));
  const batch = async (all: readonly object[]) => {
    const { results } = (await broker.post('/v1/batch', { operations: all })).body;
    t.ok(results.every(({ status }: { status: number }) => status < 300));
  };
  // Large enough for many sends in each partition.
  await batch(operations('prepare', 'old', BACKLOG, 'x'.repeat(100_000)));
  await batch([...operations('prepare', 'known', 1, 'known'), { op: 'commit', id: 'known-0' }]);
  await shows(broker, 'known-0', 'forwarded', one => one.messageStates.forwarded === 1);
  // Without its topic all of it waits, and has its partition by the number 2.
  await deleteTopic(kafka, topic);
  await batch(operations('commit', 'old', BACKLOG));
  const probe = { topic, payload: 'probe' };
  let probes = 0;
  const isPrepared = async (status: number) =>
    (await prepare(broker, 'bank', `probe-${probes++}`, probe)).status === status;
  await eventually('the loss to be seen', () => isPrepared(422));
  await createTopic(kafka, topic, { partitions: 7 });
  await eventually('the seven to be seen', () => isPrepared(201));
  await batch(operations('prepare', 'new', 8, 'new'));
  await batch(operations('commit', 'new', 8));
  const isComplete = (found: readonly TopicRecord[]) => firsts(found.map(messageId)).length >= BACKLOG + 8;
  const records = await readTopic(kafka, topic, { until: isComplete, timeoutMs: 60_000 });
  const isNew = (record: TopicRecord) => messageId(record)!.startsWith('new-');
  const sentAt = (some: readonly TopicRecord[]) => some.map(record => record.timestamp);
  const [old, fresh] = [records.filter(record => !isNew(record)), records.filter(isNew)];
  t.ok(Math.max(...sentAt(old)) <= Math.min(...sentAt(fresh)), 'across partitions the time of sending tells the order');
  t.same(firsts(old.map(record => record.partition)).toSorted(), [0, 1]);
  t.ok(Math.max(...fresh.map(record => record.partition)) > 1);
});

const messageId = (record: TopicRecord): string | undefined => record.headers.ce_id?.toString();

t.test('I21: parked, and forwarded behind the others once the cause is mended', slow, async t => {
  const topic = await newTopic(kafka, { config: { 'max.message.bytes': '2000' } });
  const large = { topic, key: 'k', payload: 'x'.repeat(5000) };
  await prepare(broker, 'bank', 'large', [{ topic, key: 'k', payload: 'first' }, large, large]);
  await prepare(broker, 'bank', 'later', { topic, key: 'k', payload: 'later' });
  for (const id of ['large', 'later']) t.equal((await commit(broker, id)).status, 200);
  t.same(payloads(await readTopic(kafka, topic, { until: 2 })), ['first', 'later'], 'later ones pass it');
  const parked = await shows(broker, 'large', 'parked', one => one.messageStates.parked === 2);
  t.match(parked.messages[1], { state: 'parked', lastError: /MESSAGE_TOO_LARGE/ });
  await shows(broker, 'later', 'marked as forwarded', one => one.messageStates.forwarded === 1);
  t.equal((await gauges(broker)).get('escrowmq_messages{state="parked"}'), 2);
  await broker.restart();
  t.match(await list(broker, 'parked=true'), [{ id: 'large', parked: 2 }]);
  await raiseLimit(topic);
  t.equal((await broker.post('/v1/messages/large.1/retry', { reason: 'limit raised' })).status, 200);
  t.equal((await broker.post('/v1/messages/large.2/discard', { reason: 'sent twice' })).status, 200);
  const records = await readTopic(kafka, topic, { until: 3 });
  t.same(
    records.map(record => record.headers.ce_id?.toString()),
    ['large.0', 'later.0', 'large.1'],
  );
  const mended = await shows(broker, 'large', 'settled', one => one.messageStates.forwarded === 2);
  t.match(mended, { messageStates: { discarded: 1 } });
  const events = mended.history.map((line: { event: string; detail: string }) => `${line.event} ${line.detail}`);
  for (const told of [/^parked large\.1/, /^retried large\.1: limit raised/, /^discarded large\.2: sent twice/]) {
    t.ok(
      events.some((event: string) => told.test(event)),
      String(told),
    );
  }
});

const raiseLimit = async (name: string): Promise<void> => {
  const admin = new Kafka(kafkaConfig(kafka)).admin();
  await admin.connect();
  const configEntries = [{ name: 'max.message.bytes', value: '100000' }];
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC_RESOURCE, name, configEntries }] });
  await admin.disconnect();
};
