/** One operation from the call to its only outcome. */
import type { TransactionBody } from '../../broker/protocol/wire.ts';
import type { Moment } from '../clock.ts';
import { CallAbortedError, type EscrowError, NoAnswerError } from './client-errors.ts';
import type { OperationText } from './operation-text.ts';

export interface CallOptions {
  /** Ends the call for its caller; an operation that was sent already may still take effect. */
  signal?: AbortSignal;
  /** Milliseconds, with all repeats; the client's `deadlineMs` where there is none. */
  deadlineMs?: number;
}

/** A short answer of the broker. */
export interface Outcome {
  readonly status: number;
  readonly body: TransactionBody;
}

interface Order extends OperationText {
  readonly kind: 'prepare' | 'resolution';
  readonly id: string;
  /** On the monotonic clock. */
  readonly deadline: number;
  readonly deadlineMs: number;
}

export class Call {
  readonly kind: Order['kind'];
  readonly id: string;
  readonly text: string;
  readonly bytes: number;
  readonly deadline: number;
  /** Sent, and the request is not over: it may take effect at any moment, whatever its caller was told. */
  isInFlight = false;
  isSettled = false;
  /** Goes in a request of its own: a request with others was refused as a whole. */
  isAlone = false;
  attempts = 0;
  firstSentAt: Moment | null = null;
  /** Not to be sent again before; 0: at once. */
  notBefore = 0;
  /** What the last attempt met. */
  lastFault: unknown;
  /** The next call about the same id: it waits until this one is over. */
  follower: Call | null = null;
  readonly #deadlineMs: number;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #reject: (error: EscrowError) => void;
  #forgetSignal: (() => void) | null = null;

  constructor(order: Order, resolve: (outcome: Outcome) => void, reject: (error: EscrowError) => void) {
    this.kind = order.kind;
    this.id = order.id;
    this.text = order.text;
    this.bytes = order.bytes;
    this.deadline = order.deadline;
    this.#deadlineMs = order.deadlineMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** `onAbort` is called at most once, and not after the call is settled. */
  listenTo(signal: AbortSignal, onAbort: (error: EscrowError) => void): void {
    const listener = (): void => onAbort(new CallAbortedError({ cause: signal.reason, transactionId: this.id }));
    signal.addEventListener('abort', listener, { once: true });
    this.#forgetSignal = () => signal.removeEventListener('abort', listener);
  }

  succeed(outcome: Outcome): void {
    this.#end();
    this.#resolve(outcome);
  }

  fail(error: EscrowError): void {
    this.#end();
    this.#reject(error);
  }

  /** What the caller is told at its deadline. */
  noAnswer(): NoAnswerError {
    const cause = this.lastFault === undefined ? {} : { cause: this.lastFault };
    return new NoAnswerError(this.attempts, this.#deadlineMs, { transactionId: this.id, ...cause });
  }

  #end(): void {
    this.isSettled = true;
    this.#forgetSignal?.();
  }
}
