/** JSON set out in lines. Only white space changes: numbers keep every digit, members their order and their repeats. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const INDENT = '  ';

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** Null where it is none. */
export const setOut = (text: string): string | null => {
  if (!isJson(text)) return null;
  let depth = 0;
  let before = '';
  const parts: string[] = [];
  const newLine = (): number => parts.push('\n', INDENT.repeat(depth));
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === '}' || token === ']';
    if (closes) depth--;
    const isFirst = before === '{' || before === '[';
    if (isFirst ? !closes : closes || before === ',') newLine();
    parts.push(token === ':' ? ': ' : token);
    if (token === '{' || token === '[') depth++;
    before = token;
  }
  return parts.join('');
};
