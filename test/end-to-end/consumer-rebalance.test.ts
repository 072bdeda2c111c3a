/** Consumers that come and go under load: each effect once, in order, no offset beyond what is handled. */
import t from 'tap';
import {
  cloudEvent,
  committed,
  expel,
  kafkaClient,
  type Ledger,
  newGroup,
  openLedger,
  publish,
  type Running,
  servedGroup,
  startConsumer,
} from '../support/consumer-bench.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { until } from '../support/until.ts';

t.setTimeout(120_000);

const PARTITIONS = 4;
const ROUNDS = 6;
const PER_ROUND = 200;

t.test('instances join and leave while records come', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka, { partitions: PARTITIONS });
  const groupId = await servedGroup(kafka, topic);
  const ledger = await openLedger(t);
  const start = (): Running =>
    startConsumer(t, kafka, { groupId, topics: [topic], inbox: ledger.inbox, commitIntervalMs: 20 }, ledger.credit);
  const partitionsOf = ({ consumer }: Running): number => consumer.health().partitions.length;

  let sent = 0;
  const send = async (): Promise<void> => {
    const records = Array.from({ length: PER_ROUND }, (_, index) => {
      const partition = index % PARTITIONS;
      return cloudEvent(`t${sent + index}.0`, '{"amount":1}', { partition });
    });
    sent += PER_ROUND;
    await publish(kafka, topic, records);
  };
  const staying = start();
  await until('it has all partitions', () => partitionsOf(staying) === PARTITIONS);
  for (let round = 0; round < ROUNDS; round++) {
    await send();
    const coming = start();
    const both = until('they share', () => partitionsOf(coming) > 0 && partitionsOf(staying) < PARTITIONS);
    await send();
    await both;
    await send();
    // Now and then Kafka itself puts everybody out.
    if (round % 2 === 1) await expel(kafka, groupId);
    await coming.consumer.close();
    t.equal(await coming.ended, null);
    await until('it has all partitions again', () => partitionsOf(staying) === PARTITIONS);
  }
  await until('all came', () => ledger.count() >= sent);
  await staying.consumer.close();
  t.equal(ledger.sum(), sent);
  t.equal(new Set(ledger.ids()).size, sent);
  t.same(await committed(kafka, groupId, topic), Array(PARTITIONS).fill(sent / PARTITIONS));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const effects = ledger.effects().filter(effect => effect.partition === partition);
    t.same(
      effects.map(({ offset }) => offset),
      effects.map((_, index) => index),
      'in order, none left out',
    );
  }
  t.equal(staying.consumer.health().restarts, 0);
});

t.test('offsets never pass what is not handled, wherever an instance ends', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const groupId = newGroup();
  const ledger = await openLedger(t);
  await publish(
    kafka,
    topic,
    Array.from({ length: 50 }, (_, index) => cloudEvent(`t${index}.0`, '{"amount":1}')),
  );
  const options = { groupId, topics: [topic], inbox: ledger.inbox, kafka: kafkaClient(kafka), commitIntervalMs: 1 };
  const { consumer } = startConsumer(t, kafka, options, (message, tx: Ledger['db']) => {
    if (message.offset === '20') throw new Error('not yet');
    ledger.credit(message, tx);
  });
  await until('it waits', () => (consumer.health().partitions[0]?.attempts ?? 0) > 0);
  await consumer.close();
  t.same(await committed(kafka, groupId, topic), [20]);
  t.equal(ledger.count(), 20);
});
