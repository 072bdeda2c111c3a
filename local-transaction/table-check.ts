/** Whether the table of an SDK can keep its promise where it lies: looked at once, before anything is told to anybody. */
import { type LocalDatabase, LocalTransactionError } from './local-database.ts';
import { inspectMysql } from './mysql-inspection.ts';
import { inspectPostgresql } from './postgresql-inspection.ts';
import { inspectSqlite } from './sqlite-inspection.ts';
import type { Ask, TableInspection } from './table-inspection.ts';

export interface CheckedTable {
  readonly name: string;
  /** The primary key, in order. */
  readonly keys: readonly string[];
  /** Every column that is used, those of the key too. */
  readonly columns: readonly string[];
}

export interface TableCheckOptions {
  /** The operator knows that the database forgets commits in a crash, and takes it. Default false. */
  readonly acceptLossyCommits?: boolean;
  /** For each question to the database. Default 10 s. */
  readonly withinMs?: number;
}

const INSPECTIONS: Record<LocalDatabase<unknown>['dialect'], (ask: Ask, table: string) => Promise<TableInspection>> = {
  sqlite: inspectSqlite,
  postgresql: inspectPostgresql,
  mysql: inspectMysql,
};

const DEFAULT_WITHIN_MS = 10_000;

/**
 * Rejects with a LocalTransactionError `DATABASE_NOT_READY`, whose sentences say what to do, unless the table is there as
 * it must be, in a database that takes writes and keeps what it committed. What a question itself fails with is rethrown
 * unchanged. Changes nothing. SQLite's `synchronous` is not looked at: each transaction sets it.
 */
export const assertReady = async (
  database: LocalDatabase<unknown>,
  table: CheckedTable,
  { acceptLossyCommits = false, withinMs = DEFAULT_WITHIN_MS }: TableCheckOptions = {},
): Promise<void> => {
  const ask: Ask = statement => database.query(statement, withinMs);
  const found = await INSPECTIONS[database.dialect](ask, table.name);
  const faults = [...found.faults, ...tableFaults(found, table)];
  if (found.lossy !== null && !acceptLossyCommits) {
    faults.push(`${found.lossy} Turn that on, or accept lost transactions with acceptLossyCommits: true.`);
  }
  if (faults.length > 0) throw new LocalTransactionError('DATABASE_NOT_READY', faults.join(' '), false);
};

const tableFaults = ({ place, columns, elsewhere }: TableInspection, { name, keys, columns: wanted }: CheckedTable) => {
  const make = 'run install(), or the text in `schema` as a migration';
  if (columns === null) {
    const there = elsewhere.length > 0 ? ` There is one in ${elsewhere.join(', ')}: is this the right connection?` : '';
    return [`There is no table ${name} in ${place}: ${make}.${there}`];
  }
  const faults: string[] = [];
  const missing = wanted.filter(column => !columns.some(({ name }) => name === column));
  if (missing.length > 0) {
    faults.push(`The table ${name} in ${place} lacks ${missing.join(', ')}: compare it with the text in \`schema\`.`);
  }
  const key = columns
    .filter(({ keyPosition }) => keyPosition !== null)
    .sort((a, b) => a.keyPosition! - b.keyPosition!)
    .map(({ name }) => name);
  if (key.join() !== keys.join()) {
    const is = key.length === 0 ? 'missing' : `(${key.join(', ')})`;
    faults.push(`The primary key of ${name} in ${place} must be (${keys.join(', ')}), and is ${is}.`);
  }
  const blurred = columns.filter(({ name, comparesBy }) => keys.includes(name) && comparesBy !== null);
  if (blurred.length > 0) {
    const each = blurred.map(({ name, comparesBy }) => `${name} (${comparesBy})`).join(', ');
    faults.push(
      `Key columns of ${name} in ${place} must compare byte for byte, or two ids may count as one. These do not: ${each}. Make them as the text in \`schema\` does.`,
    );
  }
  return faults;
};
