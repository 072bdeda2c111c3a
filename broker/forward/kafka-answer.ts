/** What an answer of kafkajs to a send means, and what an error of it means. */
import type { Fault } from './publisher.ts';

/** Kafka's names of its errors, where they put the fault on somebody. All others leave the outcome unknown. */
const FAULTS: ReadonlyMap<string, Fault> = new Map([
  ['MESSAGE_TOO_LARGE', 'record'],
  ['RECORD_LIST_TOO_LARGE', 'record'],
  ['INVALID_RECORD', 'record'],
  ['UNKNOWN_TOPIC_OR_PARTITION', 'topic'],
  ['INVALID_TOPIC_EXCEPTION', 'topic'],
  ['TOPIC_AUTHORIZATION_FAILED', 'topic'],
]);

/** Errors by which Kafka says that it does not talk to us at all. */
const NOT_TALKING: readonly string[] = [
  'ILLEGAL_SASL_STATE',
  'SASL_AUTHENTICATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
];

/** Longest chain of causes looked at: a chain that bites its own tail ends there. */
const MAX_CAUSES = 10;

export interface KafkaFault {
  readonly fault: Fault;
  /** Kafka's name of the error; null where it did not answer. */
  readonly type: string | null;
  /** A sentence for people. */
  readonly sentence: string;
}

interface SendEntry {
  readonly topicName: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset?: string;
}

interface ErrorShape {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
}

/**
 * The offset of the first record, or null where the answer is not exactly one entry that says so: kafkajs also resolves
 * without having written, and then leaves the partition out.
 */
export const acceptedAt = (answer: readonly (SendEntry | null)[], topic: string, partition: number): number | null => {
  const [entry] = answer;
  if (answer.length !== 1 || !entry || entry.topicName !== topic || entry.partition !== partition) return null;
  const baseOffset = Number(entry.baseOffset ?? Number.NaN);
  return entry.errorCode === 0 && baseOffset >= 0 ? baseOffset : null;
};

/**
 * Read by shape (`type` of the protocol's error, anywhere along the causes), never by `retriable`: that is false as soon
 * as kafkajs's own retries are used up, and true for some that never heal.
 */
export const kafkaFault = (error: unknown): KafkaFault => {
  const chain = causes(error);
  const answer = chain.find(({ type }) => typeof type === 'string');
  if (answer && !NOT_TALKING.includes(answer.type as string)) {
    const type = answer.type as string;
    return { fault: FAULTS.get(type) ?? 'unknown', type, sentence: `Kafka answered ${type}: ${answer.message}` };
  }
  const root = chain.at(-1);
  const message = String(root?.message ?? error).replace(/\.$/, '');
  return { fault: 'unknown', type: null, sentence: `Kafka did not answer: ${message}.` };
};

const causes = (error: unknown): ErrorShape[] => {
  const chain: ErrorShape[] = [];
  let next = error;
  while (typeof next === 'object' && next !== null && chain.length < MAX_CAUSES) {
    chain.push(next as ErrorShape);
    next = (next as ErrorShape).cause;
  }
  return chain;
};
