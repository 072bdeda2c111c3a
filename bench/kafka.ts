/** A Kafka for measurements: one node whose Java code has been compiled by use, since a cold one halves every figure. */
import { Kafka, logLevel, type Message } from 'kafkajs';
import { type KafkaCluster, startKafka } from '../tools/kafka/cluster.ts';

export interface WarmUp {
  /** Records written, or time passed, after which it counts as warm: whichever is first. */
  readonly records: number;
  readonly seconds: number;
}

const TOPIC = 'bench-warm-up';
const PARTITIONS = 6;
/** Small ones, as the broker's are: what has to become warm is the handling of requests. */
const RECORDS_PER_SEND = 60;
const SENDS_IN_FLIGHT = 4;

const write = async ({ brokers }: KafkaCluster, { records, seconds }: WarmUp): Promise<void> => {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const [admin, producer, consumer] = [
    kafka.admin(),
    kafka.producer({ allowAutoTopicCreation: false }),
    kafka.consumer({ groupId: TOPIC }),
  ];
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }], waitForLeaders: true });
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({ eachBatch: async () => {} });
  const messages = Array.from({ length: RECORDS_PER_SEND }, (): Message => ({ value: Buffer.alloc(512, 'x') }));
  const end = performance.now() + seconds * 1000;
  let written = 0;
  const send = async (): Promise<void> => {
    while (written < records && performance.now() < end) {
      written += RECORDS_PER_SEND;
      await producer.send({ topic: TOPIC, acks: -1, messages });
    }
  };
  await Promise.all(Array.from({ length: SENDS_IN_FLIGHT }, send));
  await consumer.disconnect();
  await admin.deleteTopics({ topics: [TOPIC] });
  await Promise.all([admin.disconnect(), producer.disconnect()]);
};

export const startWarmKafka = async (warmUp: WarmUp, log: (line: string) => void): Promise<KafkaCluster> => {
  const cluster = await startKafka({ heap: '512m', log });
  log('warming Kafka');
  try {
    await write(cluster, warmUp);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
};
