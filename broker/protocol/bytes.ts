/** A string stands for its UTF-8 bytes; any other bytes are written in padded, canonical base64 (RFC 4648 §4). */
export type Bytes = string | { base64: string };

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The canonical base64 text, or null where `text` is not the one way to write its bytes. */
export const decodeBase64 = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
};

/** Bytes on the wire → bytes. Throws a RangeError on base64 that is not canonical. */
export const decodeBytes = (value: Bytes): Buffer => {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  const bytes = decodeBase64(value.base64);
  if (bytes === null) throw new RangeError('base64 must be padded and canonical (RFC 4648 section 4)');
  return bytes;
};

/** Bytes → the shortest faithful form: a string where they are valid UTF-8, base64 otherwise. */
export const encodeBytes = (bytes: Uint8Array): Bytes => {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
};
