/** The fence's statements, as the producer SDK sends them, with names in the place of values. */
import type { Dialect, Statement } from '../../local-transaction/statement.ts';
import { claimRow, fenceSchema, foundRow, ownRow, rollbackRow } from '../../producer-sdk/fence/fence-table.ts';

const DATABASES: [name: string, dialect: Dialect][] = [
  ['SQLite', 'sqlite'],
  ['PostgreSQL', 'postgresql'],
  ['MariaDB, MySQL', 'mysql'],
];

/** How long the check handler waits for a transaction that is still open. */
const LOCK_TIMEOUT_MS = 2_000;

const isName = (value: unknown): boolean => typeof value === 'string' && value.startsWith(':');

/** One clause on a line. */
const laidOut = (text: string): string =>
  text
    .replaceAll(/(?<=\)) (?=insert into)/g, '\n')
    .replaceAll(/ (?=values \(|select cast|on conflict|on duplicate|from settings|where )/g, '\n  ');

const written = ({ parts, params }: Statement): string =>
  laidOut(
    parts.reduce((before, part, index) => {
      const value = params[index - 1];
      return `${before}${isName(value) ? value : `'${value}'`}${part}`;
    }),
  );

const statementsOf = (name: string, dialect: Dialect): string => {
  const [group, id, token] = [':group', ':id', ':token'];
  const parts: [what: string, text: string][] = [
    ['the table', fenceSchema(dialect)],
    ['claim: the first statement of the local transaction', written(claimRow(dialect, group, id, token))],
    ['verify: its last one', written(ownRow(dialect, group, id))],
    ['check handler: decide, and commit that', written(rollbackRow(dialect, group, id, token, LOCK_TIMEOUT_MS))],
    ['check handler: read, in a statement of its own', written(foundRow(group, id))],
  ];
  return `\`\`\`sql\n-- ${name}\n\n${parts.map(([what, text]) => `-- ${what}\n${text};`).join('\n\n')}\n\`\`\``;
};

/** The part of docs/fence.md named “statements”. */
export const statementsPart = (): string =>
  DATABASES.map(([name, dialect]) => `### ${name}\n\n${statementsOf(name, dialect)}`).join('\n\n');
