/** A message as a record in Kafka: payload and key as given, CloudEvents 1.0 in binary mode, that is in headers. */
import type { ReadyMessage } from '../store/store.ts';
import { messageId } from '../transaction/transaction.ts';
import type { KafkaRecord } from './publisher.ts';

/** What a record takes beside the bytes of key, value and headers, at most: lengths, offset, time, attributes. */
const RECORD_OVERHEAD = 40;
/** The same for each header: two lengths. */
const HEADER_OVERHEAD = 8;

/** Bytes of texts that stand in very many records. What is not among the first so many is made anew each time. */
const MOST_KNOWN = 1_000;
const known = new Map<string, Buffer>();

const bytesOf = (text: string): Buffer => {
  let bytes = known.get(text);
  if (bytes) return bytes;
  bytes = Buffer.from(text, 'utf8');
  if (known.size < MOST_KNOWN) known.set(text, bytes);
  return bytes;
};

/**
 * `source` tells this broker from every other one. A consumer removes duplicates by the pair (`ce_source`, `ce_id`),
 * so both are the same in every send of a message.
 */
export const cloudEvent = (message: ReadyMessage, source: string): KafkaRecord => {
  const headers = [...message.headers];
  headers.push(
    ['ce_specversion', bytesOf('1.0')],
    ['ce_id', Buffer.from(messageId(message.transactionId, message.index))],
    ['ce_source', bytesOf(`/${source}/producer-groups/${message.group}`)],
    ['ce_type', bytesOf(message.type)],
    ['ce_time', Buffer.from(new Date(message.resolvedAt).toISOString())],
    ['content-type', bytesOf(message.contentType)],
  );
  if (message.traceparent !== null) headers.push(['traceparent', Buffer.from(message.traceparent)]);
  if (message.tracestate !== null) headers.push(['tracestate', Buffer.from(message.tracestate)]);
  return { key: message.key, value: message.payload, headers };
};

/** What the record takes in a request, in bytes, never less than the truth. */
export const recordBytes = ({ key, value, headers }: KafkaRecord): number => {
  let bytes = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, header] of headers) bytes += HEADER_OVERHEAD + Buffer.byteLength(name) + header.length;
  return bytes;
};
