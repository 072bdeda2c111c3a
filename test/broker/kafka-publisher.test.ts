import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { KafkaPublisher, type KafkaSettings } from '../../broker/forward/kafka-publisher.ts';
import { openForwarding } from '../support/forwarding.ts';
import { needsKafka, needsOwnKafka, newTopic, ownKafka, sharedKafka } from '../support/kafka.ts';
import { addPartitions, createTopic, deleteTopic, endOffsets, readTopic } from '../support/topics.ts';
import { until } from '../support/until.ts';
import { publisherConformance, type ReadRecord } from './publisher-conformance.ts';

t.setTimeout(200_000);

const record = (value: string | Buffer, key: Buffer | null = null) => ({ key, value: Buffer.from(value), headers: [] });

const quiet = { debug: () => {}, info: () => {}, warn: () => {} };
const publisherTo = (t: Test, settings: Pick<KafkaSettings, 'brokers'> & Partial<KafkaSettings>): KafkaPublisher => {
  const publisher = new KafkaPublisher({ clientId: 'test', ...settings }, quiet);
  t.teardown(() => publisher.close(2_000));
  return publisher;
};

/** kafkajs reads a header whose name every object has, like `constructor`, as an array that ends with its value. */
const read = async (topic: string): Promise<ReadRecord[]> =>
  (await readTopic(kafka, topic)).map(({ headers, ...rest }) => {
    const named: ReadRecord['headers'] = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, [value].flat().at(-1)!]),
    );
    return { ...rest, headers: named };
  });

let kafka: { readonly brokers: readonly string[] };
t.test('a Kafka is there', needsKafka, async test => {
  kafka = await sharedKafka(t);
  test.ok(kafka.brokers.length > 0);
});

t.test('is a publisher', async t =>
  publisherConformance(
    t,
    async t => ({
      publisher: publisherTo(t, kafka),
      topics: [await newTopic(kafka, { partitions: 3 }), await newTopic(kafka, { partitions: 3 })],
      read,
    }),
    needsKafka,
  ),
);

t.test('a topic that does not exist is told from one that does, by send and by look-up', needsKafka, async t => {
  const publisher = publisherTo(t, kafka);
  await t.rejects(publisher.send('no-such-topic', 0, [record('x')]), { name: 'PublishError', fault: 'topic' });
  t.same(await publisher.lookUp('no-such-topic'), { missing: true });
  t.equal(publisher.state().status, 'up', 'that is an answer');
});

t.test(
  'added partitions are found by a look-up at once, and by a producer that did not know them',
  needsKafka,
  async t => {
    const publisher = publisherTo(t, kafka);
    const topic = await newTopic(kafka, { partitions: 1 });
    await publisher.send(topic, 0, [record('x')]);
    await addPartitions(kafka, topic, 2);
    t.same(await publisher.lookUp(topic), { partitions: 2 });
    // kafkajs resolves with an empty answer here; whether that is believed is what this test is about.
    const first = await publisher.send(topic, 1, [record('y')]).catch(error => error.fault);
    if (first === 'unknown') t.same(await publisher.send(topic, 1, [record('y')]), { baseOffset: 0 });
    else t.same(first, { baseOffset: 0 });
    t.same(await endOffsets(kafka, topic), [1, 1]);
  },
);

t.test('a deleted topic disturbs no other, also when metadata have grown old', needsKafka, async t => {
  const publisher = publisherTo(t, kafka);
  const [doomed, healthy] = [await newTopic(kafka), await newTopic(kafka)];
  await publisher.send(doomed, 0, [record('x')]);
  await publisher.send(healthy, 0, [record('x')]);
  await deleteTopic(kafka, doomed);
  await t.rejects(publisher.send(doomed, 0, [record('y')]), { name: 'PublishError', fault: 'topic' });
  const realNow = Date.now;
  t.teardown(() => {
    Date.now = realNow;
  });
  Date.now = () => realNow() + 61_000;
  t.same(await publisher.send(healthy, 0, [record('y')]), { baseOffset: 1 });
  await t.rejects(publisher.send(doomed, 0, [record('y')]), { name: 'PublishError', fault: 'topic' });
  await createTopic(kafka, doomed);
  t.same(await publisher.send(doomed, 0, [record('z')]), { baseOffset: 0 }, 'and can be made again');
});

