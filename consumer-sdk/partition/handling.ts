/**
 * One try to handle one message: the effect and its inbox row in one local transaction.
 *
 *   insert the row ─▶ handler ─▶ the row stands? ─▶ COMMIT ─▶ handled
 *        │               │              │              │
 *        └───────────────┴──── error ───┴──────────────┘
 *                                │ roll back, then look for the row on another connection
 *                                ├─ there: handled before, by whomever
 *                                └─ not there, or no answer: the error stands
 */
import { LocalTransactionError } from '../../local-transaction/local-database.ts';
import { isDatabaseTrouble } from '../inbox/database-trouble.ts';
import type { Inbox, InboxKey } from '../inbox/inbox.ts';
import type { ConsumedMessage } from '../record/message.ts';

/** The effect of one message. What it returns is not looked at. */
export type Handler<Tx> = (message: ConsumedMessage, tx: Tx) => unknown;

export type Outcome =
  | { readonly kind: 'handled' }
  /** It was handled before. */
  | { readonly kind: 'repeat' }
  | {
      readonly kind: 'failed';
      readonly error: unknown;
      /**
       * `attempt`: the handler failed by its own logic, which counts. `poison`: it said that it always will.
       * `circumstances`: database, locks, time; they never make a message poison.
       */
      readonly fault: 'attempt' | 'poison' | 'circumstances';
    }
  /** The program is wrong: going on would make it worse. */
  | { readonly kind: 'fatal'; readonly error: LocalTransactionError };

export interface Try<Tx> {
  readonly inbox: Inbox<Tx>;
  readonly key: InboxKey;
  readonly message: ConsumedMessage;
  readonly handler: Handler<Tx>;
  readonly timeoutMs: number;
  /** Ends it before its COMMIT. */
  readonly signal: AbortSignal;
}

const isProgramFault = (error: unknown): error is LocalTransactionError =>
  error instanceof LocalTransactionError &&
  (error.code === 'MISUSED_TRANSACTION' || error.code === 'DATABASE_NOT_READY');

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null | undefined)?.code;

/** What the handler itself threw: its own logic, unless it says or shows otherwise. */
const faultOf = (thrown: unknown): 'attempt' | 'poison' | 'circumstances' => {
  if (codeOf(thrown) === 'POISON') return 'poison';
  if (codeOf(thrown) === 'TRANSIENT' || thrown instanceof LocalTransactionError) return 'circumstances';
  return isDatabaseTrouble(thrown) ? 'circumstances' : 'attempt';
};

export const handleOnce = async <Tx>({
  inbox,
  key,
  message,
  handler,
  timeoutMs,
  signal,
}: Try<Tx>): Promise<Outcome> => {
  let thrown: { readonly error: unknown } | null = null;
  const failed = (error: unknown): never => {
    thrown = { error };
    throw error;
  };
  const business = (tx: Tx): unknown => {
    let result: unknown;
    try {
      result = handler(message, tx);
    } catch (error) {
      return failed(error);
    }
    return inbox.database.isSynchronous ? result : Promise.resolve(result).catch(failed);
  };
  try {
    await inbox.database.transaction({
      opening: () => inbox.claim(key),
      business,
      closing: () => inbox.verify(key),
      confirming: () => inbox.confirm(key),
      timeoutMs,
      signal,
    });
    return { kind: 'handled' };
  } catch (error) {
    return judge(error, thrown, () => inbox.has(key));
  }
};

const judge = async (
  error: unknown,
  thrown: { readonly error: unknown } | null,
  isHandled: () => Promise<boolean>,
): Promise<Outcome> => {
  // Before anything else: what was misused may have left half an effect, row and all.
  if (isProgramFault(error)) return { kind: 'fatal', error };
  try {
    if (await isHandled()) return { kind: 'repeat' };
  } catch {
    // The database does not answer, so whatever failed says nothing about the message.
    return { kind: 'failed', error, fault: 'circumstances' };
  }
  const isHandlers = thrown !== null && !(error instanceof LocalTransactionError && error !== thrown.error);
  if (!isHandlers) return { kind: 'failed', error, fault: 'circumstances' };
  return { kind: 'failed', error: thrown.error, fault: faultOf(thrown.error) };
};
