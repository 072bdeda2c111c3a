/** What an expression of Prometheus asks for: enough of its grammar to find names in it. */

/** Words that are neither functions (these stand before a bracket) nor metrics. */
const WORDS = new Set([
  'and',
  'or',
  'unless',
  'on',
  'ignoring',
  'by',
  'without',
  'group_left',
  'group_right',
  'offset',
  'bool',
]);
/** What a scrape adds to every series. */
const OF_THE_SCRAPE = new Set(['job', 'instance', 'le']);

export interface Asked {
  readonly series: string;
  /** Of its selector. */
  readonly labels: readonly string[];
}

const SELECTOR = /\{((?:[^"'}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}/g;

/** Every series of the expression, and the labels that it groups and joins by. */
export const readExpression = (expression: string): { asked: Asked[]; groupedBy: string[] } => {
  const selectors: string[] = [];
  const groupedBy: string[] = [];
  const bare = expression
    .replace(SELECTOR, (_, inside: string) => ` {${selectors.push(inside) - 1}} `)
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g, (_, names: string) => {
      groupedBy.push(...names.split(',').map(name => name.trim()));
      return ' ';
    });
  const asked: Asked[] = [];
  for (const [, series, bracket, selector] of bare.matchAll(/(?<![\w.{])([a-zA-Z_:][\w:]*)\s*(?:(\()|\{(\d+)\})?/g)) {
    if (bracket !== undefined || WORDS.has(series!)) continue;
    const inside = selector === undefined ? '' : selectors[Number(selector)]!;
    const labels = [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*["']/g)].map(([, label]) => label!);
    asked.push({ series: series!, labels: labels.filter(label => !OF_THE_SCRAPE.has(label)) });
  }
  return { asked, groupedBy: groupedBy.filter(label => !OF_THE_SCRAPE.has(label)) };
};
