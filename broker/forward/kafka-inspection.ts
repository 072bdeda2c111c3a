/** What Kafka says of itself and of the topics that messages go to, asked once, by whoever wants to know before a start. */
import type { Admin, ITopicMetadata } from 'kafkajs';
import { kafkaFault } from './kafka-answer.ts';

export interface KafkaInspection {
  readonly clusterId: string;
  /** host:port */
  readonly brokers: readonly string[];
  readonly topics: readonly TopicInspection[];
}

export interface TopicInspection {
  readonly topic: string;
  /** Null: there is no such topic, or the client may not see it. */
  readonly partitions: number | null;
  /** Of the partition that has the fewest; null as above. */
  readonly replicas: number | null;
  /** Partitions with fewer replicas in sync than there are. */
  readonly lagging: number;
  /** `min.insync.replicas`; null: the client may not read it. */
  readonly minInSync: number | null;
  /** What Kafka refused, a sentence. */
  readonly error: string | null;
}

/** Configurations of a topic are resources of this type. */
const TOPIC_RESOURCE = 2;
/** Topics asked about, at most. */
export const MAX_TOPICS_INSPECTED = 500;

/** A topic that is missing fails the question about all: each is asked about by itself. */
const metadataOf = async (admin: Admin, topic: string): Promise<ITopicMetadata | string> => {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics.find(({ name }) => name === topic) ?? 'Kafka says nothing of it.';
  } catch (error) {
    const { type, sentence } = kafkaFault(error);
    if (type === null) throw new Error(sentence, { cause: error });
    return type === 'UNKNOWN_TOPIC_OR_PARTITION' ? 'There is no such topic.' : sentence;
  }
};

/** Null where the client may not read it: that is a right of its own. */
const minInSyncOf = async (admin: Admin, topic: string): Promise<number | null> => {
  try {
    const resources = [{ type: TOPIC_RESOURCE, name: topic, configNames: ['min.insync.replicas'] }];
    const { resources: found } = await admin.describeConfigs({ resources, includeSynonyms: false });
    const value = found[0]?.configEntries.find(({ configName }) => configName === 'min.insync.replicas')?.configValue;
    return value === undefined ? null : Number(value);
  } catch (error) {
    const { type, sentence } = kafkaFault(error);
    if (type === null) throw new Error(sentence, { cause: error });
    return null;
  }
};

const inspectTopic = async (admin: Admin, topic: string): Promise<TopicInspection> => {
  const metadata = await metadataOf(admin, topic);
  if (typeof metadata === 'string')
    return { topic, partitions: null, replicas: null, lagging: 0, minInSync: null, error: metadata };
  const { partitions } = metadata;
  return {
    topic,
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    lagging: partitions.filter(({ replicas, isr }) => isr.length < replicas.length).length,
    minInSync: await minInSyncOf(admin, topic),
    error: null,
  };
};

/** Rejects with a sentence where Kafka does not answer. */
export const inspectCluster = async (admin: Admin, topics: readonly string[]): Promise<KafkaInspection> => {
  const { clusterId, brokers } = await admin.describeCluster();
  const inspected: TopicInspection[] = [];
  for (const topic of topics.slice(0, MAX_TOPICS_INSPECTED)) inspected.push(await inspectTopic(admin, topic));
  return { clusterId, brokers: brokers.map(({ host, port }) => `${host}:${port}`), topics: inspected };
};
