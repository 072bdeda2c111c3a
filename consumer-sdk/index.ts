/**
 * The consumer's side of escrowmq: what identifies a record that came through a broker. Delivery is at least once; a
 * consumer that stores `(consumer group, source, id)` in the same database transaction as the effect, and skips what
 * it finds stored, has each effect exactly once. Compare both byte for byte.
 */

/** Headers of a Kafka record as Kafka clients give them; kafkajs's shape fits. */
export type RecordHeaders = Record<string, string | Uint8Array | (string | Uint8Array)[] | undefined>;

export interface EscrowRecord {
  /** `ce_source`: the broker and the producer group. */
  readonly source: string;
  /** `ce_id`: `{transactionId}.{index}`, unique within the source. */
  readonly id: string;
  readonly type: string;
  /** When the transaction was committed, RFC 3339. */
  readonly time: string;
  readonly contentType: string;
}

const text = (value: RecordHeaders[string]): string | null => {
  if (value === undefined || Array.isArray(value)) return null;
  return typeof value === 'string' ? value : new TextDecoder().decode(value);
};

/** What the record says of itself, or null where it did not come through an escrowmq broker. */
export const readRecord = (headers: RecordHeaders | undefined): EscrowRecord | null => {
  const [source, id, type, time, contentType, version] = [
    'ce_source',
    'ce_id',
    'ce_type',
    'ce_time',
    'content-type',
    'ce_specversion',
  ].map(name => text(headers?.[name]));
  if (version !== '1.0' || !source || !id || !type || !time || !contentType) return null;
  return { source, id, type, time, contentType };
};
