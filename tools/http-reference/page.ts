/** The part of docs/http.md that is made from the OpenAPI document. */
import { ERRORS, type ErrorCode } from '../../broker/protocol/errors.ts';
import { type Call, callsOf, codesOf, type Document, type Operation, type Parameter, PROBLEM } from './document.ts';
import type { Sample, Samples } from './samples.ts';
import { Shapes } from './shapes.ts';

/** In the order of a message's life; what has another tag comes after. */
const GROUPS: Record<string, string> = {
  'producer groups': 'Who sends, and where the broker asks what became of a transaction.',
  transactions: 'The life of a transaction: stored, decided, looked at.',
  messages: 'What an operator does with a message that Kafka refuses.',
  topics: 'What waits for Kafka.',
  acts: 'Who decided what, and why.',
  keys: 'Who may call. [docs/keys.md](keys.md) tells how keys are used.',
  'memory publisher': 'Instead of a consumer, where there is no Kafka.',
  health: 'For supervisors, dashboards and programs. `/docs` shows all calls in a browser, `/errors` all codes.',
};

const link = (code: string): string => `[\`${code}\`](errors.md#${code.toLowerCase()})`;

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

const json = (value: unknown): string => fenced('json', compact(value));

/** Short objects on one line, longer ones with a line for each member. */
const compact = (value: unknown, indent = ''): string => {
  const line = JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ');
  if (line.length + indent.length <= 110 || typeof value !== 'object' || value === null) return line;
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const members = Array.isArray(value)
    ? value.map(item => compact(item, inner))
    : Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${compact(member, inner)}`);
  return `${open}\n${members.map(member => `${inner}${member}`).join(',\n')}\n${indent}${close}`;
};

const cell = (text: string): string => text.replaceAll(/(?<!\\)\|/g, '\\|');

const table = (head: string, rows: string[][]): string =>
  [`| ${head} | | |`, '| --- | --- | --- |', ...rows.map(row => `| ${row.map(cell).join(' | ')} |`)].join('\n');

const must = (required: boolean | undefined): string => (required ? 'required' : '');

const parameters = (given: readonly Parameter[], shapes: Shapes): string | null => {
  if (given.length === 0) return null;
  const rows = given.map(({ name, in: place, required, description, schema }) => {
    const where = place === 'path' ? 'in the path' : must(required);
    return [`\`${name}\``, where, description ?? shapes.what(schema)];
  });
  return table('parameter', rows);
};

const body = ({ requestBody }: Operation, shapes: Shapes): string | null => {
  const schema = requestBody?.content['application/json']?.schema;
  if (schema === undefined) return null;
  const rows = shapes.rows(schema).map(({ member, required, what }) => [`\`${member}\``, must(required), what]);
  const optional = requestBody!.required ? '' : 'The body may be left out.\n\n';
  return optional + table('body', rows);
};

const example = ({ request, body }: Sample): string => {
  const parts = [fenced('http', request)];
  if (body !== undefined) parts.push(json(body));
  return parts.join('\n\n');
};

/** The good answers; the one that was given when the page was made is shown. */
const answers = ({ responses }: Operation, sample: Sample | undefined): string =>
  Object.entries(responses)
    .filter(([, { content }]) => content?.[PROBLEM] === undefined || isMixed(content))
    .map(([status, { description, headers = {} }]) => {
      const fields = Object.entries(headers).map(([name, { description: what = '' }]) => ` \`${name}\`: ${what}`);
      const line = `**${status}** ${description.replace(/ Or `[A-Z_]+`.*$/, '')}${fields.join('')}`;
      const isShown = sample?.answer !== undefined && String(sample.status) === status;
      return isShown ? `${line}\n\n${json(sample.answer)}` : line;
    })
    .join('\n\n');

/** An answer that may be a problem or something else, as that of /readyz. */
const isMixed = (content: object): boolean => Object.keys(content).length > 1;

