/** What the load's processes tell each other; the number of a message stands at the head of its payload. */
import type { Cell, SlowLocalOrder } from '../system.ts';

/** Where the load goes. */
export interface Target {
  readonly url: string;
  readonly topic: string;
}

/** A mix: one message in so many is of that size instead. */
export interface Large {
  readonly every: number;
  readonly bytes: number;
}

export interface ProducerOrder extends Target {
  /** `single`: one HTTP call each for prepare and commit; `client`: the producer SDK, which batches by itself. */
  readonly calls: 'single' | 'client';
  readonly cell: Cell;
  readonly large: Large | null;
}

/** Of the phase that just ended. Times are `sharedNow()`; arrays by number of message, counted from `first`. */
export interface ProducerReport {
  readonly event: 'phase';
  readonly first: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly failed: number;
  readonly prepareMs: Float64Array;
  readonly commitMs: Float64Array;
  /** Just before the commit left; 0: it failed. */
  readonly commitAt: Float64Array;
}

export interface ReceiverReport {
  readonly event: 'received';
  /** Receipts beyond the first of a message. */
  readonly duplicates: number;
  /** Messages that were received more than once. */
  readonly duplicated: number;
  /** By number of message, from 0; 0: not seen. */
  readonly seenAt: Float64Array;
}

/** Transactions prepared through the client, as fast as it can. */
export interface FillOrder extends Target {
  /** Number i belongs to the group i modulo their number. */
  readonly groups: readonly string[];
  readonly transactions: number;
  readonly payloadBytes: number;
  readonly inFlight: number;
  /** `commit`: each is committed; else undecided, with its first check due at that moment (ms since 1970). */
  readonly ending: 'commit' | { readonly dueAt: number };
}

export interface FillReport {
  readonly event: 'filled';
  readonly seconds: number;
}

/** Of the process that answers checks. */
export interface CheckerReport {
  readonly event: 'checked';
  /** `sharedNow()`; 0: nobody asked. */
  readonly firstAt: number;
  readonly calls: number;
}

/** Its address; `/commit` answers commit about everything, `/hang` never answers. */
export interface CheckerReady {
  readonly event: 'ready';
  readonly url: string;
}

export interface SlowOrder extends Target {
  readonly slow: SlowLocalOrder;
  readonly group: string;
}

/** Transactions that arrive at their own pace, whether the earlier ones are done or not. */
export interface ArrivalsOrder extends Target {
  /** Each request is of the next one. */
  readonly groups: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
  readonly payloadBytes: number;
  /** Transactions in one request. */
  readonly perRequest: number;
  /** Requests under way at the same time, of prepares and of commits each; arrivals beyond it are turned away. */
  readonly connections: number;
}

export interface OperationCounts {
  /** Operations of requests that were answered. */
  readonly answered: number;
  readonly accepted: number;
  /** Refused with 503 or 429, and how many of these with the time after which to try again. */
  readonly overloaded: number;
  readonly withRetryAfter: number;
  /** Refused in any other way. */
  readonly other: number;
}

export interface ArrivalsReport {
  readonly event: 'arrivals';
  readonly offered: number;
  /** Arrivals that found no free connection. */
  readonly turnedAway: number;
  readonly prepare: OperationCounts;
  readonly commit: OperationCounts;
  /** Milliseconds from the answer to the prepare to the answer that says the commit is durable. */
  readonly commitMs: Float64Array;
  readonly startedAt: number;
  readonly endedAt: number;
}

const DIGITS = 10;

/** A maker of payloads of that many bytes, each with its number. */
export const payloads = (bytes: number): ((number: number) => string) => {
  const filler = 'the quick brown fox jumps over the lazy dog '.repeat(Math.ceil(bytes / 44)).slice(0, bytes - DIGITS);
  return number => String(number).padStart(DIGITS, '0') + filler;
};

export const isLarge = (number: number, large: Large | null): boolean =>
  large !== null && number % large.every === large.every - 1;

export const numberOf = (payload: Buffer): number => Number(payload.toString('latin1', 0, DIGITS));
