/** A Kafka whose leaders move, whose answers get lost, and whose topics come and go; it never loses what it wrote. */
import {
  type KafkaRecord,
  PublishError,
  type Publisher,
  type PublisherState,
  type TopicAnswer,
} from '../../broker/forward/publisher.ts';

/** What becomes of one send. `late`: it is written after it was given up. */
export type Fate = 'written' | 'refused' | 'unanswered' | 'late' | 'hanging';

export interface Written {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly record: KafkaRecord;
}

export interface KafkaWorld {
  wait(ms: number): Promise<void>;
  /** In [0, 1). */
  random(): number;
  /** Of the next send. */
  fate(): Fate;
  /** A record with this payload is refused for its own fault. */
  isPoison?(record: KafkaRecord): boolean;
  onWrite?(written: Written): void;
}

const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const LONGEST_LATENCY_MS = 15;
/** How long after it was given up a late send is written. */
const LATE_MS = 300;
const HANGING_MS = 20_000;

/** Lives through the deaths of those who send: it is the cluster, and the client is only a door to it. */
export class MovingKafka {
  /** Partitions of each topic that there is. */
  readonly topics = new Map<string, number>();
  /** By `topic/partition`. */
  readonly #log = new Map<string, KafkaRecord[]>();
  readonly #world: KafkaWorld;
  isAway = false;

  constructor(world: KafkaWorld, topics: Readonly<Record<string, number>>) {
    this.#world = world;
    for (const [name, partitions] of Object.entries(topics)) this.topics.set(name, partitions);
  }

  records(topic: string, partition: number): readonly KafkaRecord[] {
    return this.#log.get(`${topic}/${partition}`) ?? [];
  }

  /** The door of one process. */
  client(): Publisher {
    return {
      send: (topic, partition, records) => this.#send(topic, partition, records),
      lookUp: topic => this.#lookUp(topic),
      state: (): PublisherState => ({ status: this.isAway ? 'down' : 'up', since: 0, lastError: null }),
      close: async () => {},
    };
  }

  async #send(topic: string, partition: number, records: readonly KafkaRecord[]): Promise<{ baseOffset: number }> {
    const { wait, random, fate, isPoison } = this.#world;
    await wait(1 + random() * LONGEST_LATENCY_MS);
    if (this.isAway) throw new PublishError('unknown', 'No broker of Kafka can be reached.');
    const partitions = this.topics.get(topic);
    if (partitions === undefined) throw new PublishError('topic', `There is no topic ${topic} in Kafka.`);
    if (partition >= partitions) {
      throw new PublishError('partition', `Topic ${topic} has ${partitions} partitions, so there is no ${partition}.`);
    }
    if (records.some(record => isPoison?.(record))) throw new PublishError('record', 'A record is too large.');
    const what = fate();
    switch (what) {
      case 'refused':
        throw new PublishError('unknown', 'The leader has moved.');
      case 'late':
        void wait(LATE_MS * random()).then(() => this.#write(topic, partition, records));
        throw new PublishError('unknown', 'The connection broke.');
      case 'unanswered':
        this.#write(topic, partition, records);
        throw new PublishError('unknown', 'The answer was lost.');
      case 'hanging':
        await wait(HANGING_MS);
        throw new PublishError('unknown', 'There was no answer in time.');
      case 'written': {
        const baseOffset = this.#write(topic, partition, records);
        await wait(random() * LONGEST_LATENCY_MS);
        return { baseOffset };
      }
    }
  }

  #write(topic: string, partition: number, records: readonly KafkaRecord[]): number {
    const lane = `${topic}/${partition}`;
    const log = this.#log.get(lane) ?? [];
    this.#log.set(lane, log);
    const baseOffset = log.length;
    for (const [i, record] of records.entries()) {
      log.push(record);
      this.#world.onWrite?.({ topic, partition, offset: baseOffset + i, record });
    }
    return baseOffset;
  }

  async #lookUp(topic: string): Promise<TopicAnswer> {
    const { wait, random } = this.#world;
    await wait(1 + random() * LONGEST_LATENCY_MS);
    if (this.isAway) throw new Error('No broker of Kafka can be reached.');
    const partitions = TOPIC.test(topic) ? this.topics.get(topic) : undefined;
    return partitions === undefined ? { missing: true } : { partitions };
  }
}
