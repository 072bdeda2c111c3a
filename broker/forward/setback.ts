/** What keeps a lane, or a whole topic, from sending: which fault, since when, and until when nothing is tried. */
import type { Fault } from './publisher.ts';

/** First pause and longest pause; it doubles in between. */
const PAUSES = {
  unknown: { firstMs: 100, longestMs: 5_000 },
  known: { firstMs: 1_000, longestMs: 10_000 },
} as const;
/** Jitter only lengthens, so that lanes do not all try at the same moment. */
const MAX_JITTER = 0.2;
const MAX_DOUBLINGS = 20;
/** A fault that goes unseen for longer than this, and longer than messages wait before they are parked, is forgotten. */
const SHORTEST_MEMORY_MS = 60_000;

export interface Moment {
  /** Milliseconds since 1970, for people. */
  readonly now: number;
  /** Milliseconds on the clock that never goes back, for ages. */
  readonly monotonic: number;
  /** In [0, 1). */
  readonly random: number;
}

export interface Trouble {
  readonly fault: Fault;
  readonly error: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export class Setback {
  #trouble: Trouble | null = null;
  /** On the monotonic clock: first and last time of this fault, and when to try again. */
  #firstSeen = 0;
  #lastSeen = 0;
  #until = 0;
  #times = 0;
  readonly #memoryMs: number;

  constructor(parkAfterMs: number) {
    this.#memoryMs = Math.max(parkAfterMs, SHORTEST_MEMORY_MS);
  }

  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** When to try again, on the monotonic clock. */
  get until(): number {
    return this.#until;
  }

  /** Another fault than the last one, or the same after a long silence, begins anew. */
  happened(fault: Fault, error: string, { now, monotonic, random }: Moment): void {
    const same = this.#trouble?.fault === fault && !this.isForgotten(monotonic);
    this.#trouble = { fault, error, since: same ? this.#trouble!.since : now };
    if (!same) {
      this.#firstSeen = monotonic;
      this.#times = 0;
    }
    this.#lastSeen = monotonic;
    // Several lanes of one topic fail in the same round: that is one time.
    if (same && monotonic < this.#until) return;
    const { firstMs, longestMs } = fault === 'unknown' ? PAUSES.unknown : PAUSES.known;
    const pause = Math.min(firstMs * 2 ** Math.min(this.#times++, MAX_DOUBLINGS), longestMs);
    this.#until = monotonic + pause * (1 + MAX_JITTER * random);
  }

  /** Something went well: whatever it was is over. */
  over(): void {
    this.#trouble = null;
    this.#until = 0;
  }

  /** How long the present fault has lasted, as far as it was seen. */
  lastedMs(): number {
    return this.#trouble === null ? 0 : this.#lastSeen - this.#firstSeen;
  }

  isForgotten(monotonic: number): boolean {
    return this.#trouble === null || monotonic - this.#lastSeen > this.#memoryMs;
  }
}
