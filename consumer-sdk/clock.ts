/** The only reader of real time in this package. */
export const clock = {
  /** Milliseconds since 1970; for what people read. */
  now: (): number => Date.now(),
  /** Milliseconds on a clock that never goes back; for deadlines and ages. */
  monotonic: (): number => performance.now(),
};
