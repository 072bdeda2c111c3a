/** What a Kafka record says of itself in its headers. */

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

/** The bytes of a header that is there once; null: it is not there, or several times. */
export const headerBytes = (headers: RecordHeaders | undefined, name: string): Buffer | null => {
  const value = headers?.[name];
  if (value === undefined || value === null || Array.isArray(value)) return null;
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
};

/** The same as text; what is no UTF-8 is replaced. */
export const headerText = (headers: RecordHeaders | undefined, name: string): string | null =>
  headerBytes(headers, name)?.toString('utf8') ?? null;

/** What the record says of itself, or null where it did not come through an escrowmq broker. */
export const readRecord = (headers: RecordHeaders | undefined): EscrowRecord | null => {
  const [source, id, type, time, contentType, version] = [
    'ce_source',
    'ce_id',
    'ce_type',
    'ce_time',
    'content-type',
    'ce_specversion',
  ].map(name => headerText(headers, name));
  if (version !== '1.0' || !source || !id || !type || !time || !contentType) return null;
  return { source, id, type, time, contentType };
};
