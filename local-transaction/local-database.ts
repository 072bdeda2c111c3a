/** The seam to the user's own database: what both SDKs ask of it. */
import type { Dialect, Row, Statement, Steps } from './statement.ts';

/** One local transaction, in the order in which it happens. */
export interface LocalWork<Tx, T> {
  /** Right after BEGIN, in the outermost transaction. */
  opening(): Steps;
  /** The user's function. On a synchronous database a returned promise is an error. */
  business(tx: Tx): T | Promise<T>;
  /** The last statements before COMMIT. */
  closing(): Steps;
  /**
   * From outside, after a COMMIT that a tool says it made: throws where it was not. Only asked where the server's own
   * answer is not seen: some tools take it for success when PostgreSQL answers COMMIT with ROLLBACK.
   */
  confirming?(): Steps;
  /** After `closing`, with the transaction open; what it throws ends the transaction. Not called on a synchronous database. */
  beforeCommit?(): Promise<void>;
  /** Milliseconds from waiting for a connection to the COMMIT; then the connection is destroyed. */
  readonly timeoutMs: number;
  /** Ends it before its COMMIT. */
  readonly signal?: AbortSignal | undefined;
}

export interface LocalDatabase<Tx> {
  readonly dialect: Dialect;
  /** Whether business functions run to their end in one turn, so that nothing can be awaited while it is open. */
  readonly isSynchronous: boolean;

  /**
   * BEGIN, the work, COMMIT. Resolves with what the business function returned once COMMIT has answered. Rejects with
   * a CommitFailedError where COMMIT was sent and did not succeed: it may have happened or may still happen. Every other
   * rejection, rethrown unchanged where it is the user's, means that COMMIT was not sent and never will be.
   */
  transaction<T>(work: LocalWork<Tx, T>): Promise<T>;

  /**
   * One statement on a connection of its own, in no transaction of anybody, committed when this resolves. Rejects after
   * `withinMs`; the statement may take effect all the same. `isLockTimeout` knows the errors of waiting for a lock.
   */
  query(statement: Statement, withinMs: number): Promise<readonly Row[]>;

  /** Throws where a transaction cannot begin now, before anything is told to anybody: the handle has one open. */
  assertIdle(): void;

  /** Ends the connections that it opened itself; the user's stay as they are. */
  close(): Promise<void>;
}

/** What the SDKs find wrong with a local transaction. Programs branch on `code`. */
export class LocalTransactionError extends Error {
  override name = 'LocalTransactionError';
  readonly code: LocalTransactionCode;
  /** Whether the same transaction, under another id, may succeed later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(code: LocalTransactionCode, message: string, retryable: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = retryable;
  }
}

export type LocalTransactionCode =
  /** COMMIT was sent and did not succeed: by itself this says nothing about the outcome. */
  | 'COMMIT_FAILED'
  /** It took longer than its `timeoutMs`; it is rolled back. */
  | 'TRANSACTION_TIMEOUT'
  /** The signal ended it before COMMIT; it is rolled back. */
  | 'TRANSACTION_ABORTED'
  /** The business function ended the transaction, used it after its end, or left statements running. */
  | 'MISUSED_TRANSACTION'
  /** The row that guards the transaction is not there at its end, or is somebody else's: something was rolled back. */
  | 'CLAIM_LOST'
  /** The table is missing or different, the database is read-only, or forgets what it committed. */
  | 'DATABASE_NOT_READY';

/** COMMIT was sent and did not succeed: it may have happened, or may still happen. `cause` is what it met. */
export class CommitFailedError extends LocalTransactionError {
  override name = 'CommitFailedError';
  constructor(cause: unknown) {
    const said = cause instanceof Error ? cause.message : String(cause);
    super('COMMIT_FAILED', `COMMIT did not succeed: ${said}`, true, cause);
  }
}

export const timedOut = (timeoutMs: number): LocalTransactionError =>
  new LocalTransactionError(
    'TRANSACTION_TIMEOUT',
    `The transaction took longer than ${timeoutMs} ms and was rolled back.`,
    true,
  );

export const aborted = (signal: AbortSignal): LocalTransactionError =>
  new LocalTransactionError('TRANSACTION_ABORTED', 'The transaction was aborted and rolled back.', true, signal.reason);

export const misused = (message: string): LocalTransactionError =>
  new LocalTransactionError('MISUSED_TRANSACTION', message, false);

/** Throws where a function says by its kind that it is async, or would not run when it is called. */
export const assertSynchronous = (work: unknown): void => {
  const kind = (work as { constructor?: { name?: string } } | null)?.constructor?.name ?? '';
  if (!/^(?:Async|Generator|AsyncGenerator)Function$/.test(kind)) return;
  throw misused(
    'On better-sqlite3 the function must not be async: what it awaits would come after COMMIT, and could not be rolled back.',
  );
};

export const claimLost = (message: string): LocalTransactionError =>
  new LocalTransactionError('CLAIM_LOST', message, true);
