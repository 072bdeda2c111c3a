/** kafkajs's consumer and producer as the SDK sees them, and an inbox in memory: for what needs exact timing. */
import type { EachBatchPayload, Kafka } from 'kafkajs';
import { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import type { LocalDatabase } from '../../local-transaction/local-database.ts';
import type { Row, Steps } from '../../local-transaction/statement.ts';

type Listener = (event: { payload: object }) => void;
interface Committed {
  topic: string;
  partition: number;
  offset: string;
}

export class ConsumerDouble {
  readonly events = {
    FETCH: 'fetch',
    HEARTBEAT: 'heartbeat',
    GROUP_JOIN: 'join',
    REBALANCING: 'rebalancing',
    RECEIVED_UNSUBSCRIBED_TOPICS: 'unsubscribed',
    END_BATCH_PROCESS: 'end of batch',
    CRASH: 'crash',
  };
  readonly calls: string[] = [];
  readonly commits: Committed[] = [];
  /** What each of the next commits fails with. */
  readonly commitErrors: Error[] = [];
  connectError: Error | null = null;
  isHanging = false;
  /** What joining the group waits for. */
  joining: Promise<void> = Promise.resolve();
  isDisconnectHanging = false;
  subscription: unknown = null;
  isDisconnected = false;
  readonly #listeners = new Map<string, Listener[]>();
  #eachBatch: ((payload: EachBatchPayload) => Promise<void>) | null = null;

  on = (event: string, listener: Listener): void => {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  };

  emit(event: string, payload: object = {}): void {
    for (const listener of this.#listeners.get(event) ?? []) listener({ payload });
  }

  async connect(): Promise<void> {
    if (this.isHanging) await new Promise(() => {});
    if (this.connectError) throw this.connectError;
  }

  async subscribe(subscription: unknown): Promise<void> {
    this.subscription = subscription;
  }

  async run({ eachBatch }: { eachBatch: (payload: EachBatchPayload) => Promise<void> }): Promise<void> {
    this.#eachBatch = eachBatch;
    await this.joining;
  }

  get isRunning(): boolean {
    return this.#eachBatch !== null;
  }

  async disconnect(): Promise<void> {
    this.isDisconnected = true;
    if (this.isDisconnectHanging) await new Promise(() => {});
  }

  pause(partitions: unknown): void {
    this.calls.push(`pause ${JSON.stringify(partitions)}`);
  }

  resume(partitions: unknown): void {
    this.calls.push(`resume ${JSON.stringify(partitions)}`);
  }

  join(memberAssignment: Record<string, number[]>, memberId = 'member-1'): void {
    this.emit('join', { memberId, memberAssignment });
  }

  /** Resolves with the offsets that were resolved by the time fetching goes on; later ones are added to it. */
  async deliver(
    partition: number,
    ids: readonly string[],
    { from = 0, isStale = false, headers = {} as Record<string, string> } = {},
  ): Promise<string[]> {
    const resolved: string[] = [];
    const messages = ids.map((id, index) => ({
      offset: String(from + index),
      timestamp: '0',
      key: null,
      value: Buffer.from('{}'),
      attributes: 0,
      headers: { ce_id: id, ce_source: 's', ...headers },
    }));
    const last = String(from + ids.length - 1);
    const batch = { topic: 't', partition, highWatermark: String(from + ids.length), messages, lastOffset: () => last };
    await this.#eachBatch!({
      batch,
      resolveOffset: (offset: string) => resolved.push(offset),
      heartbeat: async () => {},
      commitOffsetsIfNecessary: async ({ topics }: { topics: { topic: string; partitions: Committed[] }[] }) => {
        const error = this.commitErrors.shift();
        if (error) throw error;
        for (const { topic, partitions } of topics) {
          for (const { partition, offset } of partitions) this.commits.push({ topic, partition, offset });
        }
      },
      isStale: () => isStale,
    } as unknown as EachBatchPayload);
    return resolved;
  }
}

export class KafkaDouble {
  /** In the order in which they were asked for. */
  readonly consumers: ConsumerDouble[] = [];
  readonly options: Record<string, unknown>[] = [];
  /** What each of the next producers' sends is answered with. */
  readonly answers: (() => unknown)[] = [];
  readonly sent: { topic: string; compression?: number; messages: { headers: Record<string, unknown> }[] }[] = [];
  /** Where dead letters end, for a replay of topic `t`. */
  end = '0';
  producers = 0;
  /** Done to each new consumer. */
  prepare: (consumer: ConsumerDouble) => void = () => {};

  consumer(options: Record<string, unknown>): ConsumerDouble {
    const consumer = new ConsumerDouble();
    this.prepare(consumer);
    this.options.push(options);
    this.consumers.push(consumer);
    return consumer;
  }

  producer() {
    this.producers += 1;
    return {
      connect: async () => {},
      disconnect: async () => {},
      send: async (request: KafkaDouble['sent'][number]) => {
        const answer = this.answers.shift();
        const acknowledged = [{ topicName: request.topic, partition: 0, errorCode: 0, baseOffset: '0' }];
        const given = answer ? answer() : acknowledged;
        if (given === acknowledged || answer === undefined) this.sent.push(request);
        return given;
      },
    };
  }

  admin() {
    return {
      connect: async () => {},
      disconnect: async () => {},
      fetchTopicOffsets: async () => [{ partition: 0, low: '0', high: this.end }],
      fetchOffsets: async () => [{ partitions: [{ partition: 0, offset: '-1' }] }],
    };
  }

  get last(): ConsumerDouble {
    return this.consumers.at(-1)!;
  }

  get client(): Kafka {
    return this as unknown as Kafka;
  }
}

/** Rows by message id; transactions take as long as the handler does, and end with the signal. */
export const memoryInbox = (): { inbox: Inbox<null>; rows: Set<string> } => {
  const rows = new Set<string>();
  const idOf = (steps: Steps): string => {
    const { value } = steps.next();
    return value ? String(value.params[2]) : '';
  };
  const database: LocalDatabase<null> = {
    dialect: 'postgresql',
    isSynchronous: false,
    transaction: async work => {
      const id = idOf(work.opening());
      if (rows.has(id)) throw new Error('duplicate key');
      const ended = new Promise<never>((_, reject) => {
        work.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      });
      const value = await Promise.race([work.business(null), ended]);
      rows.add(id);
      return value;
    },
    query: async ({ params }): Promise<readonly Row[]> =>
      rows.has(String(params[2])) ? [{ message_id: params[2] }] : [],
    assertIdle: () => {},
    close: async () => {},
  };
  const inbox = new Inbox(database);
  inbox.assertReady = async () => {};
  return { inbox, rows };
};
