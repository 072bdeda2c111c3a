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

const isValue = (value: unknown): boolean => value === null || typeof value === 'string' || value instanceof Uint8Array;

/** kafkajs finds Object.prototype's own member where a header is called like one, and takes it for an earlier value. */
const singled = (value: RecordHeaders[string]): RecordHeaders[string] => {
  if (!Array.isArray(value)) return value;
  const values = value.filter(isValue);
  return values.length === 1 ? values[0] : values;
};

/** The headers as the record has them: nothing but texts and bytes, in a list only where there are several of a name. */
export const cleanHeaders = (headers: RecordHeaders = {}): RecordHeaders =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, singled(value)]));

/** The bytes of a header that is there once; null: it is not there, or several times. */
export const headerBytes = (headers: RecordHeaders | undefined, name: string): Buffer | null => {
  const value = headers !== undefined && Object.hasOwn(headers, name) ? singled(headers[name]) : undefined;
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
