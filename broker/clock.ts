/** The only reader of real time. Rules take `now` as an argument. */
export interface Clock {
  /** Milliseconds since 1970; what is stored and shown. May jump when somebody sets the clock. */
  now(): number;
  /** Milliseconds on a clock that never goes back; for deadlines and ages inside one process. */
  monotonic(): number;
}

/** A clock that remembers by how much it was set. */
export interface WatchedClock extends Clock {
  /**
   * By how many milliseconds it was set forward within the last `withinMs`: what is younger than that may look so much
   * older than it is. The clock is watched while it is read.
   */
  setForwardMs(withinMs: number): number;
}

/** Less is the everyday correction of a clock that goes a little wrong. */
const SMALLEST_STEP_MS = 1_000;
/** Steps remembered; of more, the oldest are taken for younger than they are. */
const MAX_STEPS = 100;

/** `wall` and `steady`: what it is read from, both in milliseconds. */
export const watchedClock = (wall: () => number, steady: () => number): WatchedClock => {
  let apartMs = wall() - steady();
  let steps: { at: number; ms: number }[] = [];
  const now = (): number => {
    const read = wall();
    const at = steady();
    const ms = read - at - apartMs;
    apartMs += ms;
    if (ms >= SMALLEST_STEP_MS) {
      steps.push({ at, ms });
      const [first, second] = steps;
      if (steps.length > MAX_STEPS) steps.splice(0, 2, { at: second!.at, ms: first!.ms + second!.ms });
    }
    return read;
  };
  return {
    now,
    monotonic: steady,
    setForwardMs: withinMs => {
      now();
      const since = steady() - withinMs;
      steps = steps.filter(({ at }) => at > since);
      return steps.reduce((sum, { ms }) => sum + ms, 0);
    },
  };
};

const steadyMs = (): number => performance.now();

export const clock = watchedClock(() => Date.now(), steadyMs);
