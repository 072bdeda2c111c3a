/** One call of the broker's HTTP interface at a time, for people: whatever fails is a sentence. */
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

const ANSWER_WITHIN_MS = 30_000;

const HINTS: Record<string, string> = {
  UNAUTHENTICATED: ' Give an operator key: --key-file FILE, or ESCROWMQ_KEY.',
};

const whyNot = (error: Error): string => {
  if (error.name === 'TimeoutError') return `it did not answer within ${ANSWER_WITHIN_MS / 1_000} s`;
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code ?? cause?.message ?? error.message;
};

const refusalOf = (status: number, text: string): string | null => {
  try {
    const { code, detail, errors } = JSON.parse(text) as Partial<Problem>;
    if (code === undefined || detail === undefined) return null;
    const where = errors?.[0]?.pointer;
    const isTold = where === undefined || where === '' || detail.includes(where);
    return `${isTold ? '' : `${where}: `}${detail} (${status} ${code})${HINTS[code] ?? ''}`;
  } catch {
    return null;
  }
};

/** The body of a 2xx; null where it has none. Rejects with a CallError. */
export const callBroker = async (
  { url, key }: BrokerAddress,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<unknown> => {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}${path}`, {
      method,
      // A redirect would take the key along.
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    throw new CallError(`There is no answer from a broker at ${url}: ${whyNot(error as Error)}.`);
  }
  if (!response.ok) {
    const refusal = refusalOf(response.status, text);
    throw new CallError(
      refusal ?? `What answers at ${url} is no escrowmq broker: ${response.status} to ${method} ${path}.`,
    );
  }
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new CallError(`What answers at ${url} is no escrowmq broker: no JSON to ${method} ${path}.`);
  }
};
