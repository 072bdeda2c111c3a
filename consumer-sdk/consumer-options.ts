/** Every option of a consumer: default, unit, limit. */
import type { ConsumerConfig, Kafka } from 'kafkajs';
import { type OpenTelemetry, type Spans, spansThrough } from '../broker/protocol/spans.ts';
import type { BackOff } from './back-off.ts';
import { InvalidOptionError } from './consumer-errors.ts';
import type { Inbox } from './inbox/inbox.ts';
import { LONGEST, storedText } from './record/identity.ts';

/** Where the consumer says what a person may want to see. Pino's loggers fit, and so does `console`. */
export interface ConsumerLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RetryOptions {
  /** How often a handler may fail by its own logic until the message counts as poison, from 1. Default 10. */
  attempts?: number;
  /** Milliseconds until the second try; twice as long after each failure, less up to half of it at random. Default 500. */
  initialMs?: number;
  /** The longest of these pauses in milliseconds. Default 60,000. */
  maxMs?: number;
}

/**
 * What becomes of a record that says no `ce_source` and `ce_id`. `position`: it is handled under where it lies, and what
 * it contains. `deadLetter`: it goes to the dead-letter topic. `skip`: it is passed over, for good.
 */
export type Unidentified = 'position' | 'deadLetter' | 'skip';

export interface ConsumerOptions<Tx> {
  /** The user's kafkajs client. One consumer per group and client: kafkajs keeps positions by group in it. */
  kafka: Kafka;
  /** The consumer group: instances share its partitions, and it is part of the inbox's key. */
  groupId: string;
  topics: readonly string[];
  /** Where effects and the inbox's rows are written: `betterSqlite3Inbox(db)`, `pgInbox(pool)`, … */
  inbox: Inbox<Tx>;
  /** Where poison messages go. Absent: they stop their partition and are tried for ever, which `health()` shows. */
  deadLetter?: { topic: string };
  retry?: RetryOptions;
  /** Default `position`. */
  unidentified?: Unidentified;
  /** Partitions handled at the same time, 1..1,000; leave as many connections in the pool. Default 4. */
  concurrency?: number;
  /**
   * Milliseconds for one message from waiting for a connection to its COMMIT; then the transaction is given up and tried
   * again. On a synchronous database nothing can end it. Default 60,000.
   */
  handlerTimeoutMs?: number;
  /** Milliseconds after which Kafka is told at the latest what is handled. Default 1,000. */
  commitIntervalMs?: number;
  /** Milliseconds that `close()` gives the handlers in hand before their transactions are ended. Default 30,000. */
  closeTimeoutMs?: number;
  /** Milliseconds without progress after which `health()` says `stuck`. Default 120,000, or twice `handlerTimeoutMs`. */
  stuckAfterMs?: number;
  /**
   * Milliseconds without any answer of Kafka after which the connection is replaced; longer than a rebalance may take.
   * Default 150,000.
   */
  silentAfterMs?: number;
  /** Further options of kafkajs's consumer, like `sessionTimeout`, `maxBytesPerPartition` or `rackId`. */
  kafkaConsumer?: Omit<ConsumerConfig, 'groupId' | 'retry' | 'allowAutoTopicCreation'>;
  logger?: ConsumerLogger;
  /**
   * Your own `import * as opentelemetry from '@opentelemetry/api'`: each try to handle a message is then a span in the trace
   * that its record carries, and what the handler traces hangs below it.
   */
  opentelemetry?: OpenTelemetry;
}

