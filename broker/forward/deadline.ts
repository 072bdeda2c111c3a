/** Time limits for what cannot be trusted to end by itself. */

/** The promise's outcome, or after `ms` a rejection with that sentence. What comes later is ignored. */
export const within = async <Result>(ms: number, promise: Promise<Result>, sentence: string): Promise<Result> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${sentence} (${ms} ms)`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
};
