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
import type { Steps } from '../../local-transaction/statement.ts';
import { isConstraint, isDatabaseTrouble, isNetworkError } from '../inbox/database-trouble.ts';
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
       * `attempt`: the handler failed by its own logic, or COMMIT for what it wrote, which counts. `poison`: it said that
       * it always will.
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

/** What is known of a try besides what it was rejected with. */
interface Course {
  hasReturned: boolean;
  /** By the handler. */
  thrown: { readonly error: unknown } | null;
  /** What was thrown is of a connection, and not yet known of which. */
  isSuspect: boolean;
  /** The transaction's own connection answered after that. */
  isAlive: boolean;
}

export const handleOnce = async <Tx>({
  inbox,
  key,
  message,
  handler,
  timeoutMs,
  signal,
}: Try<Tx>): Promise<Outcome> => {
  const { isSynchronous } = inbox.database;
  const begun: Course = { hasReturned: false, thrown: null, isSuspect: false, isAlive: false };
  let course = begun;
  const failed = (error: unknown): void => {
    course.thrown = { error };
    course.isSuspect = !isSynchronous && faultOf(error) === 'attempt' && isNetworkError(error);
    // A suspect is thrown by `closing`, which can ask the connection before.
    if (!course.isSuspect) throw error;
  };
  const returned = (): void => {
    course.hasReturned = true;
  };
  const business = (tx: Tx): unknown => {
    // Some tools run it again by themselves: what was before is over.
    course = { ...begun };
    let result: unknown;
    try {
      result = handler(message, tx);
    } catch (error) {
      return failed(error);
    }
    if (!isSynchronous) return Promise.resolve(result).then(returned, failed);
    returned();
    return result;
  };
  function* closing(): Steps {
    if (course.thrown === null) return yield* inbox.verify(key);
    try {
      yield* inbox.probe(key);
      course.isAlive = true;
    } catch (error) {
      course.isAlive = !isDatabaseTrouble(error) && !isNetworkError(error);
    }
    throw course.thrown.error;
  }
  try {
    await inbox.database.transaction({
      opening: () => inbox.claim(key),
      business,
      closing,
      confirming: () => inbox.confirm(key),
      timeoutMs,
      signal,
    });
    return { kind: 'handled' };
  } catch (error) {
    return judge(error, course, () => inbox.has(key));
  }
};

const judge = async (error: unknown, course: Course, isHandled: () => Promise<boolean>): Promise<Outcome> => {
  const { thrown, isSuspect, isAlive, hasReturned } = course;
  // Before anything else: what was misused may have left half an effect, row and all. A function that failed may leave
  // statements running.
  if (isProgramFault(error) && !isSuspect) return { kind: 'fatal', error };
  try {
    if (await isHandled()) return { kind: 'repeat' };
  } catch {
    // The database does not answer, so whatever failed says nothing about the message.
    return { kind: 'failed', error: thrown !== null && isSuspect ? thrown.error : error, fault: 'circumstances' };
  }
  if (thrown === null) {
    // What the handler wrote is refused at the end: a deferred constraint, or an error that it caught.
    return { kind: 'failed', error, fault: hasReturned && isConstraint(error) ? 'attempt' : 'circumstances' };
  }
  if (isSuspect) {
    const isOwn = isProgramFault(error) || (error === thrown.error && isAlive);
    return { kind: 'failed', error: thrown.error, fault: isOwn ? 'attempt' : 'circumstances' };
  }
  const isHandlers = !(error instanceof LocalTransactionError && error !== thrown.error);
  return isHandlers
    ? { kind: 'failed', error: thrown.error, fault: faultOf(thrown.error) }
    : { kind: 'failed', error, fault: 'circumstances' };
};
