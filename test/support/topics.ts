/** Topics on a real Kafka: make, remove, widen, and know when that has reached every broker. */
import {
  answering,
  connectWire,
  type KafkaTarget,
  oneByOne,
  type WireBroker,
  type WireCluster,
  type WirePartition,
} from './kafka-wire.ts';
import { endOffsets, retried } from './topic-offsets.ts';

export { type KafkaTarget, kafkaConfig } from './kafka-wire.ts';
export { readTopic, type TopicRecord } from './read-topic.ts';
export { endOffsets } from './topic-offsets.ts';

/** For the broker, in ms. */
const timeout = 4000;

export interface TopicShape {
  partitions?: number;
  replicas?: number;
  config?: Record<string, string>;
}

/**
 * Resolves when every broker that can be reached knows a leader for every partition, and each leader serves it: the
 * first send then succeeds. A topic that exists with as many partitions is taken as made.
 */
export const createTopic = async (
  target: KafkaTarget,
  topic: string,
  { partitions = 1, replicas = 1, config = {} }: TopicShape = {},
): Promise<void> => {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  const topics = [{ topic, numPartitions: partitions, replicationFactor: replicas, configEntries }];
  await ask(target, `${topic} to be made`, 'TOPIC_ALREADY_EXISTS', broker => broker.createTopics({ topics, timeout }));
  await untilServed(target, topic, partitions);
};

/** `partitions` is the new total. Resolves as `createTopic` does. */
export const addPartitions = async (target: KafkaTarget, topic: string, partitions: number): Promise<void> => {
  const view = await viewOf(await answering(target), topic);
  if (Array.isArray(view) && view.length === partitions) return untilServed(target, topic, partitions);
  const topicPartitions = [{ topic, count: partitions }];
  await ask(target, `${topic} to have ${partitions} partitions`, undefined, broker =>
    broker.createPartitions({ topicPartitions, timeout }),
  );
  await untilServed(target, topic, partitions);
};

/** Resolves when no broker that can be reached knows the topic any more, also where it never was. */
export const deleteTopic = async (target: KafkaTarget, topic: string): Promise<void> => {
  await ask(target, `${topic} to be removed`, 'UNKNOWN_TOPIC_OR_PARTITION', broker =>
    broker.deleteTopics({ topics: [topic], timeout }),
  );
  await untilAllAgree(target, topic, `${topic} to be gone`, view => view === 'no such topic');
};

const untilServed = async (target: KafkaTarget, topic: string, partitions: number): Promise<void> => {
  const complete = (view: View) =>
    Array.isArray(view) &&
    view.length === partitions &&
    view.every(({ leader, partitionErrorCode }) => leader >= 0 && partitionErrorCode === 0);
  await untilAllAgree(target, topic, `${partitions} partition(s) of ${topic} with a leader`, complete);
  // A leader that is known need not know it yet itself (NOT_LEADER_FOR_PARTITION): it does when it tells its offsets.
  await endOffsets(target, topic);
};

type View = readonly WirePartition[] | 'no such topic' | 'unreachable';

const untilAllAgree = async (
  target: KafkaTarget,
  topic: string,
  what: string,
  agrees: (view: View) => boolean,
): Promise<void> =>
  retried(what, async () => {
    const views = await Promise.all(oneByOne(target).map(broker => viewOf(broker, topic)));
    const reached = views.filter(view => view !== 'unreachable');
    if (reached.length === 0 || !reached.every(agrees)) throw new Error(`last seen: ${JSON.stringify(views)}`);
  });

/** What this one broker says. */
const viewOf = async (broker: KafkaTarget, topic: string): Promise<View> => {
  let cluster: WireCluster | undefined;
  try {
    cluster = await connectWire(broker);
    const { topicMetadata } = await cluster.brokerPool.seedBroker.metadata([topic]);
    return topicMetadata.find(entry => entry.topic === topic)?.partitionMetadata ?? 'no such topic';
  } catch (error) {
    const { type } = error as { type?: string };
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return 'no such topic';
    // Any other answer, like LEADER_NOT_AVAILABLE, is one: not ready yet.
    return type === undefined ? 'unreachable' : [];
  } finally {
    await cluster?.disconnect();
  }
};

/**
 * Any broker passes such a request on to the controller. kafkajs's admin object would first ask for all topics, and fail
 * if a single one of them lacks a leader. Tries again after a time-out or a broken connection, never after a refusal
 * other than `done`, by which the second try learns that the first one did succeed.
 */
const ask = async (
  target: KafkaTarget,
  what: string,
  done: string | undefined,
  act: (broker: WireBroker) => Promise<unknown>,
): Promise<void> => {
  const refused = await retried(what, async () => {
    const cluster = await connectWire(target);
    try {
      await act(cluster.brokerPool.seedBroker);
      return undefined;
    } catch (error) {
      const refusal = refusalIn(error);
      if (refusal === undefined) throw error;
      return refusal.type === done ? undefined : refusal;
    } finally {
      await cluster.disconnect();
    }
  });
  if (refused !== undefined) throw refused;
};

/** By shape: kafkajs does not export its error classes to ES modules. `type` is the name of the protocol's error. */
const refusalIn = (error: unknown): { type: string } | undefined => {
  // createTopics reports one error per topic.
  const { errors: [first] = [error] } = error as { errors?: unknown[] };
  const { type, retriable } = first as { type?: string; retriable?: boolean };
  const isRefusal = type !== undefined && (retriable === false || type === 'UNKNOWN_TOPIC_OR_PARTITION');
  return isRefusal ? (first as { type: string }) : undefined;
};
