/** The only reader of real time in this package. */
import { uptime } from 'node:os';

/** A point in time on two clocks that nobody can set. */
export interface Moment {
  readonly monotonic: number;
  /** Counts on while the machine sleeps. */
  readonly sinceBoot: number;
}

export const clock = {
  /** Milliseconds since 1970; only ids and signatures carry it, no deadline does: it jumps when somebody sets the clock. */
  now: (): number => Date.now(),
  /** Milliseconds on a clock that never goes back; for deadlines and pauses. */
  monotonic: (): number => performance.now(),
  moment: (): Moment => ({ monotonic: performance.now(), sinceBoot: uptime() * 1_000 }),
  /** Milliseconds since then, those in which the machine slept counted. */
  ageMs: (since: Moment): number => Math.max(performance.now() - since.monotonic, uptime() * 1_000 - since.sinceBoot),
};
