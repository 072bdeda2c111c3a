/** What an HTTP answer, or its absence, means for those who asked. */
import type { Problem } from '../../broker/protocol/errors.ts';
import type { TransactionBody } from '../../broker/protocol/wire.ts';
import {
  ConnectionError,
  type EscrowError,
  type RefusedError,
  refusalOf,
  UnexpectedAnswerError,
} from './client-errors.ts';
import type { Answer } from './exchange.ts';

/** One operation's own result. */
export interface Result {
  readonly status: number;
  readonly body: TransactionBody | Problem;
}

export type Verdict<Answered = readonly Result[]> =
  /** For a batch: as many results as operations, in their order. */
  | { readonly kind: 'answered'; readonly results: Answered }
  /** Nobody has a final answer: the same again, later. */
  | {
      readonly kind: 'unavailable';
      readonly error: EscrowError;
      /** The broker is there and says that it cannot at the moment. */
      readonly isOverload: boolean;
      readonly retryAfterMs: number | null;
    }
  /** Said of the whole request, and saying it again would not change it. */
  | {
      readonly kind: 'refused';
      /** The error for whoever spoke of this transaction; null: of none. */
      errorFor(id: string | null): EscrowError;
      /** Not about what was sent, but about who sent it and where. */
      readonly isEveryones: boolean;
      /** The size that was passed. */
      readonly limitBytes: number | null;
    };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Enough of a problem to act on; unknown codes pass, since answers are open. */
const isProblem = (body: unknown): body is Problem =>
  isObject(body) && typeof body.code === 'string' && typeof body.detail === 'string';

const isSuccess = (status: number): boolean => status >= 200 && status < 300;
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;
const isOverload = (status: number): boolean => status === 429 || status === 503 || status === 507;

const isResult = (value: unknown): value is Result => {
  if (!isObject(value) || typeof value.status !== 'number') return false;
  const { status, body } = value;
  return isSuccess(status) ? isObject(body) && typeof body.state === 'string' : isProblem(body);
};

/** A refusal as an error; `retryable` also where only the status says so. */
export const refusedBy = (problem: object, status: number, id: string | null): RefusedError => {
  const said = problem as Problem;
  return refusalOf({ ...said, status, retryable: said.retryable === true || isPassing(status) }, id);
};

const EXCERPT_LENGTH = 100;

const errorOf = (answer: Answer, body: unknown, id: string | null): EscrowError => {
  if (isProblem(body)) return refusedBy(body, answer.status, id);
  const excerpt = JSON.stringify(answer.text.slice(0, EXCERPT_LENGTH));
  const message = `Not the answer of a broker: status ${answer.status}, ${excerpt}. Is the url right?`;
  return new UnexpectedAnswerError(answer.status, message, { transactionId: id });
};

/** Milliseconds that a problem asks to wait. */
export const waitOf = (body: unknown): number | null =>
  isObject(body) && typeof body.retryAfterMs === 'number' && body.retryAfterMs >= 0 ? body.retryAfterMs : null;

const noConnection = (cause: Error | null): Verdict<never> => {
  const error = new ConnectionError(`The broker gave no answer: ${cause?.message ?? 'nothing came'}.`, { cause });
  return { kind: 'unavailable', error, isOverload: false, retryAfterMs: null };
};

/** `body` is no answer to what was asked. */
const failure = (answer: Answer, body: unknown): Verdict<never> => {
  const { status } = answer;
  // A success that says something else comes from something between, or was cut short: it may be met once only.
  if (isPassing(status) || isSuccess(status)) {
    const retryAfterMs = answer.retryAfterMs ?? waitOf(body);
    return { kind: 'unavailable', error: errorOf(answer, body, null), isOverload: isOverload(status), retryAfterMs };
  }
  const isAboutContent = isProblem(body) && (status === 400 || status === 413);
  const limitBytes = isProblem(body) && typeof body.limitBytes === 'number' ? body.limitBytes : null;
  return { kind: 'refused', errorFor: id => errorOf(answer, body, id), isEveryones: !isAboutContent, limitBytes };
};

/** The answer to a batch of `count` operations. */
export const judgeBatch = (error: Error | null, answer: Answer | null, count: number): Verdict => {
  if (answer === null) return noConnection(error);
  const body = parsed(answer.text);
  const results = answer.status === 200 && isObject(body) ? body.results : null;
  const isWhole = Array.isArray(results) && results.length === count && results.every(isResult);
  return isWhole ? { kind: 'answered', results } : failure(answer, body);
};

/** The answer to a call of its own. */
export const judgeSingle = (error: Error | null, answer: Answer | null): Verdict<object> => {
  if (answer === null) return noConnection(error);
  const body = parsed(answer.text);
  return isSuccess(answer.status) && isObject(body) ? { kind: 'answered', results: body } : failure(answer, body);
};
