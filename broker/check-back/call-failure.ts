/**
 * Why a call brought no answer, as a sentence for people. The sentences are a fixed set (see answer.ts) and hold
 * nothing of what was sent or received: neither address, secret nor body.
 */
import { ADDRESS_NOT_ALLOWED } from './guarded-lookup.ts';

export interface CallFailure {
  readonly error: string;
  /** Whether the ids asked may be at fault, so that smaller calls can do better: the group was reached, and failed. */
  readonly askSmaller: boolean;
}

/** Raised where a call is given up by this side. */
export class CallGivenUp extends Error implements CallFailure {
  override name = 'CallGivenUp';
  readonly error: string;
  readonly askSmaller: boolean;

  constructor(error: string, askSmaller: boolean) {
    super(error);
    this.error = error;
    this.askSmaller = askSmaller;
  }
}

const NEVER_REACHED: Record<string, string> = {
  [ADDRESS_NOT_ALLOWED]: 'its name leads to an address that is not allowed',
  ECONNREFUSED: 'refused the connection',
  ENOTFOUND: 'its name cannot be resolved',
  EAI_AGAIN: 'its name cannot be resolved',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ETIMEDOUT: 'cannot be reached',
  UND_ERR_CONNECT_TIMEOUT: 'cannot be reached',
};

const BROKEN_OFF: Record<string, string> = {
  ECONNRESET: 'closed the connection without an answer',
  EPIPE: 'closed the connection without an answer',
  UND_ERR_SOCKET: 'closed the connection without an answer',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'answered something that is not HTTP',
  UND_ERR_HEADERS_OVERFLOW: 'answered with too many headers',
};

/** What an error of the HTTP client means. An error it does not know is no answer either, under its own code. */
export const callFailure = (error: unknown): CallFailure => {
  if (error instanceof CallGivenUp) return error;
  const code = codeOf(error);
  const unreached = NEVER_REACHED[code];
  if (unreached !== undefined) return { error: unreached, askSmaller: false };
  if (code.startsWith('HPE')) return { error: 'answered something that is not HTTP', askSmaller: true };
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO)/.test(code)) {
    return { error: `no secure connection (${code})`, askSmaller: false };
  }
  return { error: BROKEN_OFF[code] ?? `the call failed (${code})`, askSmaller: true };
};

const codeOf = (error: unknown): string => {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  // The client's parser does not give every one of its errors a code.
  if (name === 'HTTPParserError') return 'HPE';
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : 'unknown';
};
