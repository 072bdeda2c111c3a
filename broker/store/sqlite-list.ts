/** One bounded step of a list of transactions, newest first. */
import type Database from 'better-sqlite3';
import type { TransactionRow } from './sqlite-rows.ts';
import { POSITIONS, TRANSACTION_STATES } from './sqlite-rows.ts';
import type { Statements } from './sqlite-statements.ts';
import type { ListFilter } from './store.ts';

/** Transactions looked at in one step: bounds the time a list keeps the event loop. */
const WINDOW = 5_000;

/** Ids of names, resolved by the store: null without the filter, -1 for a name nobody used. */
type ResolvedFilter = ListFilter & { groupId: number | null; topicId: number | null };

export const listStep = (
  db: Database.Database,
  sql: Statements,
  filter: ResolvedFilter,
  limit: number,
  before: number | null,
): { rows: TransactionRow[]; next: number | null } => {
  const from = before ?? Number.MAX_SAFE_INTEGER;
  const floor = (sql.windowFloor.get(from, WINDOW - 1) as number | undefined) ?? 0;
  const where = ['sequence < ?', 'sequence >= ?'];
  const values: (number | Buffer)[] = [from, floor];
  const condition = (text: string, ...given: (number | Buffer)[]): void => {
    where.push(text);
    values.push(...given);
  };
  if (filter.state !== undefined) condition('state = ?', TRANSACTION_STATES.indexOf(filter.state));
  if (filter.unresolved !== undefined) condition(filter.unresolved ? 'unresolved = 1' : 'unresolved = 0');
  if (filter.contradicted !== undefined) condition(filter.contradicted ? 'contradicted = 1' : 'contradicted = 0');
  if (filter.parked !== undefined) condition(filter.parked ? 'parked > 0' : 'parked = 0');
  if (filter.discarded !== undefined) condition(filter.discarded ? 'discarded > 0' : 'discarded = 0');
  if (filter.since !== undefined) condition('prepared_at >= ?', filter.since);
  if (filter.until !== undefined) condition('prepared_at < ?', filter.until);
  if (filter.groupId !== null) condition('group_id = ?', filter.groupId);
  if (filter.topicId !== null || filter.key !== undefined) {
    const message = [`position >= sequence * ${POSITIONS}`, `position < (sequence + 1) * ${POSITIONS}`];
    const given: (number | Buffer)[] = [];
    if (filter.topicId !== null) {
      message.push('topic_id = ?');
      given.push(filter.topicId);
    }
    if (filter.key !== undefined) {
      message.push('key = ?');
      given.push(filter.key);
    }
    condition(`EXISTS (SELECT 1 FROM messages WHERE ${message.join(' AND ')})`, ...given);
  }
  const text = `SELECT * FROM transactions WHERE ${where.join(' AND ')} ORDER BY sequence DESC LIMIT ?`;
  const rows = db.prepare(text).all(...values, limit) as TransactionRow[];
  if (rows.length === limit) return { rows, next: rows.at(-1)!.sequence };
  return { rows, next: floor === 0 ? null : floor };
};
