/** Header fields of every answer, whoever writes it. A page that needs more than nothing overrides its policy. */

const ALWAYS = {
  /** What is answered is true now, and may be somebody's data. */
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Half a year: who was served once over TLS asks in no other way. */
const STRICT_TRANSPORT = { 'strict-transport-security': 'max-age=15552000' } as const;

/** `isSecure`: the broker speaks TLS itself. */
export const answerHeaders = (isSecure: boolean): Readonly<Record<string, string>> =>
  isSecure ? { ...ALWAYS, ...STRICT_TRANSPORT } : ALWAYS;
