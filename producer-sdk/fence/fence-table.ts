/** The fence's table and its statements. One row decides one transaction, for ever. */
import { type GuardTable, insert, now, read, readOwn } from '../../local-transaction/guard-row.ts';
import type { Dialect, Row, Statement } from '../../local-transaction/statement.ts';

export const FENCE: GuardTable = {
  name: 'escrow_fence',
  keys: ['producer_group', 'transaction_id', 'branch', 'op'],
  timestamp: 'created_at',
};

export const FENCE_COLUMNS = [...FENCE.keys, 'outcome', 'token', 'result', 'created_at', 'settled_at'];

/** What a transactional message uses of the columns that later kinds of transactions will share. */
const BRANCH = '';
const OP = 'resolve';

export type Verdict = 'commit' | 'rollback';

/** A row of the fence. */
export interface Found {
  readonly outcome: Verdict;
  readonly token: string;
}

const COLUMNS: Record<Dialect, { key: string; word: string; long: string; time: string; end: string }> = {
  sqlite: { key: 'text not null', word: 'text not null', long: 'text', time: 'text', end: ' strict' },
  postgresql: {
    key: 'varchar(64) collate "C" not null',
    word: 'varchar(16) not null',
    long: 'text',
    time: 'timestamptz',
    end: '',
  },
  mysql: {
    key: 'varchar(64) character set ascii collate ascii_bin not null',
    word: 'varchar(16) character set ascii collate ascii_bin not null',
    long: 'text',
    time: 'datetime(3)',
    end: ' engine=InnoDB',
  },
};

/** The statement that makes the table, for migrations. Bears repeats. */
export const fenceSchema = (dialect: Dialect): string => {
  const { key, word, long, time, end } = COLUMNS[dialect];
  return `create table if not exists escrow_fence (
  producer_group ${key},
  transaction_id ${key},
  branch ${key},
  op ${key},
  outcome ${word},
  token ${key},
  result ${long},
  created_at ${time} not null,
  settled_at ${time},
  primary key (producer_group, transaction_id, branch, op)
)${end}`;
};

const keyOf = (group: string, id: string): Record<string, string> => ({
  producer_group: group,
  transaction_id: id,
  branch: BRANCH,
  op: OP,
});

export const claimRow = (dialect: Dialect, group: string, id: string, token: string): Statement =>
  insert({ dialect, table: FENCE, values: { ...keyOf(group, id), outcome: 'commit', token }, onConflict: 'error' });

/** Writes the verdict `rollback` where there is none yet; never looks first, so that nobody can come in between. */
export const rollbackRow = (
  dialect: Dialect,
  group: string,
  id: string,
  token: string,
  lockTimeoutMs: number,
): Statement =>
  insert({
    dialect,
    table: FENCE,
    values: { ...keyOf(group, id), outcome: 'rollback', token },
    onConflict: 'nothing',
    lockTimeoutMs,
  });

export const ownRow = (dialect: Dialect, group: string, id: string): Statement =>
  readOwn(dialect, FENCE, ['outcome', 'token'], keyOf(group, id));

export const foundRow = (group: string, id: string): Statement => read(FENCE, ['outcome', 'token'], keyOf(group, id));

export const foundRows = (group: string, ids: readonly string[]): Statement => ({
  parts: [
    'select transaction_id, outcome, token from escrow_fence where producer_group = ',
    ' and transaction_id in (',
    ...ids.slice(1).map(() => ', '),
    `) and branch = '${BRANCH}' and op = '${OP}'`,
  ],
  params: [group, ...ids],
});

export const foundIn = (row: Row | undefined): Found | null => {
  const outcome = row?.outcome;
  if (outcome !== 'commit' && outcome !== 'rollback') return null;
  return { outcome, token: String(row!.token) };
};

/** A time that lies `ageMs` in the past, by the database's clock. */
const before = (dialect: Dialect, ageMs: number): string => {
  const seconds = Math.ceil(ageMs / 1_000);
  if (dialect === 'sqlite') return `strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-${seconds} seconds')`;
  if (dialect === 'postgresql') return `clock_timestamp() - interval '${seconds} seconds'`;
  return `utc_timestamp(3) - interval ${seconds} second`;
};

/** Rows that nobody has seen ended at the broker yet, from `after` on, in the order of their ids. */
export const unsettledRows = (
  dialect: Dialect,
  group: string,
  after: string,
  minAgeMs: number,
  limit: number,
): Statement => page(group, after, `settled_at is null and created_at <= ${before(dialect, minAgeMs)}`, limit);

/** Rows that were seen ended that long ago. */
export const expiredRows = (dialect: Dialect, group: string, after: string, ageMs: number, limit: number): Statement =>
  page(group, after, `settled_at <= ${before(dialect, ageMs)}`, limit);

const page = (group: string, after: string, condition: string, limit: number): Statement => ({
  parts: [
    'select transaction_id from escrow_fence where producer_group = ',
    ' and transaction_id > ',
    ` and branch = '${BRANCH}' and op = '${OP}' and ${condition} order by transaction_id limit ${limit}`,
  ],
  params: [group, after],
});

const one = (head: string, group: string, id: string, tail = ''): Statement => ({
  parts: [
    `${head} where producer_group = `,
    ' and transaction_id = ',
    ` and branch = '${BRANCH}' and op = '${OP}'${tail}`,
  ],
  params: [group, id],
});

export const settle = (dialect: Dialect, group: string, id: string): Statement =>
  one(`update escrow_fence set settled_at = ${now(dialect).sql}`, group, id, ' and settled_at is null');

export const unsettle = (group: string, id: string): Statement =>
  one('update escrow_fence set settled_at = null', group, id);

/** Only while it is still marked: somebody else may have seen the broker ask again. */
export const forget = (group: string, id: string): Statement =>
  one('delete from escrow_fence', group, id, ' and settled_at is not null');
