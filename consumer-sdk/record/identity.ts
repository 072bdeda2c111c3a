/**
 * What makes a delivery the same message as another one: `(source, id)`, byte for byte. It is stored as ASCII text that
 * no database folds, pads, cuts or refuses.
 */
import { createHash } from 'node:crypto';
import { headerBytes, type RecordHeaders } from './record-headers.ts';

/** The headers under which a dead letter without CloudEvents headers keeps the identity it had. */
export const KEPT_SOURCE = 'escrow_dlt_source';
export const KEPT_ID = 'escrow_dlt_id';

/** The longest texts that the inbox stores, in bytes. */
export const LONGEST = { group: 255, source: 1_024, id: 512 } as const;

export interface Identity {
  /** As the record says it. */
  readonly source: string;
  readonly id: string;
  /** As it is stored, see `storedText`. */
  readonly storedSource: string;
  readonly storedId: string;
  /** Whether the record says it itself; false: made from where the record lies. */
  readonly isOwn: boolean;
}

/** Visible ASCII as it is, every other byte and `%` as `%XX`: different bytes always give different texts. */
export const storedText = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) {
    text +=
      byte > 0x20 && byte < 0x7f && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
};

const identity = (source: Buffer, id: Buffer, isOwn: boolean): Identity => ({
  source: source.toString('utf8'),
  id: id.toString('utf8'),
  storedSource: storedText(source),
  storedId: storedText(id),
  isOwn,
});

const pair = (headers: RecordHeaders | undefined, sourceName: string, idName: string): Identity | null => {
  const source = headerBytes(headers, sourceName);
  const id = headerBytes(headers, idName);
  return source?.length && id?.length ? identity(source, id, true) : null;
};

/** What the record's CloudEvents headers say; null where they say nothing, or say it twice. */
export const eventIdentity = (headers: RecordHeaders | undefined): Identity | null =>
  pair(headers, 'ce_source', 'ce_id');

/** What the record says it is, by itself or as a dead letter that came back; null where it says neither. */
export const ownIdentity = (headers: RecordHeaders | undefined): Identity | null =>
  eventIdentity(headers) ?? pair(headers, KEPT_SOURCE, KEPT_ID);

interface Positioned {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * For records of writers that give them no identity: where the record lies. Offsets begin anew when a topic is made
 * again, so time and content are part of it: another record at the same place is another message.
 */
export const positionIdentity = (topic: string, partition: number, record: Positioned): Identity => {
  const { offset, timestamp, key, value } = record;
  const content = createHash('sha256');
  content.update(`${key?.length ?? -1},${value?.length ?? -1};`);
  for (const bytes of [key, value]) if (bytes !== null) content.update(bytes);
  const source = Buffer.from(`kafka:${topic}/${partition}`);
  return identity(source, Buffer.from(`${offset}-${timestamp}-${content.digest('hex').slice(0, 24)}`), false);
};

/** What of it the inbox cannot store; null: nothing. */
export const objection = ({ storedSource, storedId }: Identity): string | null => {
  if (storedSource.length > LONGEST.source) return `its source is longer than ${LONGEST.source} bytes`;
  return storedId.length > LONGEST.id ? `its id is longer than ${LONGEST.id} bytes` : null;
};
