/** Every committed message reaches Kafka at least once, in order, whatever Kafka goes through meanwhile. */
import t, { type Test } from 'tap';
import { KafkaPublisher } from '../../broker/forward/kafka-publisher.ts';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import { compare, startLoad } from '../support/forward-load.ts';
import { openForwarding } from '../support/forwarding.ts';
import { needsOwnKafka, newTopic, ownKafka } from '../support/kafka.ts';
import { readTopic } from '../support/topics.ts';
import { until } from '../support/until.ts';

t.setTimeout(200_000);

const PARTITIONS = 3;
const quiet = { debug: () => {}, info: () => {}, warn: () => {} };

let kafka: KafkaCluster;
t.test('a Kafka of our own is there', needsOwnKafka, async test => {
  kafka = await ownKafka(t);
  test.equal(kafka.nodes.length, 1);
});

const open = async (t: Test) => {
  const topic = await newTopic(kafka, { partitions: PARTITIONS });
  const publisher = new KafkaPublisher({ brokers: kafka.brokers, clientId: 'test' }, quiet);
  const bench = await openForwarding(t, { publisher, known: { [topic]: PARTITIONS } });
  t.teardown(async () => {
    await bench.stop(0);
    await publisher.close(2_000);
  });
  return { topic, ...bench };
};

/** Under load before, during and after whatever `nemesis` does. */
const survives = async (
  t: Test,
  nemesis: (bench: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> => {
  const bench = await open(t);
  const { topic, publisher, commit, count, coordinator, fatal } = bench;
  const load = startLoad(topic, commit);
  await until('the load runs', () => count('forwarded') > 100);
  await nemesis(bench);
  const forwarded = count('forwarded');
  await until('messages arrive again', () => count('forwarded') > forwarded + 100);
  const committed = await load.stop();
  await until('all are marked', () => count('ready') === 0);
  const result = compare(committed, await readTopic(kafka, topic));
  t.comment(JSON.stringify(result));
  t.match(result, { missing: 0, disordered: 0 });
  t.equal(result.committed, coordinator.counters().get('messages.forwarded'));
  t.equal(count('parked'), 0);
  t.equal(publisher.state().status, 'up');
  t.same(fatal, []);
};

t.test('Kafka freezes and goes on', needsOwnKafka, t =>
  survives(t, async ({ count }) => {
    const ready = count('ready');
    kafka.nodes[0]!.pause();
    await until('messages wait', () => count('ready') > ready + 1_000);
    kafka.nodes[0]!.resume();
  }),
);

t.test('Kafka is killed and comes back', needsOwnKafka, t =>
  survives(t, async ({ count, publisher, forwarder }) => {
    await kafka.nodes[0]!.kill();
    await until('that is known', () => publisher.state().status === 'down' && count('ready') > 1_000);
    t.match(forwarder.status().topics[0], { trouble: { fault: 'unknown' } });
    await kafka.nodes[0]!.start();
  }),
);

t.test('Kafka is restarted in good order, twice', needsOwnKafka, t =>
  survives(t, async () => {
    for (const _ of [1, 2]) {
      await kafka.nodes[0]!.stop();
      await kafka.nodes[0]!.start();
    }
  }),
);
