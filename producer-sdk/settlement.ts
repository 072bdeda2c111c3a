/** Telling the broker what the local transaction's row says, and nothing else. */
import type { Client } from './client/client.ts';
import { ConflictError, NotFoundError } from './client/client-errors.ts';
import { PREPARE_WINDOW_MS } from './client/dispatcher.ts';
import type { TransactionDraft } from './client/operation-text.ts';
import { clock, type Moment } from './clock.ts';
import { OutcomeContradicted } from './producer-errors.ts';

/** What is known of a transaction whose row says how it ended. */
export interface Ended {
  readonly id: string;
  /** What was prepared, to be prepared again by a broker that has lost it; null: not known here. */
  readonly draft: TransactionDraft | null;
  /** Whether there may have been no message at all, so that a broker that knows nothing of it is right. */
  readonly mayBeSilent?: boolean;
  readonly firstSentAt: Moment;
}

/** How often a broker that loses the transaction between prepare and commit is given it again. */
const ATTEMPTS = 3;

const isForgotten = (error: unknown): boolean =>
  error instanceof NotFoundError && error.code === 'TRANSACTION_NOT_FOUND';

/**
 * Commits at the broker. Resolves once that is durable there, or with `none` where nothing was to be. Rejects with OutcomeContradicted where the broker will
 * never do it, and with the client's error where it could not be told: then the check-back does it.
 */
export const commitAtBroker = async (client: Client, ended: Ended): Promise<'acknowledged' | 'none'> => {
  const { id, draft, mayBeSilent = false, firstSentAt } = ended;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.commit(id);
      return 'acknowledged';
    } catch (error) {
      if (error instanceof ConflictError) {
        throw new OutcomeContradicted(
          id,
          `The local transaction of ${id} committed, but the broker holds ${error.state ?? error.code}: its messages will not arrive.`,
          error,
        );
      }
      if (!isForgotten(error)) throw error;
      if (mayBeSilent) return 'none';
      const isTooLate = clock.ageMs(firstSentAt) > PREPARE_WINDOW_MS;
      if (draft === null || isTooLate || attempt === ATTEMPTS) {
        throw new OutcomeContradicted(
          id,
          `The local transaction of ${id} committed, but the broker does not know it: its messages will not arrive.`,
          error,
        );
      }
      // A broker restored from a backup has lost it. The same content under the same id is the same transaction.
      await prepareAgain(client, draft);
    }
  }
};

const prepareAgain = async (client: Client, draft: TransactionDraft): Promise<void> => {
  try {
    await client.prepare(draft);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    throw new OutcomeContradicted(
      draft.id!,
      `The local transaction of ${draft.id} committed, but the broker holds another one under its id.`,
      error,
    );
  }
};

/**
 * Rolls back at the broker. Resolves when that stands, or when the broker knows nothing of it. Rejects with
 * OutcomeContradicted where it was committed, and with the client's error where it could not be told.
 */
export const rollbackAtBroker = async (client: Client, id: string): Promise<'acknowledged'> => {
  try {
    await client.rollback(id);
    return 'acknowledged';
  } catch (error) {
    if (isForgotten(error)) return 'acknowledged';
    if (!(error instanceof ConflictError)) throw error;
    throw new OutcomeContradicted(
      id,
      `The local transaction of ${id} did not happen, but the broker holds ${error.state ?? error.code}: its messages arrive.`,
      error,
    );
  }
};
