/** What a consumer can end with, and what a handler may say about a message. Programs branch on `code` and `retryable`. */

export type ConsumerErrorCode =
  /** An option cannot be used. Nothing was begun. */
  | 'INVALID_OPTION'
  /** `run` was called before, or `close`. */
  | 'NOT_RUNNABLE'
  /** Kafka refuses this user or these settings. */
  | 'KAFKA_REFUSED'
  /** The handler ended or misused its transaction, or was async where it must not be: a mistake in the program. */
  | 'HANDLER_MISUSED'
  /** The inbox table is missing or different, or its database cannot be written. */
  | 'DATABASE_NOT_READY'
  /** Kafka did not acknowledge a record that was sent to it; it may be there all the same. */
  | 'NOT_ACKNOWLEDGED'
  /** Kafka answers nothing any more; the connection is replaced. */
  | 'KAFKA_SILENT'
  /** A replay of dead letters ended before its end. */
  | 'REPLAY_FAILED'
  | 'POISON'
  | 'TRANSIENT';

/** The base of all of them. */
export class ConsumerError extends Error {
  override name = 'ConsumerError';
  readonly code: ConsumerErrorCode;
  /** Whether the same can succeed later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(code: ConsumerErrorCode, message: string, retryable: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = retryable;
  }
}

/** An option cannot be used; the message says which, and what it must be. */
export class InvalidOptionError extends ConsumerError {
  override name = 'InvalidOptionError';
  constructor(message: string) {
    super('INVALID_OPTION', message, false);
  }
}

/**
 * Thrown by a handler: this message will never succeed. It goes to the dead-letter topic without further attempts, or
 * stops its partition where there is none.
 */
export class PoisonError extends ConsumerError {
  override name = 'PoisonError';
  /** `message` is what the dead letter says it failed of. */
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('POISON', message, false, options.cause);
  }
}

/** Thrown by a handler: not this message's fault. It is tried for ever, and no attempt is counted. */
export class TransientError extends ConsumerError {
  override name = 'TransientError';
  /** `message` is what `health()` shows until it succeeds. */
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('TRANSIENT', message, true, options.cause);
  }
}

/** What was thrown, in one line for people. Never throws, whatever it was. */
export const said = (error: unknown): string => {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'something was thrown that cannot be shown as text';
  }
};
