/** The only reader of real time. Rules take `now` as an argument. */
export interface Clock {
  /** Milliseconds since 1970; what is stored and shown. May jump when somebody sets the clock. */
  now(): number;
  /** Milliseconds on a clock that never goes back; for deadlines and ages inside one process. */
  monotonic(): number;
}

export const clock: Clock = {
  now: (): number => Date.now(),
  monotonic: (): number => performance.now(),
};
