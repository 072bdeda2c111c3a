/** One bounded step of a list of transactions, newest first. */
import type Database from 'better-sqlite3';
import { type ListedRow, POSITIONS, TRANSACTION_STATES } from './sqlite-rows.ts';
import type { Statements } from './sqlite-statements.ts';
import type { ListFilter } from './store.ts';

/** Rows looked at in one step: bounds the time a list keeps the event loop. */
const WINDOW = 5_000;

/** Ids of names, resolved by the store: null without the filter, -1 for a name nobody used. */
type ResolvedFilter = ListFilter & { groupId: number | null; topicId: number | null };

type Value = string | number | Buffer | null;

const COLUMNS = 'sequence, id, group_id, state, prepared_at, resolved_at, resolved_by, unresolved, parked';

const needsPerson = ({ unresolved, parked, discarded, contradicted }: ListFilter): boolean =>
  [unresolved, parked, discarded, contradicted].includes(true);

/** What a message must be; none where the filter says nothing of messages. */
const messageConditions = ({ topicId, key }: ResolvedFilter): [text: string, value: Value][] => [
  ...(topicId === null ? [] : [['topic_id = ?', topicId] as [string, Value]]),
  // The length is known without reading a long key; the plus keeps SQLite from making an index of all keys for it.
  ...(key === undefined
    ? []
    : ([
        ['length(key) = ?', key.length],
        ['+key = ?', key],
      ] as [string, Value][])),
];

/** Where the window ends: so many rows of what is searched lie in it. */
const windowFloor = (sql: Statements, isRare: boolean, ofMessages: boolean, from: number): number => {
  if (isRare) return (sql.attentionFloor.get(from, WINDOW - 1) as number | undefined) ?? 0;
  if (!ofMessages) return (sql.windowFloor.get(from, WINDOW - 1) as number | undefined) ?? 0;
  const position = sql.messageFloor.get(from * POSITIONS, WINDOW - 1) as number | undefined;
  return position === undefined ? 0 : Math.floor(position / POSITIONS);
};

export const listStep = (
  db: Database.Database,
  sql: Statements,
  filter: ResolvedFilter,
  limit: number,
  before: number | null,
): { rows: ListedRow[]; next: number | null } => {
  const isRare = needsPerson(filter);
  const ofMessage = messageConditions(filter);
  const from = before ?? Number.MAX_SAFE_INTEGER;
  const floor = windowFloor(sql, isRare, ofMessage.length > 0, from);
  const where = ['sequence < ?', 'sequence >= ?'];
  const values: Value[] = [from, floor];
  const condition = (text: string, ...given: Value[]): void => {
    where.push(text);
    values.push(...given);
  };
  if (filter.state !== undefined) condition('state = ?', TRANSACTION_STATES.indexOf(filter.state));
  if (filter.unresolved !== undefined) condition(filter.unresolved ? 'unresolved = 1' : 'unresolved = 0');
  if (filter.contradicted !== undefined) condition(filter.contradicted ? 'contradicted = 1' : 'contradicted = 0');
  if (filter.parked !== undefined) condition(filter.parked ? 'parked > 0' : 'parked = 0');
  if (filter.discarded !== undefined) condition(filter.discarded ? 'discarded > 0' : 'discarded = 0');
  if (filter.lastError !== undefined) condition('last_check_error IS ?', filter.lastError);
  if (filter.since !== undefined) condition('prepared_at >= ?', filter.since);
  if (filter.until !== undefined) condition('prepared_at < ?', filter.until);
  if (filter.groupId !== null) condition('group_id = ?', filter.groupId);
  if (ofMessage.length > 0) {
    const texts = ofMessage.map(([text]) => text).join(' AND ');
    const given = ofMessage.map(([, value]) => value);
    if (isRare) {
      const range = `position >= sequence * ${POSITIONS} AND position < (sequence + 1) * ${POSITIONS}`;
      condition(`EXISTS (SELECT 1 FROM messages WHERE ${range} AND ${texts})`, ...given);
    } else {
      // One walk along the messages is several times as fast as a search for those of each transaction.
      const range = 'position >= ? AND position < ?';
      const found = `SELECT position / ${POSITIONS} FROM messages WHERE ${range} AND ${texts}`;
      condition(`sequence IN (${found})`, floor * POSITIONS, from * POSITIONS, ...given);
    }
  }
  const table = isRare ? 'transactions INDEXED BY attention' : 'transactions';
  const text = `SELECT ${COLUMNS} FROM ${table} WHERE ${where.join(' AND ')} ORDER BY sequence DESC LIMIT ?`;
  const rows = db.prepare(text).all(...values, limit) as ListedRow[];
  if (rows.length === limit) return { rows, next: rows.at(-1)!.sequence };
  return { rows, next: floor === 0 ? null : floor };
};
