/** A record as it lies in a dead-letter topic: as it was, and headers that say where it was and why it is here. */
import type { IHeaders, KafkaMessage } from 'kafkajs';
import { said } from '../consumer-errors.ts';
import { type Identity, KEPT_ID, KEPT_SOURCE } from '../record/identity.ts';
import { headerText, type RecordHeaders } from '../record/record-headers.ts';
import type { SentRecord } from './acknowledged-send.ts';

/** All headers that this SDK adds begin so, and leave with a replay. */
export const DEAD_LETTER_PREFIX = 'escrow_dlt_';
const LONGEST_CAUSE = 1_000;

export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly record: KafkaMessage;
  /** Null where the record had none, and none could be given. */
  readonly identity: Identity | null;
  readonly group: string;
  readonly cause: unknown;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** kafkajs cannot send a header without a value, which Kafka allows: it becomes an empty one. */
const sendable = (headers: RecordHeaders): IHeaders => {
  const values = Object.entries(headers).map(([name, value]): [string, IHeaders[string]] => {
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
    ...(identity && { source: identity.source, id: identity.id }),
  };
  const added = Object.entries(origin).map(([name, value]) => [`${DEAD_LETTER_PREFIX}${name}`, value]);
  return {
    partition,
    key: record.key,
    value: record.value,
    headers: { ...sendable(record.headers ?? {}), ...Object.fromEntries(added) },
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
  const headers: RecordHeaders = record.headers ?? {};
  const isIdentified = Boolean(headers.ce_source && headers.ce_id);
  const kept = Object.entries(headers).filter(
    ([name]) => !name.startsWith(DEAD_LETTER_PREFIX) || (!isIdentified && (name === KEPT_SOURCE || name === KEPT_ID)),
  );
  return {
    partition,
    key: record.key,
    value: record.value,
    headers: sendable(Object.fromEntries(kept)),
  };
};
