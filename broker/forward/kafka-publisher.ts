/**
 * Kafka behind the seam, by kafkajs 2.2.4: the only file that imports it. Its faults that matter here, and the answer:
 * - a send resolves without having written: for a partition that its metadata lacks, and in a send to several
 *   partitions whose leaders move. So one partition a send, and only an answer that names it counts;
 * - it refreshes the metadata of all topics it ever sent to together, so that one deleted topic fails every other. So
 *   one producer a topic;
 * - a producer may stay broken after an error, or a `connect` resolve unconnected. So after any error that is not the
 *   records' own the producer is thrown away, and everything has a deadline of our own.
 */
import type { ConnectionOptions } from 'node:tls';
import { type Admin, Kafka, logLevel, type Producer, type RecordMetadata, type SASLOptions } from 'kafkajs';
import { clock } from '../clock.ts';
import { acceptedAt, kafkaFault } from './kafka-answer.ts';
import { KafkaConnection } from './kafka-connection.ts';
import { type ForwardLog, KafkaContact } from './kafka-contact.ts';
import { inspectCluster, type KafkaInspection } from './kafka-inspection.ts';
import { type KafkaRecord, PublishError, type Publisher, type PublisherState, type TopicAnswer } from './publisher.ts';

/** Longer than kafkajs's own time-out of a request, which lets it repeat a send; still bounded if that hangs. */
const SEND_MS = 45_000;
const REQUEST_MS = 30_000;
const CONNECTION_MS = 3_000;
const LOOK_UP_MS = 5_000;
const INSPECTION_MS = 30_000;
/** Repeats inside one send: enough for a leader that moves; the schedule of the lanes does the rest. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3, factor: 0.2, multiplier: 2 };
const METADATA_MAX_AGE_MS = 60_000;
/** A producer that is not used for so long is closed. */
const IDLE_MS = 60_000;
const SWEEP_MS = 15_000;

export type { ForwardLog } from './kafka-contact.ts';

export interface KafkaSettings {
  /** host:port */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** true: TLS with the system's certificates. */
  readonly ssl?: boolean | ConnectionOptions | undefined;
  readonly sasl?: KafkaLogin | undefined;
}

export interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

export class KafkaPublisher implements Publisher {
  readonly #settings: KafkaSettings;
  readonly #logger: ForwardLog;
  readonly #producers = new Map<string, KafkaConnection<Producer>>();
  #admin: KafkaConnection<Admin> | null = null;
  /** Every connection that is not ended, also those thrown away. */
  readonly #connections = new Set<{ end(deadlineMs: number): Promise<void> }>();
  #seed = 0;
  readonly #contact: KafkaContact;
  #closed = false;
  readonly #sweep: NodeJS.Timeout;

  /** Connects on first use, so this never fails and never waits. */
  constructor(settings: KafkaSettings, logger: ForwardLog) {
    this.#settings = settings;
    this.#logger = logger;
    this.#contact = new KafkaContact(logger);
    this.#sweep = setInterval(() => this.#closeIdle(), SWEEP_MS).unref();
  }