t.test(
  "what Kafka refuses for the record's own sake is the record's fault, and nothing is written",
  needsKafka,
  async t => {
    const publisher = publisherTo(t, kafka);
    const small = await newTopic(kafka, { config: { 'max.message.bytes': '10000' } });
    const compacted = await newTopic(kafka, { config: { 'cleanup.policy': 'compact' } });
    const isRecords = { name: 'PublishError', fault: 'record' };
    await t.rejects(publisher.send(small, 0, [record('x'), record(Buffer.alloc(11_000))]), isRecords);
    await t.rejects(publisher.send(compacted, 0, [record('x', Buffer.from('k')), record('no key')]), isRecords);
    t.same(await endOffsets(kafka, small), [0]);
    t.same(await endOffsets(kafka, compacted), [0]);
    t.same(await publisher.send(small, 0, [record('x')]), { baseOffset: 0 });
  },
);

t.test(
  'through the forwarder: a message that is too large is parked, the others arrive in order',
  needsKafka,
  async t => {
    const topic = await newTopic(kafka, { partitions: 1, config: { 'max.message.bytes': '50000' } });
    const publisher = publisherTo(t, kafka);
    const { commit, count, messages, fatal } = await openForwarding(t, { publisher, known: { [topic]: 1 } });
    const payloads = Array.from({ length: 40 }, (_, i) => (i === 17 ? Buffer.alloc(60_000) : Buffer.from(`m${i}`)));
    const id = await commit(...payloads.map(payload => ({ topic, payload })));
    await until('all are done', () => count('forwarded') + count('parked') === 40);
    t.match((await messages(id))[17], { state: 'parked', lastError: /MESSAGE_TOO_LARGE/ });
    const expected = payloads.filter(({ length }) => length < 100).map(String);
    t.same(
      (await readTopic(kafka, topic)).map(({ value }) => String(value)),
      expected,
    );
    t.same(fatal, []);
  },
);

t.test('through the forwarder: messages wait for their topic, and arrive when it is made', needsKafka, async t => {
  const topic = `t-late-${process.pid}-${Date.now()}`;
  const publisher = publisherTo(t, kafka);
  const { commit, count, forwarder } = await openForwarding(t, { publisher, known: {} });
  for (let i = 0; i < 10; i++) await commit({ topic, key: Buffer.from('k'), payload: Buffer.from(`m${i}`) });
  await until('the fault is known', () => forwarder.status().topics[0]?.trouble?.fault === 'topic');
  await createTopic(kafka, topic, { partitions: 2 });
  await until('all are marked', () => count('forwarded') === 10);
  t.same(
    (await readTopic(kafka, topic)).map(({ value }) => String(value)),
    Array.from({ length: 10 }, (_, i) => `m${i}`),
  );
});

t.test('while nobody answers every call fails by itself, and the state says so', async t => {
  const publisher = publisherTo(t, { brokers: ['127.0.0.1:1'] });
  t.match(publisher.state(), { status: 'down', lastError: null });
  await t.rejects(publisher.send('a', 0, [record('x')]), { name: 'PublishError', fault: 'unknown' });
  await t.rejects(publisher.lookUp('a'));
  t.match(publisher.state(), { status: 'down', lastError: /ECONNREFUSED/ });
  await publisher.close(1_000);
  await t.rejects(publisher.send('a', 0, [record('x')]), { name: 'PublishError', fault: 'unknown' });
  await t.rejects(publisher.lookUp('a'));
});

t.test('speaks TLS, logs in by SCRAM, and takes a wrong password for no answer', needsOwnKafka, async t => {
  const secure = await ownKafka(t, { security: 'sasl_ssl' });
  const { caFile, username, password } = secure.security!;
  const ssl = { ca: readFileSync(caFile, 'utf8') };
  // Frozen, as settings are: kafkajs would write into it.
  const sasl = Object.freeze({ mechanism: 'scram-sha-256', username, password });
  await createTopic(secure, 'secret', { partitions: 1 });
  const publisher = publisherTo(t, { brokers: secure.brokers, ssl, sasl });
  t.same(await publisher.send('secret', 0, [record('x')]), { baseOffset: 0 });
  t.same(await publisher.lookUp('secret'), { partitions: 1 });
  const wrong = publisherTo(t, { brokers: secure.brokers, ssl, sasl: { ...sasl, password: 'wrong' } });
  await t.rejects(wrong.send('secret', 0, [record('x')]), { name: 'PublishError', fault: 'unknown' });
  t.equal(wrong.state().status, 'down');
  t.notMatch(wrong.state().lastError, password);
});
