/** A message as a record in Kafka: payload and key as given, CloudEvents 1.0 in binary mode, that is in headers. */
import type { ReadyMessage } from '../store/store.ts';
import { messageId } from '../transaction/transaction.ts';
import type { KafkaRecord } from './publisher.ts';

/** What a record takes beside the bytes of key, value and headers, at most: lengths, offset, time, attributes. */
const RECORD_OVERHEAD = 40;
/** The same for each header: two lengths. */
const HEADER_OVERHEAD = 8;

/**
 * `source` tells this broker from every other one. A consumer removes duplicates by the pair (`ce_source`, `ce_id`),
 * so both are the same in every send of a message.
 */
export const cloudEvent = (message: ReadyMessage, source: string): KafkaRecord => {
  const headers = [...message.headers];
  const add = (name: string, value: string): void => {
    headers.push([name, Buffer.from(value, 'utf8')]);
  };
  add('ce_specversion', '1.0');
  add('ce_id', messageId(message.transactionId, message.index));
  add('ce_source', `/${source}/producer-groups/${message.group}`);
  add('ce_type', message.type);
  add('ce_time', new Date(message.resolvedAt).toISOString());
  add('content-type', message.contentType);
  if (message.traceparent !== null) add('traceparent', message.traceparent);
  if (message.tracestate !== null) add('tracestate', message.tracestate);
  return { key: message.key, value: message.payload, headers };
};

/** What the record takes in a request, in bytes, never less than the truth. */
export const recordBytes = ({ key, value, headers }: KafkaRecord): number => {
  let bytes = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, header] of headers) bytes += HEADER_OVERHEAD + Buffer.byteLength(name) + header.length;
  return bytes;
};
