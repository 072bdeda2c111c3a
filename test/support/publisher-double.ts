/** A Kafka that keeps what it is given, and fails, hangs or stays silent on purpose. */
import {
  type Fault,
  type KafkaRecord,
  PublishError,
  type Publisher,
  type PublisherState,
  type TopicAnswer,
} from '../../broker/forward/publisher.ts';

export interface DoubleSend {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly KafkaRecord[];
  /** The payloads as text. */
  readonly values: readonly string[];
}

const DEFAULT: TopicAnswer = { partitions: 3 };

export class PublisherDouble implements Publisher {
  /** Every send, in the order in which they began. */
  readonly sends: DoubleSend[] = [];
  /** What was written, by `topic/partition`. */
  readonly log = new Map<string, KafkaRecord[]>();
  /** What Kafka says of a topic, 3 partitions by default; `silent`: nothing, also to a send. */
  readonly topics = new Map<string, TopicAnswer | 'silent'>();
  /** Called before anything is written; throw a PublishError to fail, wait to hang. */
  behave: (send: DoubleSend) => void | Promise<void> = () => {};
  /** Sends in flight of the lane that ever had most. */
  mostInFlight = 0;
  lookUps: string[] = [];
  readonly #inFlight = new Map<string, number>();

  async send(topic: string, partition: number, records: readonly KafkaRecord[]): Promise<{ baseOffset: number }> {
    const lane = `${topic}/${partition}`;
    const send = { topic, partition, records, values: records.map(({ value }) => String(value)) };
    this.sends.push(send);
    const inFlight = (this.#inFlight.get(lane) ?? 0) + 1;
    this.#inFlight.set(lane, inFlight);
    this.mostInFlight = Math.max(this.mostInFlight, inFlight);
    try {
      await new Promise(resolve => setImmediate(resolve));
      await this.behave(send);
      this.#refuse(topic, partition);
      const log = this.log.get(lane) ?? [];
      this.log.set(lane, log);
      return { baseOffset: log.push(...records) - records.length };
    } finally {
      this.#inFlight.set(lane, this.#inFlight.get(lane)! - 1);
    }
  }

  async lookUp(topic: string): Promise<TopicAnswer> {
    this.lookUps.push(topic);
    await new Promise(resolve => setImmediate(resolve));
    const answer = this.topics.get(topic) ?? DEFAULT;
    if (answer === 'silent') throw new Error('silent');
    return answer;
  }

  state(): PublisherState {
    const silent = [...this.topics.values()].includes('silent');
    return { status: silent ? 'down' : 'up', since: 0, lastError: null };
  }

  async close(): Promise<void> {}

  /** The payloads written to the partition, in order. */
  written(topic: string, partition: number): string[] {
    return (this.log.get(`${topic}/${partition}`) ?? []).map(({ value }) => String(value));
  }

  /** All payloads written to the topic. */
  writtenTo(topic: string): string[] {
    const lanes = [...this.log].filter(([lane]) => lane.startsWith(`${topic}/`));
    return lanes.flatMap(([, records]) => records.map(({ value }) => String(value)));
  }

  #refuse(topic: string, partition: number): void {
    const answer = this.topics.get(topic) ?? DEFAULT;
    if (answer === 'silent') throw failure('unknown');
    if (!('partitions' in answer)) throw failure('topic');
    if (partition >= answer.partitions) throw failure('partition');
  }
}

export const failure = (fault: Fault): PublishError => new PublishError(fault, `It failed by fault of: ${fault}.`);

/** A door: whoever waits at it goes on when it is opened. */
export const door = (): { readonly wait: Promise<void>; open(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: promise, open: resolve };
};
