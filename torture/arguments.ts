/** Values of flags. They throw RangeError with a sentence where they are wrong. */

export const wholeNumber = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number above 0.`);
  return value;
};

export const oneOf = <T extends string>(name: string, all: readonly T[], text: string): T => {
  const found = all.find(one => one === text);
  if (found === undefined) throw new RangeError(`--${name} must be one of ${all.join(', ')}.`);
  return found;
};
