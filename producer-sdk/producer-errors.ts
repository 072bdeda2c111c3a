/** What a transaction of the producer can end with, besides its value and the errors of the business function. */
import { EscrowError } from './client/client-errors.ts';

/**
 * The database committed, and the broker holds the opposite or nothing at all: an operator or a policy decided, or the
 * broker was restored. Two systems disagree, and a person must look.
 */
export class OutcomeContradicted extends EscrowError {
  override name = 'OutcomeContradicted';
  constructor(transactionId: string, message: string, cause?: unknown) {
    super('OUTCOME_CONTRADICTED', message, false, { transactionId, cause });
  }
}

/**
 * COMMIT was sent, its answer did not come, and the fence could not be asked: the local transaction has happened or not.
 * Nothing was told to the broker; its check-back will find out. `cause` is what COMMIT met.
 */
export class OutcomeUnknown extends EscrowError {
  override name = 'OutcomeUnknown';
  constructor(transactionId: string, cause: unknown) {
    const message = `Whether ${transactionId} committed is not known yet; the check-back will find out and act on it.`;
    super('OUTCOME_UNKNOWN', message, false, { transactionId, cause });
  }
}

/** COMMIT failed, and the fence says that nothing happened. Another try needs another id. `cause` is what COMMIT met. */
export class NotCommittedError extends EscrowError {
  override name = 'NotCommittedError';
  constructor(transactionId: string, cause: unknown) {
    super('NOT_COMMITTED', `The local transaction of ${transactionId} did not commit.`, false, {
      transactionId,
      cause,
    });
  }
}

/** The id has been decided: its transaction was rolled back before. Another try needs another id. */
export class IdSpentError extends EscrowError {
  override name = 'IdSpentError';
  constructor(transactionId: string, cause?: unknown) {
    const message = `${transactionId} was rolled back before, which is final: another try needs another id.`;
    super('ID_SPENT', message, false, { transactionId, cause });
  }
}

/** The prepare was first sent so long ago that what the broker remembers of it is no longer certain; rolled back. */
export class TooLateError extends EscrowError {
  override name = 'TooLateError';
  constructor(transactionId: string) {
    const message = `${transactionId} was prepared more than an hour before its local transaction began.`;
    super('TOO_LATE', message, false, { transactionId });
  }
}

/** A transaction inside the business function of another one would not be part of it. */
export class NestedTransactionError extends EscrowError {
  override name = 'NestedTransactionError';
  constructor() {
    const message =
      'A transaction of this producer is open in this very call: give its messages to that one, or begin this one after it.';
    super('NESTED_TRANSACTION', message, false);
  }
}
