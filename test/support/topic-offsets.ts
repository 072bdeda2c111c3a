/** Where the partitions of a topic begin and end. */
import { setTimeout as delay } from 'node:timers/promises';
import { connectWire, type Isolation, type KafkaTarget, type WireCluster } from './kafka-wire.ts';

const WITHIN_MS = 30_000;

/**
 * The offset after the last record of each partition, in the order of the partitions. `committed`: not beyond the first
 * open transaction. Markers of transactions count too: never compute the number of records from it.
 */
export const endOffsets = async (
  target: KafkaTarget,
  topic: string,
  { isolation = 'uncommitted' }: { isolation?: Isolation } = {},
): Promise<number[]> =>
  retried(`end offsets of ${topic}`, async () => {
    const cluster = await connectWire(target, isolation);
    try {
      return await boundaryOffsets(cluster, topic, 'end');
    } finally {
      await cluster.disconnect();
    }
  });

/** One try, from the leaders themselves. */
export const boundaryOffsets = async (
  cluster: WireCluster,
  topic: string,
  which: 'beginning' | 'end',
): Promise<number[]> => {
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadata();
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }));
  const [answer] = await cluster.fetchTopicsOffset([{ topic, fromBeginning: which === 'beginning', partitions }]);
  const offsets = answer?.partitions.toSorted((a, b) => a.partition - b.partition) ?? [];
  if (offsets.length === 0 || offsets.length !== partitions.length) throw new Error('not all partitions answered');
  return offsets.map(({ offset }) => Number(offset));
};

/** Tries until it succeeds, for 30 s at most, and then says what it waited for. */
export const retried = async <T>(what: string, attempt: () => Promise<T>): Promise<T> => {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() < end) await delay(50);
      else throw new Error(`Waited ${WITHIN_MS / 1000} s for ${what}: ${(error as Error).message}`, { cause: error });
    }
  }
};
