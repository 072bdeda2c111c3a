/** What MariaDB or MySQL says of a table. */
import { sql } from './statement.ts';
import type { Ask, TableInspection } from './table-inspection.ts';

/** Names are given to all columns: MySQL 8 writes those of its own in capitals. */
const columns = (table: string) => sql`
  select c.column_name as name, c.data_type as type, c.collation_name as collation, s.seq_in_index as position
  from information_schema.columns c
  left join information_schema.statistics s
    on s.table_schema = c.table_schema and s.table_name = c.table_name
    and s.column_name = c.column_name and s.index_name = 'PRIMARY'
  where c.table_schema = database() and c.table_name = ${table}`;

const tables = (table: string) => sql`
  select table_schema as place, engine as engine, table_schema = database() as here
  from information_schema.tables where table_name = ${table}`;

/** Some of these exist in some versions only. */
const SERVER = sql`
  show variables where variable_name in
    ('read_only', 'super_read_only', 'innodb_read_only', 'tx_read_only', 'transaction_read_only', 'innodb_flush_log_at_trx_commit')`;

const BINARY_TYPES = new Set<unknown>(['binary', 'varbinary']);

const comparesBy = (type: unknown, collation: unknown): string | null => {
  if (collation === null) return BINARY_TYPES.has(type) ? null : `type ${type}`;
  return /(?:_bin|^binary)$/.test(String(collation)) ? null : `collation ${collation}`;
};

export const inspectMysql = async (ask: Ask, table: string): Promise<TableInspection> => {
  const [current] = await ask(sql`select database() as name`);
  const found = await ask(columns(table));
  const all = await ask(tables(table));
  const settings = new Map((await ask(SERVER)).map(row => [String(row.Variable_name), String(row.Value)]));
  const place = current!.name === null ? 'this connection, which names no database' : `the database “${current!.name}”`;
  const faults: string[] = [];
  const restricting = [...settings].find(([name, value]) => name.endsWith('read_only') && !/^(?:off|0)$/i.test(value));
  if (restricting !== undefined) {
    faults.push(`The server takes no writes (${restricting.join(' = ')}): connect to the primary.`);
  }
  const engine = all.find(({ here }) => Number(here) === 1)?.engine;
  if (found.length > 0 && engine !== 'InnoDB') {
    faults.push(
      `The table ${table} in ${place} must be of engine InnoDB, and is ${engine ?? 'a view'}: only InnoDB rolls back.`,
    );
  }
  const flushed = settings.get('innodb_flush_log_at_trx_commit');
  return {
    place,
    columns:
      found.length === 0
        ? null
        : found.map(({ name, type, collation, position }) => ({
            name: String(name),
            keyPosition: position === null ? null : Number(position),
            comparesBy: comparesBy(type, collation),
          })),
    elsewhere: all.filter(({ here }) => Number(here) !== 1).map(({ place }) => `database “${place}”`),
    faults,
    lossy:
      flushed === undefined || flushed === '1'
        ? null
        : `The server runs with innodb_flush_log_at_trx_commit = ${flushed} and may forget what it committed.`,
  };
};