/** Codes that all calls have, and those that all with a body have besides. */
interface Common {
  readonly everywhere: ReadonlySet<string>;
  readonly withBody: ReadonlySet<string>;
}

const commonOf = (calls: readonly Call[]): Common => {
  const sets = (some: readonly Call[]) => some.map(({ operation }) => new Set(codesOf(operation)));
  const shared = (all: Set<string>[]) => all.reduce((common, next) => common.intersection(next));
  const everywhere = shared(sets(calls));
  const withBody = shared(sets(calls.filter(({ operation }) => operation.requestBody !== undefined)));
  return { everywhere, withBody: withBody.difference(everywhere) };
};

const errors = (operation: Operation, { everywhere, withBody }: Common): string => {
  const isCommon = (code: string) =>
    everywhere.has(code) || (operation.requestBody !== undefined && withBody.has(code));
  const own = codesOf(operation).filter(code => !isCommon(code));
  if (own.length === 0) return 'Errors: the common ones.';
  return `Errors besides the common ones: ${own.map(code => `${ERRORS[code as ErrorCode].status} ${link(code)}`).join(', ')}.`;
};

const section = ({ method, path, operation }: Call, { samples }: Samples, shapes: Shapes, common: Common) => {
  const sample = samples.get(operation.operationId);
  const { summary, description, 'x-right': right } = operation;
  return [
    `### ${method} ${path}`,
    `${summary}. ${description ?? ''}`.trim(),
    `Right: ${right}.`,
    parameters(operation.parameters ?? [], shapes),
    body(operation, shapes),
    sample === undefined ? null : example(sample),
    answers(operation, sample),
    errors(operation, common),
  ]
    .filter(part => part !== null)
    .join('\n\n');
};

/** What answers are, and what the tables above only name. */
const allShapes = (document: Document, shapes: Shapes): string => {
  const given = callsOf(document).flatMap(({ operation }) => [
    ...Object.values(operation.responses).flatMap(({ content }) => content?.['application/json']?.schema ?? []),
    ...Object.values(operation.requestBody?.content ?? {}).flatMap(({ schema }) =>
      shapes.rows(schema).flatMap(({ shape }) => shape.items?.anyOf ?? []),
    ),
  ]);
  const texts = shapes.declarations(given);
  return `## Shapes\n\n${fenced('ts', ['type Bytes = string | { base64: string };', ...texts].join('\n\n'))}`;
};

/** The part of the page named “calls”, which begins with a list of them. */
export const callsPage = (samples: Samples): string => {
  const { document } = samples;
  const calls = callsOf(document);
  const shapes = new Shapes(document);
  const common = commonOf(calls.filter(({ path }) => path.startsWith('/v1/')));
  const tags = new Set([...Object.keys(GROUPS), ...calls.flatMap(({ operation }) => operation.tags ?? [])]);
  const parts: string[] = [];
  const contents: string[][] = [];
  for (const tag of tags) {
    const own = calls.filter(({ operation }) => operation.tags?.[0] === tag);
    if (own.length === 0) continue;
    parts.push(`## ${tag[0]!.toUpperCase()}${tag.slice(1)}`);
    if (GROUPS[tag] !== undefined) parts.push(GROUPS[tag]);
    for (const call of own) {
      const { method, path, operation } = call;
      const anchor = `${method} ${path}`
        .toLowerCase()
        .replaceAll(' ', '-')
        .replaceAll(/[^a-z0-9-]/g, '');
      contents.push([`[\`${method} ${path}\`](#${anchor})`, operation['x-right'], operation.summary]);
      parts.push(section(call, samples, shapes, common));
    }
  }
  const told =
    `Errors that every call below \`/v1\` may give: ${[...common.everywhere].map(link).join(', ')}; ` +
    `with a body also ${[...common.withBody].map(link).join(', ')}.`;
  return [table('call', contents).replace('| | |', '| right | |'), told, ...parts, allShapes(document, shapes)].join(
    '\n\n',
  );
};
