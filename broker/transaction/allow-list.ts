/** Topic patterns of a producer group: `*` stands for any run of characters, everything else for itself. */
export const topicAllowed = (patterns: readonly string[] | null, topic: string): boolean => {
  if (patterns === null) return true;
  const parts = PARTS.get(patterns) ?? patterns.map(pattern => pattern.split('*'));
  PARTS.set(patterns, parts);
  return parts.some(pattern => matches(pattern, topic));
};

/** Each list is taken apart once, not at every message. */
const PARTS = new WeakMap<readonly string[], readonly (readonly string[])[]>();

/** Linear in both lengths for a fixed number of stars: no regular expression is made from what users write. */
const matches = (pattern: readonly string[], text: string): boolean => {
  const [first = '', ...rest] = pattern;
  if (!text.startsWith(first)) return false;
  if (rest.length === 0) return text.length === first.length;
  const last = rest.pop()!;
  let position = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return text.length - last.length >= position && text.endsWith(last);
};
