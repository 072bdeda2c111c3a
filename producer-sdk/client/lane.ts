/** Calls of one kind that wait to be sent, and whether the broker takes that kind at the moment. */
import type { Call } from './call.ts';
import { pauseMs } from './pause.ts';

export class Lane {
  /** In the order of arrival. */
  waiting = new Set<Call>();
  /** Requests under way that carry calls of this lane. */
  inFlight = 0;
  /** Nothing is sent before; on the monotonic clock. */
  closedUntil = 0;
  /** Since the last answer. */
  #failures = 0;
  #pausedAt = 0;
  /** The broker is there, but does not take this kind. */
  isRefused = false;

  get isHealthy(): boolean {
    return this.#failures === 0;
  }

  /** Closes it after a request failed that was sent at `sentAt`. What was under way together counts as one failure. */
  pause(now: number, sentAt: number, isRefused: boolean, retryAfterMs: number | null): void {
    if (this.#failures > 0 && sentAt < this.#pausedAt) return;
    this.isRefused = isRefused;
    this.#failures += 1;
    this.#pausedAt = now;
    this.closedUntil = now + pauseMs(this.#failures, retryAfterMs);
  }

  /** An answer came. */
  reopen(): void {
    this.#failures = 0;
    this.isRefused = false;
    this.closedUntil = 0;
  }

  /** After a failure, one request at a time tries whether things are better. */
  isOpen(now: number): boolean {
    return this.waiting.size > 0 && now >= this.closedUntil && (this.isHealthy || this.inFlight === 0);
  }

  /** In front of those that came later. */
  putBack(calls: readonly Call[]): void {
    if (calls.length > 0) this.waiting = new Set([...calls, ...this.waiting]);
  }
}
