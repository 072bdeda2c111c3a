/**
 * The state machine: one table for transactions, one for messages, and one pure function each. ARCHITECTURE.md prints
 * both tables; `test/unit/state-machine.test.ts` holds them equal.
 *
 * Rules: a resolution is decided once and never changes; the same resolution again changes nothing; the opposite one
 * is a named refusal and marks the transaction as contradicted.
 */
import { type CheckPolicy, nextCheckAfterFailure, nextCheckAfterUnknown } from './schedule.ts';
import type { Message, MessageState, Resolver, Transaction, TransactionState } from './transaction.ts';

export type Refusal = 'ALREADY_COMMITTED' | 'ALREADY_ROLLED_BACK' | 'NOT_PARKED';

export type TransactionEvent =
  | { type: 'commit'; by: Resolver }
  | { type: 'rollback'; by: Resolver }
  /** The producer looked and it is not decided yet. `random` in [0, 1) makes the jitter. */
  | { type: 'unknown'; policy: CheckPolicy; random: number }
  /** Asked, and no answer came. */
  | { type: 'no_answer'; error: string; policy: CheckPolicy; random: number }
  /** A check is due and the group has no check address. */
  | { type: 'nobody_to_ask' }
  /** An operator wants it asked now. */
  | { type: 'ask' };

type Cell = TransactionState | 'same' | Exclude<Refusal, 'NOT_PARKED'>;

export const TRANSACTION_TABLE: Record<TransactionState, Record<TransactionEvent['type'], Cell>> = {
  prepared: {
    commit: 'committed',
    rollback: 'rolled_back',
    unknown: 'prepared',
    no_answer: 'prepared',
    nobody_to_ask: 'prepared',
    ask: 'prepared',
  },
  committed: {
    commit: 'same',
    rollback: 'ALREADY_COMMITTED',
    unknown: 'same',
    no_answer: 'same',
    nobody_to_ask: 'same',
    ask: 'ALREADY_COMMITTED',
  },
  rolled_back: {
    commit: 'ALREADY_ROLLED_BACK',
    rollback: 'same',
    unknown: 'same',
    no_answer: 'same',
    nobody_to_ask: 'same',
    ask: 'ALREADY_ROLLED_BACK',
  },
};

export type MessageEvent = 'commit' | 'rollback' | 'forward' | 'park' | 'retry' | 'discard';

export const MESSAGE_TABLE: Record<MessageState, Record<MessageEvent, MessageState | 'same' | 'NOT_PARKED'>> = {
  held: {
    commit: 'ready',
    rollback: 'dropped',
    forward: 'same',
    park: 'same',
    retry: 'NOT_PARKED',
    discard: 'NOT_PARKED',
  },
  ready: {
    commit: 'same',
    rollback: 'same',
    forward: 'forwarded',
    park: 'parked',
    retry: 'NOT_PARKED',
    discard: 'NOT_PARKED',
  },
  parked: { commit: 'same', rollback: 'same', forward: 'same', park: 'same', retry: 'ready', discard: 'discarded' },
  forwarded: {
    commit: 'same',
    rollback: 'same',
    forward: 'same',
    park: 'same',
    retry: 'NOT_PARKED',
    discard: 'NOT_PARKED',
  },
  discarded: {
    commit: 'same',
    rollback: 'same',
    forward: 'same',
    park: 'same',
    retry: 'NOT_PARKED',
    discard: 'NOT_PARKED',
  },
  dropped: {
    commit: 'same',
    rollback: 'same',
    forward: 'same',
    park: 'same',
    retry: 'NOT_PARKED',
    discard: 'NOT_PARKED',
  },
};

/**
 * What an event does to a transaction.
 * - `changed`: save `next`. `event` is what the history says, null where nothing is worth a line.
 * - `same`: nothing to save; the answer is the standing state.
 * - `refused`: the named refusal. `next` is set where the refusal must be saved: two systems disagree.
 */
export type Transition =
  | { kind: 'changed'; next: Transaction; event: string | null }
  | { kind: 'same' }
  | { kind: 'refused'; refusal: Refusal; next: Transaction | null };

export const transition = (transaction: Transaction, event: TransactionEvent, now: number): Transition => {
  const cell = TRANSACTION_TABLE[transaction.state][event.type];
  if (cell === 'same') return { kind: 'same' };
  if (cell === 'ALREADY_COMMITTED' || cell === 'ALREADY_ROLLED_BACK') {
    const contradiction = event.type === 'commit' || event.type === 'rollback';
    return { kind: 'refused', refusal: cell, next: contradiction ? { ...transaction, contradicted: true } : null };
  }
  switch (event.type) {
    case 'commit':
    case 'rollback':
      return {
        kind: 'changed',
        event: cell,
        next: {
          ...transaction,
          state: cell,
          resolvedAt: now,
          resolvedBy: event.by,
          nextCheckAt: null,
          unresolved: false,
          checkFailures: 0,
          ...(event.by === 'check' ? { lastCheckAt: now, lastCheckError: null } : {}),
        },
      };
    case 'unknown': {
      const checkAttempts = transaction.checkAttempts + 1;
      const answered = { ...transaction, checkAttempts, checkFailures: 0, lastCheckAt: now, lastCheckError: null };
      if (transaction.unresolved) return { kind: 'changed', event: 'check_unknown', next: answered };
      if (checkAttempts < event.policy.limit) {
        const nextCheckAt = nextCheckAfterUnknown(checkAttempts, event.policy, now, event.random);
        return { kind: 'changed', event: 'check_unknown', next: { ...answered, nextCheckAt } };
      }
      if (event.policy.onLimit === 'rollback') return transition(answered, { type: 'rollback', by: 'policy' }, now);
      return { kind: 'changed', event: 'unresolved', next: { ...answered, unresolved: true, nextCheckAt: null } };
    }
    case 'no_answer': {
      const checkFailures = transaction.checkFailures + 1;
      const nextCheckAt = transaction.unresolved
        ? null
        : nextCheckAfterFailure(checkFailures, event.policy, now, event.random);
      return {
        kind: 'changed',
        event: 'check_no_answer',
        next: { ...transaction, checkFailures, nextCheckAt, lastCheckAt: now, lastCheckError: event.error },
      };
    }
    case 'nobody_to_ask':
      return { kind: 'changed', event: 'unresolved', next: { ...transaction, unresolved: true, nextCheckAt: null } };
    case 'ask':
      return {
        kind: 'changed',
        event: 'check_asked',
        next: { ...transaction, unresolved: false, checkAttempts: 0, checkFailures: 0, nextCheckAt: now },
      };
  }
};

/** The message after the event, the same object where nothing changes, or the refusal. */
export const messageTransition = (message: Message, event: MessageEvent, now: number): Message | 'NOT_PARKED' => {
  const cell = MESSAGE_TABLE[message.state][event];
  if (cell === 'same') return message;
  if (cell === 'NOT_PARKED') return cell;
  const ended = cell === 'forwarded' || cell === 'discarded' || cell === 'dropped';
  return { ...message, state: cell, endedAt: ended ? now : null };
};
