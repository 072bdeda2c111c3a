/** No Kafka: records stay in this process, for a first look and for tests. They are gone at restart. */
import { clock } from '../clock.ts';
import { type KafkaRecord, PublishError, type Publisher, type PublisherState, type TopicAnswer } from './publisher.ts';

/** Every valid topic exists, with so many partitions. */
export const MEMORY_PARTITIONS = 3;
/** What is kept at most; the oldest is dropped. */
const MAX_RECORDS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** Kafka's rule for names. */
const TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

export interface MemoryRecord extends KafkaRecord {
  /** Order of arrival over all topics, from 1, without gaps. */
  readonly position: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export class MemoryPublisher implements Publisher {
  /** In the order of arrival; the first has position `#arrived - #records.length + 1`. */
  readonly #records: MemoryRecord[] = [];
  #bytes = 0;
  #arrived = 0;
  /** Next offset by topic and partition. */
  readonly #offsets = new Map<string, number[]>();
  readonly #since = clock.now();

  async send(topic: string, partition: number, records: readonly KafkaRecord[]): Promise<{ baseOffset: number }> {
    if (!TOPIC.test(topic)) throw new PublishError('topic', `${topic} cannot be the name of a topic.`);
    if (partition >= MEMORY_PARTITIONS) {
      const sentence = `Topic ${topic} has ${MEMORY_PARTITIONS} partitions, so there is no partition ${partition}.`;
      throw new PublishError('partition', sentence);
    }
    const offsets = this.#offsets.get(topic) ?? Array<number>(MEMORY_PARTITIONS).fill(0);
    this.#offsets.set(topic, offsets);
    const baseOffset = offsets[partition]!;
    const timestamp = clock.now();
    for (const record of records) {
      const position = ++this.#arrived;
      this.#records.push({ ...record, position, topic, partition, offset: offsets[partition]!++, timestamp });
      this.#bytes += bytesOf(record);
    }
    this.#dropOldest();
    return { baseOffset };
  }

  async lookUp(topic: string): Promise<TopicAnswer> {
    return TOPIC.test(topic) ? { partitions: MEMORY_PARTITIONS } : { missing: true };
  }

  state(): PublisherState {
    return { status: 'up', since: this.#since, lastError: null };
  }

  async close(): Promise<void> {}

  /** In the order of arrival, those behind position `after` (0: from the beginning), at most `limit`. */
  records({ topic, after, limit }: { topic?: string | undefined; after: number; limit: number }): MemoryRecord[] {
    const from = Math.max(0, after - (this.#arrived - this.#records.length));
    const found: MemoryRecord[] = [];
    for (let i = from; i < this.#records.length && found.length < limit; i++) {
      const record = this.#records[i]!;
      if (topic === undefined || record.topic === topic) found.push(record);
    }
    return found;
  }

  #dropOldest(): void {
    let drop = Math.max(0, this.#records.length - MAX_RECORDS);
    for (let i = 0; i < drop; i++) this.#bytes -= bytesOf(this.#records[i]!);
    while (this.#bytes > MAX_BYTES) this.#bytes -= bytesOf(this.#records[drop++]!);
    this.#records.splice(0, drop);
  }
}

const bytesOf = ({ key, value, headers }: KafkaRecord): number =>
  headers.reduce((sum, [name, header]) => sum + name.length + header.length, (key?.length ?? 0) + (value?.length ?? 0));
