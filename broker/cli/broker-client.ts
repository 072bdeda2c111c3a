/** One call of the broker's HTTP interface at a time, for people: whatever fails is a sentence. */
import type { Call } from '../bulk-act.ts';
import type { Problem } from '../protocol/errors.ts';

export interface BrokerAddress {
  /** Without a slash at its end. */
  readonly url: string;
  readonly key: string | null;
}

/** The broker refused, or there is none. The message is for people. */
export class CallError extends Error {
  override name = 'CallError';
}

/** Nothing is known of the call: it may be repeated, and it may have been carried out. */
export class NoAnswerError extends CallError {
  override name = 'NoAnswerError';
}

const ANSWER_WITHIN_MS = 30_000;

/** What to do about a refusal, where the command line knows. */
const hintOn = (code: string, key: string | null): string => {
  if (code !== 'UNAUTHENTICATED') return '';
  return `${key === null ? ' Give one' : ' The one that was given is not good here, give another'}: --key-file FILE, or ESCROWMQ_KEY.`;
};

const UNTRUSTED = 'its certificate is not trusted, NODE_EXTRA_CA_CERTS names a file with its authority';

/** What those who run a broker meet, in words. */
const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be looked up',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS, say http://',
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  'unexpected redirect': 'it redirects, and a key does not go along: give the address it leads to',
};

const whyNot = (error: Error): string => {
  if (error.name === 'TimeoutError') return `it did not answer within ${ANSWER_WITHIN_MS / 1_000} s`;
  if (error.name === 'AbortError') return 'it was interrupted';
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const why = cause?.code ?? cause?.message ?? error.message;
  return CAUSES[why] === undefined ? why : `${CAUSES[why]} (${why})`;
};

const refusalOf = (status: number, text: string, key: string | null): string | null => {
  try {
    const { code, detail, errors } = JSON.parse(text) as Partial<Problem>;
    if (code === undefined || detail === undefined) return null;
    const where = errors?.[0]?.pointer;
    const isTold = !where || /^\/(path|query)\//.test(where) || detail.includes(where);
    return `${isTold ? '' : `${where}: `}${detail} (${status} ${code})${hintOn(code, key)}`;
  } catch {
    return null;
  }
};

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Any answer, its body not read. Rejects with a NoAnswerError. */
export const requestBroker = async (
  { url, key }: BrokerAddress,
  method: Method,
  path: string,
  body: object | undefined,
  signal: AbortSignal,
  call: typeof fetch = fetch,
): Promise<Response> => {
  try {
    return await call(`${url}${path}`, {
      method,
      // A redirect would take the key along.
      redirect: 'error',
      signal,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw noAnswer(url, error);
  }
};

export const noAnswer = (url: string, error: unknown): NoAnswerError =>
  new NoAnswerError(`There is no answer from a broker at ${url}: ${whyNot(error as Error)}.`);

/** What an answer says that is no 2xx. */
export const refusalIn = async ({ url, key }: BrokerAddress, response: Response, what: string): Promise<CallError> => {
  const text = await response.text().catch(() => '');
  const refusal = refusalOf(response.status, text, key);
  return new CallError(refusal ?? `What answers at ${url} is no escrowmq broker: ${response.status} to ${what}.`);
};

/** The body of a 2xx; undefined where it has none. Rejects with a CallError. */
export const callBroker = async (
  broker: BrokerAddress,
  method: Method,
  path: string,
  body?: object,
  interrupted?: AbortSignal,
): Promise<unknown> => {
  const timeout = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const signal = interrupted === undefined ? timeout : AbortSignal.any([timeout, interrupted]);
  const response = await requestBroker(broker, method, path, body, signal);
  if (!response.ok) throw await refusalIn(broker, response, `${method} ${path}`);
  const text = await response.text().catch(error => {
    throw noAnswer(broker.url, error);
  });
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new CallError(`What answers at ${broker.url} is no escrowmq broker: no JSON to ${method} ${path}.`);
  }
};

type Kind = 'list' | 'object' | 'string' | 'boolean' | 'number';

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value);

/**
 * As `callBroker`, of an answer with these members. What answers without them is no broker, and must not look like one that
 * has done what was asked.
 */
export const askBroker = async <Body extends object>(
  broker: BrokerAddress,
  method: Method,
  path: string,
  members: Partial<Record<keyof Body & string, Kind>>,
  body?: object,
  interrupted?: AbortSignal,
): Promise<Body> => {
  const answer = await callBroker(broker, method, path, body, interrupted);
  const found = (kindOf(answer) === 'object' ? answer : {}) as Record<string, unknown>;
  for (const [name, kind] of Object.entries(members))
    if (kindOf(found[name]) !== kind)
      throw new CallError(
        `What answers at ${broker.url} is no escrowmq broker: no "${name}" in the answer to ${method} ${path}.`,
      );
  return found as Body;
};

/** For acts on many: every answer is handed on, also a refusal. */
export const callOf =
  (broker: BrokerAddress): Call =>
  async (method, path, body) => {
    const response = await requestBroker(broker, method, path, body, AbortSignal.timeout(ANSWER_WITHIN_MS));
    const text = await response.text().catch(error => {
      throw noAnswer(broker.url, error);
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), body: parsed(text) };
  };

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};
