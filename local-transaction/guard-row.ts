/**
 * The one row that makes a local transaction safe, the producer's fence or the consumer's inbox: inserted first, looked
 * at last. Table and columns are the SDK's own constants; only values come from outside.
 */
import { claimLost } from './local-database.ts';
import { type Dialect, list, type Row, type Statement, type Text, text, type Value } from './statement.ts';

export interface GuardTable {
  readonly name: string;
  /** The primary key, in order. */
  readonly keys: readonly string[];
  /** Set by the database's own clock, in UTC, at the insert. */
  readonly timestamp: string;
}

/** Now by the database's clock, in UTC, with milliseconds. */
export const now = (dialect: Dialect): Text =>
  text(
    {
      sqlite: `strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`,
      postgresql: 'clock_timestamp()',
      mysql: 'utc_timestamp(3)',
    }[dialect],
  );

/**
 * PostgreSQL only: the transaction that this statement is part of, and nothing else of the session, commits durably
 * and waits for a lock for a bounded time (0: as the session has it).
 */
const settings = (lockTimeoutMs: number): string => {
  const durable = `set_config('synchronous_commit', case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, true)`;
  const bounded = lockTimeoutMs === 0 ? '' : `, set_config('lock_timeout', '${lockTimeoutMs}ms', true)`;
  return `with settings as materialized (select ${durable}${bounded}) `;
};

interface Insert {
  readonly dialect: Dialect;
  readonly table: GuardTable;
  /** Every column but the timestamp. */
  readonly values: Readonly<Record<string, Value>>;
  /** `error`: a row under the same key fails the statement. `nothing`: it stays, and no error tells. */
  readonly onConflict: 'error' | 'nothing';
  /** How long to wait for somebody else's open insert, where SQL can say so. */
  readonly lockTimeoutMs?: number;
}

export const insert = ({ dialect, table, values, onConflict, lockTimeoutMs = 0 }: Insert): Statement => {
  const columns = Object.keys(values);
  const into = `insert into ${table.name} (${[...columns, table.timestamp].join(', ')}) `;
  const time = now(dialect).sql;
  if (dialect === 'postgresql') {
    const tail = `, ${time} from settings${onConflict === 'nothing' ? ' on conflict do nothing' : ''}`;
    const casts = columns.map((_, index) =>
      index === 0 ? `${settings(lockTimeoutMs)}${into}select cast(` : ' as text), cast(',
    );
    return { parts: [...casts, ` as text)${tail}`], params: Object.values(values) };
  }
  const ignore = {
    sqlite: ' on conflict do nothing',
    mysql: ` on duplicate key update ${table.keys[0]} = ${table.keys[0]}`,
  };
  const tail = `, ${time})${onConflict === 'nothing' ? ignore[dialect] : ''}`;
  return list(`${into}values (`, Object.values(values), tail);
};

type Key = Readonly<Record<string, Value>>;

const where = (key: Key): { readonly parts: string[]; readonly params: Value[] } => {
  const columns = Object.keys(key);
  const parts = columns.map((column, index) => `${index === 0 ? ' where' : ' and'} ${column} = `);
  return { parts, params: Object.values(key) };
};

/** The row under the key, or none. */
export const read = (table: GuardTable, columns: readonly string[], key: Key): Statement => {
  const { parts, params } = where(key);
  return { parts: [`select ${columns.join(', ')} from ${table.name}${parts[0]}`, ...parts.slice(1), ''], params };
};

/**
 * The row under the key as the transaction that inserted it sees it. `mine` is 1 only in the very transaction that did,
 * outside of any savepoint, as far as the database can tell: PostgreSQL knows, the others say 1 always.
 */
export const readOwn = (dialect: Dialect, table: GuardTable, columns: readonly string[], key: Key): Statement => {
  const mine =
    dialect === 'postgresql'
      ? `case when xmin::text::bigint = pg_current_xact_id_if_assigned()::text::bigint % 4294967296 then 1 else 0 end as mine`
      : '1 as mine';
  return read(table, [...columns, mine], key);
};

/** Throws unless the row stands as it was inserted, in this very transaction. */
export const assertStands = (row: Row | undefined, expected: Readonly<Record<string, Value>>): void => {
  const stands = row !== undefined && Object.entries(expected).every(([column, value]) => row[column] === value);
  if (stands && Number(row.mine) === 1) return;
  const found =
    row === undefined
      ? 'it is gone'
      : stands
        ? 'it was inserted in a savepoint or another transaction'
        : 'somebody else’s stands there';
  throw claimLost(
    `The row that guards this transaction does not stand at its end (${found}), so it is rolled back. Something in it rolled back: a savepoint, a deadlock whose error was caught, or a ROLLBACK.`,
  );
};
