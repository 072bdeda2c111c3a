/** A record as a handler gets it. */
import type { KafkaMessage } from 'kafkajs';
import { PoisonError } from '../consumer-errors.ts';
import type { Identity } from './identity.ts';
import { cleanHeaders, headerText, type RecordHeaders } from './record-headers.ts';

export interface ConsumedMessage {
  readonly topic: string;
  readonly partition: number;
  /** A whole number as text: it may be larger than a number holds. */
  readonly offset: string;
  /** Milliseconds since 1970, as text: when the record was made, or arrived, as the topic has it. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  /** Null: a tombstone. */
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
  /** With `source` the identity of the message: the same pair is handled once. `{transactionId}.{index}` from escrowmq. */
  readonly id: string;
  /** `/{broker}/producer-groups/{group}` from escrowmq; `kafka:{topic}/{partition}` where the record names none. */
  readonly source: string;
  /** `ce_type`, null where the writer gave none; so are the next ones. */
  readonly type: string | null;
  /** `ce_time`, RFC 3339: when the transaction was committed. */
  readonly time: string | null;
  readonly contentType: string | null;
  /** W3C trace context as the producer had it: the parent of whatever the handler traces. */
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  /** The value as text. Throws a PoisonError where there is none, or it is no UTF-8. */
  text(): string;
  /** The value as JSON, unchecked. Throws a PoisonError where it is none. */
  json<T = unknown>(): T;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const textOf = (value: Buffer | null): string => {
  if (value === null) throw new PoisonError('The record has no value.');
  try {
    return decoder.decode(value);
  } catch (cause) {
    throw new PoisonError('The value is no UTF-8.', { cause });
  }
};

const jsonOf = (value: Buffer | null): unknown => {
  const text = textOf(value);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PoisonError('The value is no JSON.', { cause });
  }
};

export const messageOf = (
  topic: string,
  partition: number,
  { offset, timestamp, key, value, headers = {} }: KafkaMessage,
  { id, source }: Identity,
): ConsumedMessage => ({
  topic,
  partition,
  offset,
  timestamp,
  key,
  value,
  headers: cleanHeaders(headers),
  id,
  source,
  type: headerText(headers, 'ce_type'),
  time: headerText(headers, 'ce_time'),
  contentType: headerText(headers, 'content-type'),
  traceparent: headerText(headers, 'traceparent'),
  tracestate: headerText(headers, 'tracestate'),
  text: () => textOf(value),
  json: <T>() => jsonOf(value) as T,
});