  async send(topic: string, partition: number, records: readonly KafkaRecord[]): Promise<{ baseOffset: number }> {
    if (this.#closed) throw new PublishError('unknown', 'The publisher is closed.');
    const connection = this.#producer(topic);
    const messages = records.map(({ key, value, headers }) => ({ key, value, partition, headers: named(headers) }));
    const startedAt = clock.monotonic();
    let answer: RecordMetadata[];
    try {
      answer = await connection.use(SEND_MS, producer => producer.send({ topic, acks: -1, messages }));
    } catch (error) {
      const { fault, type, sentence } = kafkaFault(error);
      if (type === null) this.#contact.noAnswer(startedAt, sentence);
      else this.#contact.answered();
      if (fault !== 'record') this.#discard(topic, connection);
      throw new PublishError(fault, sentence, { cause: error });
    }
    this.#contact.answered();
    const baseOffset = acceptedAt(answer, topic, partition);
    if (baseOffset !== null) return { baseOffset };
    this.#discard(topic, connection);
    throw await this.#notAccepted(topic, partition);
  }

  async lookUp(topic: string): Promise<TopicAnswer> {
    if (this.#closed) throw new Error('The publisher is closed.');
    this.#admin ??= this.#connect(kafka => kafka.admin());
    const connection = this.#admin;
    const startedAt = clock.monotonic();
    try {
      // Asks for this topic alone and keeps nothing of it.
      const { topics } = await connection.use(LOOK_UP_MS, admin => admin.fetchTopicMetadata({ topics: [topic] }));
      const partitions = topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
      if (partitions === 0) throw new Error(`the answer says nothing of ${topic}`);
      this.#contact.answered();
      return { partitions };
    } catch (error) {
      const { type, sentence } = kafkaFault(error);
      if (type === null) this.#contact.noAnswer(startedAt, sentence);
      else this.#contact.answered();
      if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'INVALID_TOPIC_EXCEPTION') return { missing: true };
      if (type === 'TOPIC_AUTHORIZATION_FAILED') return { refused: sentence };
      if (this.#admin === connection) this.#admin = null;
      connection.retire();
      throw new Error(sentence, { cause: error });
    }
  }

  /** Not for the broker's own work: for whoever looks before a start. Rejects with a sentence. */
  async inspect(topics: readonly string[]): Promise<KafkaInspection> {
    const connection = this.#connect(kafka => kafka.admin());
    try {
      return await connection.use(INSPECTION_MS, admin => inspectCluster(admin, topics));
    } catch (error) {
      throw new Error(kafkaFault(error).sentence, { cause: error });
    } finally {
      connection.retire();
    }
  }

  state(): PublisherState {
    return this.#contact.state;
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweep);
    await Promise.all([...this.#connections].map(connection => connection.end(deadlineMs)));
  }

  #producer(topic: string): KafkaConnection<Producer> {
    let connection = this.#producers.get(topic);
    if (!connection) {
      connection = this.#connect(kafka =>
        kafka.producer({
          idempotent: false,
          allowAutoTopicCreation: false,
          metadataMaxAge: METADATA_MAX_AGE_MS,
          // Every record names its partition.
          createPartitioner:
            () =>
            ({ message }) =>
              message.partition!,
        }),
      );
      this.#producers.set(topic, connection);
    }
    return connection;
  }

  #connect<Client extends Producer | Admin>(make: (kafka: Kafka) => Client): KafkaConnection<Client> {
    const { brokers, clientId, ssl, sasl } = this.#settings;
    // kafkajs begins with the first of the list: another one each time, so that a frozen broker is not asked for ever.
    const first = this.#seed++ % brokers.length;
    const connection = new KafkaConnection(openSocket =>
      make(
        new Kafka({
          brokers: [...brokers.slice(first), ...brokers.slice(0, first)],
          clientId,
          ...(ssl && { ssl }),
          // A copy: kafkajs writes into it.
          ...(sasl && { sasl: { ...sasl } as SASLOptions }),
          connectionTimeout: CONNECTION_MS,
          requestTimeout: REQUEST_MS,
          enforceRequestTimeout: true,
          retry: RETRY,
          socketFactory: openSocket,
          logLevel: logLevel.INFO,
          // What kafkajs calls errors is mostly its own repeating; what matters comes back as the error of a call.
          logCreator:
            () =>
            ({ namespace, label, log: { message, timestamp: _, logger: __, ...fields } }) =>
              this.#logger.debug({ kafkajs: namespace, level: label, ...fields }, message),
        }),
      ),
    );
    this.#connections.add(connection);
    void connection.ended.then(() => this.#connections.delete(connection));
    return connection;
  }

  /** The next send to the topic gets a new producer. */
  #discard(topic: string, connection: KafkaConnection<Producer>): void {
    if (this.#producers.get(topic) === connection) this.#producers.delete(topic);
    connection.retire();
  }

  #closeIdle(): void {
    for (const [topic, connection] of this.#producers) {
      if (connection.idleMs > IDLE_MS) this.#discard(topic, connection);
    }
  }

  /** kafkajs resolved without naming our partition: nothing was written, or nobody knows. */
  async #notAccepted(topic: string, partition: number): Promise<PublishError> {
    const answer = await this.lookUp(topic).catch(() => null);
    if (answer && 'missing' in answer) return new PublishError('topic', `There is no topic ${topic} in Kafka.`);
    if (answer && 'partitions' in answer && answer.partitions <= partition) {
      const sentence = `Topic ${topic} has ${answer.partitions} partitions, so there is no partition ${partition}.`;
      return new PublishError('partition', sentence);
    }
    return new PublishError('unknown', `Kafka's answer does not say that partition ${partition} has the records.`);
  }
}

/** A header may be called `__proto__`, so the object must have no prototype. */
const named = (headers: KafkaRecord['headers']): Record<string, Buffer> => {
  const object: Record<string, Buffer> = Object.create(null);
  for (const [name, value] of headers) object[name] = value;
  return object;
};
