/** What a call of the client can end with, besides its answer. Programs branch on `code` and `retryable`. */
import type { ErrorCode, Problem } from '../../broker/protocol/errors.ts';

export type ClientErrorCode =
  | ErrorCode
  | 'INVALID_CALL'
  | 'QUEUE_FULL'
  | 'CLIENT_CLOSED'
  | 'ABORTED'
  | 'NO_ANSWER'
  | 'CONNECTION_FAILED'
  | 'UNEXPECTED_ANSWER'
  | 'OUTCOME_CONTRADICTED'
  | 'OUTCOME_UNKNOWN'
  | 'NOT_COMMITTED'
  | 'ID_SPENT'
  | 'TOO_LATE'
  | 'NESTED_TRANSACTION';

interface Circumstances {
  readonly cause?: unknown;
  readonly transactionId?: string | null;
}

/** The base of all of them. */
export class EscrowError extends Error {
  override name = 'EscrowError';
  readonly code: ClientErrorCode;
  /** Whether the very same call, with the same id, can succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** The transaction that was spoken of, also where the client made the id; null: none was. */
  readonly transactionId: string | null;

  constructor(code: ClientErrorCode, message: string, retryable: boolean, circumstances: Circumstances = {}) {
    super(message, 'cause' in circumstances ? { cause: circumstances.cause } : undefined);
    this.code = code;
    this.retryable = retryable;
    this.transactionId = circumstances.transactionId ?? null;
  }
}

/** The arguments cannot be sent. Nothing was. */
export class InvalidCallError extends EscrowError {
  override name = 'InvalidCallError';
  constructor(message: string, circumstances?: Circumstances) {
    super('INVALID_CALL', message, false, circumstances);
  }
}

/** As much waits as the client was told to keep. Nothing was sent. */
export class QueueFullError extends EscrowError {
  override name = 'QueueFullError';
  constructor(message: string, circumstances?: Circumstances) {
    super('QUEUE_FULL', message, true, circumstances);
  }
}

/** `close()` was called before. Nothing was sent. */
export class ClientClosedError extends EscrowError {
  override name = 'ClientClosedError';
  constructor() {
    super('CLIENT_CLOSED', 'The client is closed.', false);
  }
}

/** The caller's signal ended the call; `cause` is its reason. What was sent already may still take effect. */
export class CallAbortedError extends EscrowError {
  override name = 'AbortError';
  constructor(circumstances: Circumstances) {
    super('ABORTED', 'The call was aborted; what was sent already may still take effect.', true, circumstances);
  }
}

/**
 * The deadline passed without a final answer. Nothing is known: the operation may have taken effect or not, and
 * repeating the call with the same id tells the truth. `cause` is what the last attempt met.
 */
export class NoAnswerError extends EscrowError {
  override name = 'NoAnswerError';
  /** How often it was sent; 0: never, so it had no effect. */
  readonly attempts: number;

  constructor(attempts: number, deadlineMs: number, circumstances?: Circumstances) {
    const id = circumstances?.transactionId;
    const what = id ? ` about ${id}` : '';
    const advice = id ? 'repeat the call with the same id' : 'repeat the call';
    super('NO_ANSWER', `No answer${what} within ${deadlineMs} ms: nothing is known, ${advice}.`, true, circumstances);
    this.attempts = attempts;
  }
}

/** One request got no answer: refused, reset, cut short, timed out. Met as the `cause` of a NoAnswerError. */
export class ConnectionError extends EscrowError {
  override name = 'ConnectionError';
  constructor(message: string, circumstances?: Circumstances) {
    super('CONNECTION_FAILED', message, true, circumstances);
  }
}

/** Whatever listens at the address does not answer as a broker does. */
export class UnexpectedAnswerError extends EscrowError {
  override name = 'UnexpectedAnswerError';
  readonly status: number;

  constructor(status: number, message: string, circumstances?: Circumstances) {
    super('UNEXPECTED_ANSWER', message, false, circumstances);
    this.status = status;
  }
}

/** The broker said no. `problem` is its answer, word for word. */
export class RefusedError extends EscrowError {
  override name = 'RefusedError';
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem, transactionId: string | null) {
    super(problem.code, problem.detail, problem.retryable, { transactionId });
    this.status = problem.status;
    this.problem = problem;
  }
}

/** 401 and 403: the key, or what it may do. */
export class NotPermittedError extends RefusedError {
  override name = 'NotPermittedError';
}

/** 404: unknown here, which is never a verdict. */
export class NotFoundError extends RefusedError {
  override name = 'NotFoundError';
}

/** 409: the id stands for something else, or the opposite resolution stands; `state` says which. */
export class ConflictError extends RefusedError {
  override name = 'ConflictError';

  /** The standing state, where a resolution was refused. */
  get state(): Problem['state'] {
    return this.problem.state;
  }
}

/** The broker cannot do it now (408, 429, 5xx); met as the `cause` of a NoAnswerError, since the client goes on trying. */
export class UnavailableError extends RefusedError {
  override name = 'UnavailableError';
}

/** The problem as an error of its family. */
export const refusalOf = (problem: Problem, transactionId: string | null): RefusedError => {
  const { status } = problem;
  if (status === 401 || status === 403) return new NotPermittedError(problem, transactionId);
  if (status === 404) return new NotFoundError(problem, transactionId);
  if (status === 409) return new ConflictError(problem, transactionId);
  if (status === 408 || status === 429 || status >= 500) return new UnavailableError(problem, transactionId);
  return new RefusedError(problem, transactionId);
};

/** Whether the call ended before a byte of it was sent. */
export const wasNeverSent = (error: unknown): boolean =>
  error instanceof InvalidCallError || error instanceof QueueFullError || error instanceof ClientClosedError;