export interface ConsumerSettings<Tx> {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly storedGroup: string;
  readonly topics: readonly string[];
  readonly inbox: Inbox<Tx>;
  readonly deadLetterTopic: string | null;
  readonly attempts: number;
  readonly backOff: BackOff;
  readonly unidentified: Unidentified;
  readonly concurrency: number;
  readonly handlerTimeoutMs: number;
  readonly commitIntervalMs: number;
  readonly closeTimeoutMs: number;
  readonly stuckAfterMs: number;
  readonly silentAfterMs: number;
  readonly kafkaConsumer: Omit<ConsumerConfig, 'groupId'>;
  readonly logger: ConsumerLogger;
  /** Null: none are wanted. */
  readonly spans: Spans | null;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

const wholeNumber = (name: string, value: number | undefined, standard: number, min: number, max: number): number => {
  if (value === undefined) return standard;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidOptionError(`${name} must be a whole number from ${min} to ${max}.`);
};

const oneOf = <T extends string>(name: string, value: T | undefined, all: readonly T[]): T => {
  if (value === undefined) return all[0]!;
  if (all.includes(value)) return value;
  throw new InvalidOptionError(`${name} must be one of ${all.join(', ')}.`);
};

const topicName = (name: string, value: unknown): string => {
  if (typeof value === 'string' && /^[A-Za-z0-9._-]{1,249}$/.test(value)) return value;
  throw new InvalidOptionError(`${name} must be a topic: [A-Za-z0-9._-]{1,249}.`);
};

const silent: ConsumerLogger = { info: () => {}, warn: () => {}, error: () => {} };

/** Throws an InvalidOptionError about the first option that cannot be used. */
export const consumerSettings = <Tx>(options: ConsumerOptions<Tx>): ConsumerSettings<Tx> => {
  const { kafka, groupId, topics, inbox, deadLetter, retry = {}, logger = silent, kafkaConsumer = {} } = options;
  if (typeof kafka?.consumer !== 'function') throw new InvalidOptionError('kafka must be a Kafka object of kafkajs.');
  if (typeof inbox?.claim !== 'function')
    throw new InvalidOptionError('inbox must be one: pgInbox(pool), for example.');
  if (typeof groupId !== 'string' || groupId === '') throw new InvalidOptionError('groupId must be a text.');
  const storedGroup = storedText(Buffer.from(groupId));
  if (storedGroup.length > LONGEST.group)
    throw new InvalidOptionError(`groupId is longer than ${LONGEST.group} bytes.`);
  if (!Array.isArray(topics) || topics.length === 0) throw new InvalidOptionError('topics must name a topic at least.');
  for (const topic of topics) topicName('topics', topic);
  const deadLetterTopic = deadLetter === undefined ? null : topicName('deadLetter.topic', deadLetter?.topic);
  if (deadLetterTopic !== null && topics.includes(deadLetterTopic)) {
    throw new InvalidOptionError('deadLetter.topic must not be one of topics: poison would go round for ever.');
  }
  const unidentified = oneOf('unidentified', options.unidentified, ['position', 'deadLetter', 'skip']);
  if (unidentified === 'deadLetter' && deadLetterTopic === null) {
    throw new InvalidOptionError('unidentified is deadLetter, but there is no deadLetter.topic.');
  }
  const initialMs = wholeNumber('retry.initialMs', retry.initialMs, 500, 1, DAY_MS);
  const handlerTimeoutMs = wholeNumber('handlerTimeoutMs', options.handlerTimeoutMs, 60_000, 1, DAY_MS);
  const rebalanceMs = kafkaConsumer.rebalanceTimeout ?? 60_000;
  return {
    kafka,
    groupId,
    storedGroup,
    topics: [...topics],
    inbox,
    deadLetterTopic,
    attempts: wholeNumber('retry.attempts', retry.attempts, 10, 1, 1_000_000),
    backOff: {
      initialMs,
      maxMs: wholeNumber('retry.maxMs', retry.maxMs, Math.max(60_000, initialMs), initialMs, DAY_MS),
    },
    unidentified,
    concurrency: wholeNumber('concurrency', options.concurrency, 4, 1, 1_000),
    handlerTimeoutMs,
    commitIntervalMs: wholeNumber('commitIntervalMs', options.commitIntervalMs, 1_000, 1, DAY_MS),
    closeTimeoutMs: wholeNumber('closeTimeoutMs', options.closeTimeoutMs, 30_000, 0, DAY_MS),
    stuckAfterMs: wholeNumber(
      'stuckAfterMs',
      options.stuckAfterMs,
      2 * Math.max(60_000, handlerTimeoutMs),
      1,
      7 * DAY_MS,
    ),
    silentAfterMs: wholeNumber('silentAfterMs', options.silentAfterMs, 2 * rebalanceMs + 30_000, 1, DAY_MS),
    kafkaConsumer: { maxWaitTimeInMs: 500, ...kafkaConsumer },
    logger,
    spans: spansThrough(options.opentelemetry, '@escrowmq/consumer', InvalidOptionError),
  };
};
