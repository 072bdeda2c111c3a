/** A steady stream of committed messages, and the comparison of what was committed with what Kafka has. */
import type { TopicRecord } from './read-topic.ts';

export interface ForwardLoad {
  /** Ends the stream; resolves with the payloads by key, in commit order. */
  stop(): Promise<Map<string, string[]>>;
}

const KEYS = 30;
/** Messages of one transaction. */
const TOGETHER = 5;
const PAUSE_MS = 5;

/** `commit` takes messages of one transaction, as the bench of forwarding.ts does. */
export const startLoad = (
  topic: string,
  commit: (...messages: { topic: string; key: Buffer; payload: Buffer }[]) => Promise<unknown>,
): ForwardLoad => {
  const committed = new Map<string, string[]>();
  let running = true;
  let next = 0;
  const loop = async (): Promise<void> => {
    while (running) {
      const messages = Array.from({ length: TOGETHER }, () => ({ key: `k${next % KEYS}`, payload: `m${next++}` }));
      await commit(
        ...messages.map(({ key, payload }) => ({ topic, key: Buffer.from(key), payload: Buffer.from(payload) })),
      );
      for (const { key, payload } of messages) committed.set(key, [...(committed.get(key) ?? []), payload]);
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
  };
  const ended = loop();
  return {
    stop: async () => {
      running = false;
      await ended;
      return committed;
    },
  };
};

export interface Comparison {
  readonly committed: number;
  readonly missing: number;
  /** Records that were there already. */
  readonly duplicates: number;
  /** Keys whose first appearances are not in commit order. */
  readonly disordered: number;
}

export const compare = (
  committed: ReadonlyMap<string, readonly string[]>,
  records: readonly TopicRecord[],
): Comparison => {
  const seen = new Map<string, Set<string>>();
  for (const { key, value } of records) {
    const values = seen.get(String(key)) ?? new Set();
    seen.set(String(key), values.add(String(value)));
  }
  let count = 0;
  let missing = 0;
  let disordered = 0;
  for (const [key, payloads] of committed) {
    const found = seen.get(key) ?? new Set();
    count += payloads.length;
    missing += payloads.filter(payload => !found.has(payload)).length;
    if (String([...found]) !== String(payloads.filter(payload => found.has(payload)))) disordered++;
  }
  return { committed: count, missing, duplicates: records.length - (count - missing), disordered };
};
