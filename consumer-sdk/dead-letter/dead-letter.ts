/** A record as it lies in a dead-letter topic: as it was, and headers that say where it was and why it is here. */
import type { IHeaders, KafkaMessage } from 'kafkajs';
import { said } from '../consumer-errors.ts';
import { eventIdentity, type Identity, KEPT_ID, KEPT_SOURCE } from '../record/identity.ts';
import { cleanHeaders, headerText, type RecordHeaders } from '../record/record-headers.ts';
import type { SentRecord } from './acknowledged-send.ts';

/**
 * All headers that this SDK adds begin so, and leave with a replay. Those of a record that was a dead letter already get it
 * once more, and lose it again with the replay: the letter is then what it was.
 */
export const DEAD_LETTER_PREFIX = 'escrow_dlt_';
const isAdded = (name: string): boolean => name.startsWith(DEAD_LETTER_PREFIX);
const NESTED = DEAD_LETTER_PREFIX + DEAD_LETTER_PREFIX;
const LONGEST_CAUSE = 1_000;

export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly record: KafkaMessage;
  readonly identity: Identity;
  readonly group: string;
  readonly cause: unknown;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** kafkajs cannot send a header without a value, which Kafka allows: it becomes an empty one. */
const sendable = (headers: RecordHeaders): IHeaders => {
  const values = Object.entries(cleanHeaders(headers)).map(([name, value]): [string, IHeaders[string]] => {
    const filled = Array.isArray(value) ? value.map(one => one ?? '') : (value ?? '');
    return [name, filled as IHeaders[string]];
  });
  return Object.fromEntries(values);
};

/** The stack stays at home: only what was said goes along. */
const codeOf = (cause: unknown): string => {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' || typeof code === 'number' ? String(code) : '';
};

/** Its own time is that of the move: by the old one the topic's retention might take it at once. */
export const deadLetterRecord = (letter: DeadLetter): SentRecord => {
  const { topic, partition, record, identity, group, cause, attempts, at } = letter;
  const origin: Record<string, string> = {
    topic,
    partition: String(partition),
    offset: record.offset,
    timestamp: record.timestamp,
    group,
    attempts: String(attempts),
    cause: said(cause).slice(0, LONGEST_CAUSE),
    code: codeOf(cause),
    time: new Date(at).toISOString(),
    source: identity.source,
    id: identity.id,
  };
  const added = Object.entries(origin).map(([name, value]) => [`${DEAD_LETTER_PREFIX}${name}`, value]);
  const before = Object.entries(sendable(record.headers ?? {})).map(([name, value]) => [
    isAdded(name) ? `${DEAD_LETTER_PREFIX}${name}` : name,
    value,
  ]);
  return {
    partition,
    key: record.key,
    value: record.value,
    headers: Object.fromEntries([...before, ...added]),
  };
};

export interface Origin {
  readonly topic: string;
  readonly partition: number;
}

/** Where a dead letter came from; null: it is none of this SDK's. */
export const originOf = (headers: RecordHeaders | undefined): Origin | null => {
  const topic = headerText(headers, `${DEAD_LETTER_PREFIX}topic`);
  const partition = headerText(headers, `${DEAD_LETTER_PREFIX}partition`);
  return topic && partition !== null && /^\d{1,9}$/.test(partition) ? { topic, partition: Number(partition) } : null;
};

/** The record as it was. Where it says no identity itself, the one it had goes along, so that it stays one message. */
export const replayedRecord = ({ partition }: Origin, record: KafkaMessage): SentRecord => {
  const all = Object.entries(record.headers ?? {});
  const own = all.filter(([name]) => !isAdded(name));
  const nested = all.filter(([name]) => name.startsWith(NESTED));
  const isKept = (name: string): boolean => name === KEPT_SOURCE || name === KEPT_ID;
  const kept = eventIdentity(record.headers) === null ? all.filter(([name]) => isKept(name)) : [];
  return {
    partition,
    key: record.key,
    value: record.value,
    headers: sendable(
      Object.fromEntries([
        ...own,
        ...nested.map(([name, value]) => [name.slice(DEAD_LETTER_PREFIX.length), value]),
        // Last: it was handled, or would have been, under this one.
        ...kept,
      ]),
    ),
  };
};
