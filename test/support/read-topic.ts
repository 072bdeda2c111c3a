/** The records of a topic, read from the leaders directly: no group, no offsets committed, nothing left behind. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  connectWire,
  decodeFetched,
  ISOLATION,
  type Isolation,
  type KafkaTarget,
  type WireCluster,
  type WireRecord,
} from './kafka-wire.ts';
import { boundaryOffsets } from './topic-offsets.ts';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** As on the wire; a key that occurs several times has an array. */
  readonly headers: Readonly<Record<string, Buffer | Buffer[]>>;
}

export interface ReadOptions {
  /**
   * `end` (default): all that is there when the call begins. A number: until at least so many are read. A function:
   * until it says true of all that was read, asked once per answer with something new. More may come back than asked
   * for: what arrived together is returned together, so that a duplicate is seen.
   */
  until?: 'end' | number | ((records: readonly TopicRecord[]) => boolean);
  timeoutMs?: number;
  /** `committed` (default): without what was aborted or is still open in a transaction. */
  isolation?: Isolation;
}

const LOCATE_EVERY_MS = 1000;
const BYTES_PER_PARTITION = 4 * 1024 * 1024;

/**
 * In the order of arrival, which within a partition is the order of offsets. Brokers may go down and leaders may move
 * meanwhile. Rejects after `timeoutMs` (20 s) and then says what it had.
 */
export const readTopic = async (
  target: KafkaTarget,
  topic: string,
  { until = 'end', timeoutMs = 20_000, isolation = 'committed' }: ReadOptions = {},
): Promise<TopicRecord[]> => {
  let cluster: WireCluster | undefined;
  const deadline = performance.now() + timeoutMs;
  const records: TopicRecord[] = [];
  const position: number[] = [];
  let ends: number[] | undefined;
  let failure: unknown;
  const reached = () => {
    if (until === 'end') return ends?.every((end, partition) => position[partition]! >= end) ?? false;
    return typeof until === 'number' ? records.length >= until : until(records);
  };
  /** Finds leaders and new partitions, and what retention removed under us. */
  const locate = async () => {
    cluster ??= await connectWire(target, isolation);
    const begins = await boundaryOffsets(cluster, topic, 'beginning');
    for (const [partition, begin] of begins.entries()) position[partition] = Math.max(begin, position[partition] ?? 0);
    if (until === 'end') ends ??= await boundaryOffsets(cluster, topic, 'end');
    return performance.now();
  };
  try {
    let located = Number.NEGATIVE_INFINITY;
    while (performance.now() < deadline) {
      const before = records.length;
      try {
        if (cluster === undefined || performance.now() > located + LOCATE_EVERY_MS) located = await locate();
        else records.push(...(await fetchOnce(cluster, topic, position, isolation)));
        failure = undefined;
      } catch (error) {
        // A kafkajs object that met a frozen broker may stay useless: begin anew, with those that answer now.
        failure = error;
        await cluster?.disconnect();
        cluster = undefined;
        await delay(100);
        continue;
      }
      if ((records.length > before || typeof until !== 'function') && reached()) return records;
    }
  } finally {
    await cluster?.disconnect();
  }
  const had = `${records.length} record(s), next offsets ${position.join(',')}${ends ? ` of ${ends.join(',')}` : ''}`;
  throw new Error(`Reading ${topic} took more than ${timeoutMs} ms; read: ${had}.`, { cause: failure });
};

/** One request to each leader; moves `position` on. */
const fetchOnce = async (
  cluster: WireCluster,
  topic: string,
  position: number[],
  isolation: Isolation,
): Promise<TopicRecord[]> => {
  const leaders = cluster.findLeaderForPartitions(topic, [...position.keys()]);
  const answers = await Promise.all(
    Object.entries(leaders).map(async ([nodeId, partitions]) => {
      const broker = await cluster.findBroker({ nodeId });
      const wanted = partitions.map(partition => ({
        partition,
        fetchOffset: String(position[partition]),
        maxBytes: BYTES_PER_PARTITION,
      }));
      const request = { maxWaitTime: 100, minBytes: 1, maxBytes: 8 * BYTES_PER_PARTITION };
      const topics = [{ topic, partitions: wanted }];
      return broker.fetch({ ...request, isolationLevel: ISOLATION[isolation], topics });
    }),
  );
  const parts = answers.flatMap(({ responses }) => responses.flatMap(({ partitions }) => partitions));
  return parts.flatMap(part => {
    const from = position[part.partition]!;
    const { rawMessages, messages } = decodeFetched(topic, from, part);
    // Markers and aborted records are not shown but passed. An answer without any leaves the position: in front of an
    // open transaction there may be more later.
    const last = rawMessages.at(-1);
    if (last !== undefined) position[part.partition] = Math.max(from, Number(last.offset) + 1);
    return messages.map(message => toRecord(part.partition, message));
  });
};

const toRecord = (partition: number, { offset, timestamp, key, value, headers }: WireRecord): TopicRecord => ({
  partition,
  offset: Number(offset),
  timestamp: Number(timestamp),
  key,
  value,
  headers,
});
