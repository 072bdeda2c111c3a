/** Other people's promises that may never settle. */

/** Settles as the promise does, or rejects with `error()` after so many milliseconds. */
export const within = async <T>(promise: Promise<T>, ms: number, error: () => Error): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    // Whoever loses the race is of no interest any more.
    promise.catch(() => {});
  }
};

/** Resolves when the promise has settled either way, or after so many milliseconds: true if it had. */
export const settledWithin = (promise: Promise<unknown>, ms: number): Promise<boolean> =>
  within(
    promise.then(
      () => true,
      () => true,
    ),
    ms,
    () => new Error('late'),
  ).catch(() => false);
