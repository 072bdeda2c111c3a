/** How long to leave a broker alone that does not answer or asks for time: twice as long after each failure, never in step. */

const FIRST_MS = 50;
const LONGEST_MS = 5_000;
/** What is added at most to a wait that the broker asked for, so that its clients do not come back together. */
const SPREAD = 0.2;

/** Milliseconds after the n-th failure in a row, from 1. */
export const pauseMs = (failures: number, retryAfterMs: number | null): number => {
  if (retryAfterMs !== null) return retryAfterMs * (1 + Math.random() * SPREAD);
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return (longest / 2) * (1 + Math.random());
};
