/** Standard Webhooks signatures over a check-back (https://www.standardwebhooks.com). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeBase64 } from './bytes.ts';

const PREFIX = 'whsec_';

/** How far a check-back's timestamp may lie from the handler's clock. Wide on purpose: a replay only repeats a verdict. */
export const TIMESTAMP_TOLERANCE_MS = 24 * 60 * 60 * 1000;

/** `whsec_` and the base64 of 24..64 bytes → the key, or null where it is not that. */
export const secretKey = (secret: string): Buffer | null => {
  if (!secret.startsWith(PREFIX)) return null;
  const key = decodeBase64(secret.slice(PREFIX.length));
  return key !== null && key.length >= 24 && key.length <= 64 ? key : null;
};

const mac = (key: Buffer, id: string, timestamp: string, body: string | Uint8Array): Buffer =>
  createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();

/**
 * The three headers of a signed call. Several secrets sign side by side, so that a handler may change to a new one
 * without a gap. `at` is in milliseconds.
 */
export const signatureHeaders = (
  secrets: readonly string[],
  id: string,
  at: number,
  body: string,
): Record<string, string> => {
  const timestamp = String(Math.floor(at / 1000));
  const signatures = secrets.map(secret => {
    const key = secretKey(secret);
    if (key === null) throw new RangeError('a secret is whsec_ and the base64 of 24 to 64 bytes');
    return `v1,${mac(key, id, timestamp, body).toString('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
};

/** Whether one of the signatures was made with the secret over exactly these bytes, within 24 h of `now` (ms). */
export const verifySignature = (
  secret: string,
  headers: Record<string, string | string[] | undefined>,
  rawBody: string | Uint8Array,
  now: number,
): boolean => {
  const key = secretKey(secret);
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers;
  if (key === null || typeof id !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string') {
    return false;
  }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp) * 1000) > TIMESTAMP_TOLERANCE_MS) return false;
  const expected = mac(key, id, timestamp, rawBody);
  return signature.split(' ').some(candidate => {
    const [version, value] = candidate.split(',', 2);
    if (version !== 'v1' || value === undefined) return false;
    const given = Buffer.from(value, 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
};
