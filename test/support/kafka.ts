/** A real Kafka for a test: the one the test command started for all, or one of its own that may be killed. */
import type { Test } from 'tap';
import { type KafkaCluster, kafkaAvailable, startKafka } from '../../tools/kafka/cluster.ts';
import type { KafkaOptions } from '../../tools/kafka/options.ts';
import { createTopic, type TopicShape } from './topics.ts';

/** Why tests with Kafka cannot run here, or false. */
const missing = (): string | false => {
  const { how, why } = kafkaAvailable();
  return how === 'none' ? (why ?? 'no Kafka can be had') : false;
};

/** Why tests that kill Kafka cannot run here, or false: only nodes that we start ourselves can be killed. */
const unkillable = (): string | false => {
  const { how, why } = kafkaAvailable({ ...process.env, KAFKA_BROKERS: undefined });
  return how === 'java' ? false : (why ?? 'killing Kafka needs Java and Maven');
};

/** For the options of a test: `t.test(name, needsKafka, …)`. */
export const needsKafka = { skip: missing() };
export const needsOwnKafka = { skip: unkillable() };

/** Shared: never stopped, so tests use topics of their own. */
export const sharedKafka = async (t: Test): Promise<Pick<KafkaCluster, 'brokers'>> => {
  const given = process.env.ESCROWMQ_TEST_KAFKA;
  if (given) return { brokers: given.split(',') };
  const cluster = await startKafka();
  t.teardown(() => cluster.close());
  return cluster;
};

/** Started for this test alone, ended with it. */
export const ownKafka = async (t: Test, options: KafkaOptions = {}): Promise<KafkaCluster> => {
  const cluster = await startKafka({
    isShortLived: true,
    ...options,
    env: { ...process.env, KAFKA_BROKERS: undefined },
  });
  t.teardown(() => cluster.close());
  return cluster;
};

let made = 0;
/** A new topic under a name nobody else has. */
export const newTopic = async (kafka: Pick<KafkaCluster, 'brokers'>, shape: TopicShape = {}): Promise<string> => {
  const name = `t-${process.pid}-${Date.now().toString(36)}-${made++}`;
  await createTopic(kafka, name, shape);
  return name;
};
