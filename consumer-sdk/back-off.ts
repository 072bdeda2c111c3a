/** How long to wait after a failure: twice as long each time, never in step with others. */

export interface BackOff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Milliseconds after the n-th failure in a row, from 1: between half and all of what doubling gives. */
export const backOffMs = ({ initialMs, maxMs }: BackOff, failures: number): number => {
  const longest = Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 30));
  return (longest / 2) * (1 + Math.random());
};

/** Waits, or less if the signal ends it; never rejects. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
