/** Kafka is frozen, killed and restarted under a consumer, which goes on by itself and misses nothing. */
import t from 'tap';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import { cloudEvent, newGroup, openLedger, publish, startConsumer } from '../support/consumer-bench.ts';
import { needsOwnKafka, newTopic, ownKafka } from '../support/kafka.ts';
import { until } from '../support/until.ts';

t.setTimeout(150_000);

let kafka: KafkaCluster;
t.test('a Kafka of our own is there', needsOwnKafka, async test => {
  kafka = await ownKafka(t);
  test.equal(kafka.nodes.length, 1);
});

t.test('killed, away, and back', needsOwnKafka, async t => {
  const topic = await newTopic(kafka, { partitions: 2 });
  const ledger = await openLedger(t);
  let sent = 0;
  const send = async (): Promise<void> => {
    await publish(
      kafka,
      topic,
      Array.from({ length: 50 }, (_, index) =>
        cloudEvent(`t${sent + index}.0`, '{"amount":1}', { partition: index % 2 }),
      ),
    );
    sent += 50;
  };
  const options = { groupId: newGroup(), topics: [topic], inbox: ledger.inbox, stuckAfterMs: 2_000 };
  const { consumer } = startConsumer(t, kafka, options, ledger.credit);
  await send();
  await until('they came', () => ledger.count() === sent);
  t.equal(consumer.health().status, 'ok');

  await kafka.nodes[0]!.kill();
  await until('health says so', () => consumer.health().status === 'stuck');
  t.match(consumer.health().reason, /no answer of Kafka|cannot be committed|have kept ending/);
  // Whether kafkajs finds it again by itself or is replaced depends on how soon it is back.
  await kafka.nodes[0]!.start();
  await send();
  await until('they came', () => ledger.count() === sent);
  await until('health says so', () => consumer.health().status === 'ok');

  kafka.nodes[0]!.pause();
  await until('health says so', () => consumer.health().status === 'stuck');
  kafka.nodes[0]!.resume();
  await send();
  await until('they came', () => ledger.count() === sent);
  await consumer.close();
  t.equal(ledger.sum(), sent);
  t.equal(ledger.ids().length, sent);
});
