/** JSON set out in lines. Only white space changes: numbers keep every digit, members their order and their repeats. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const INDENT = '  ';
/** Deeper than that nobody counts, and the spaces alone would fill the memory: what lies deeper stands below each other. */
const MAX_INDENTS = 64;

export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** Null where it is none. `most`: it ends soon after so many characters, however long it is. */
export const setOut = (text: string, most = Number.POSITIVE_INFINITY): string | null => {
  if (!isJson(text)) return null;
  let depth = 0;
  let before = '';
  let length = 0;
  const parts: string[] = [];
  const put = (part: string): void => {
    parts.push(part);
    length += part.length;
  };
  const newLine = (): void => put(`\n${INDENT.repeat(Math.min(depth, MAX_INDENTS))}`);
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === '}' || token === ']';
    if (closes) depth--;
    const isFirst = before === '{' || before === '[';
    if (isFirst ? !closes : closes || before === ',') newLine();
    put(token === ':' ? ': ' : token);
    if (length > most) break;
    if (token === '{' || token === '[') depth++;
    before = token;
  }
  return parts.join('');
};
