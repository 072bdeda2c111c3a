/** The only reader of real time in this package. */
export const clock = {
  /** Milliseconds since 1970; only ids carry it, no deadline does: it jumps when somebody sets the clock. */
  now: (): number => Date.now(),
  /** Milliseconds on a clock that never goes back; for deadlines and pauses. */
  monotonic: (): number => performance.now(),
};
