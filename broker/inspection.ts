/** A broker's surroundings, looked at with its settings and without starting it. */
import { AddressPolicy } from './check-back/address-policy.ts';
import type { Config, KafkaConfig } from './config.ts';
import type { KafkaInspection } from './forward/kafka-inspection.ts';
import { KafkaPublisher } from './forward/kafka-publisher.ts';

export type { KafkaInspection, TopicInspection } from './forward/kafka-inspection.ts';
export { MAX_TOPICS_INSPECTED } from './forward/kafka-inspection.ts';
export { inspectDatabase, inspectFolder, inspectSqlite } from './store/folder-inspection.ts';

/** What is wrong with the list of check addresses, a sentence; null: nothing. */
export const checkAllowFault = ({ checkAllow, host }: Config): string | null => {
  try {
    new AddressPolicy(checkAllow, host);
    return null;
  } catch (error) {
    return `--check-allow: ${(error as Error).message}.`;
  }
};

const silent = { debug: () => {}, info: () => {}, warn: () => {} };

/** Connects, asks and disconnects. Rejects with a sentence where Kafka does not answer. */
export const inspectKafka = async (
  { brokers, clientId, tls, sasl }: KafkaConfig,
  topics: readonly string[],
): Promise<KafkaInspection> => {
  const publisher = new KafkaPublisher({ brokers, clientId, ssl: tls ?? undefined, sasl: sasl ?? undefined }, silent);
  try {
    return await publisher.inspect(topics);
  } finally {
    await publisher.close(GOODBYE_MS);
  }
};

const GOODBYE_MS = 2_000;
