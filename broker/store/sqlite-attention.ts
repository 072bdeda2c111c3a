/** Bounded steps over what waits for a person: parked messages, and how many failed alike. */
import type Database from 'better-sqlite3';
import type { SqliteNames } from './sqlite-names.ts';
import { type MessageRow, POSITIONS, toMessage } from './sqlite-rows.ts';
import type { Statements } from './sqlite-statements.ts';
import type { AlikeCount, ListStep, ParkedFilter, ParkedMessage } from './store.ts';

/** Rows looked at in one step: bounds the time that a list keeps the event loop. */
const WINDOW = 5_000;
/** Keys of parked messages in one step; the first is given however long it is. */
const MAX_KEY_BYTES = 1_000_000;

interface Names {
  readonly groups: SqliteNames;
  readonly topics: SqliteNames;
}

type ParkedRow = MessageRow & { id: string; group_id: number; resolved_at: number };

/** The window below `before`: [floor, from), of so many rows of the index; floor 0: the last one. */
const windowBelow = (
  statement: { get(...values: number[]): unknown },
  before: number | null,
): { from: number; floor: number } => {
  const from = before ?? Number.MAX_SAFE_INTEGER;
  return { from, floor: (statement.get(from, WINDOW - 1) as number | undefined) ?? 0 };
};

const nextOf = (floor: number): number | null => (floor === 0 ? null : floor);

export const parkedStep = (
  db: Database.Database,
  sql: Statements,
  { groups, topics }: Names,
  filter: ParkedFilter,
  limit: number,
  before: number | null,
): ListStep<ParkedMessage> => {
  const { from, floor } = windowBelow(sql.parkedFloor, before);
  const where = ['m.state = 3', 'm.position < ?', 'm.position >= ?'];
  const values: (number | string | null)[] = [from, floor];
  const condition = (text: string, value: number | string | null): void => {
    where.push(text);
    values.push(value);
  };
  // Of a name that nobody used there is nothing.
  if (filter.topic !== undefined) condition('m.topic_id = ?', topics.idOf(filter.topic) ?? -1);
  if (filter.group !== undefined) condition('t.group_id = ?', groups.idOf(filter.group) ?? -1);
  if (filter.lastError !== undefined) condition('m.last_error IS ?', filter.lastError);
  const rows = db
    .prepare(
      `SELECT m.*, t.id, t.group_id, t.resolved_at FROM messages m INDEXED BY parked_messages
       CROSS JOIN transactions t ON t.sequence = m.position / ${POSITIONS}
       WHERE ${where.join(' AND ')} ORDER BY m.position DESC LIMIT ?`,
    )
    .iterate(...values, limit) as IterableIterator<ParkedRow>;
  const items: ParkedMessage[] = [];
  let bytes = 0;
  let last = floor;
  for (const row of rows) {
    bytes += row.key?.length ?? 0;
    if (items.length > 0 && bytes > MAX_KEY_BYTES) return { items, next: last };
    last = row.position;
    items.push({
      ...toMessage(row, topics.nameOf(row.topic_id)),
      transactionId: row.id,
      group: groups.nameOf(row.group_id),
      committedAt: row.resolved_at,
    });
  }
  return { items, next: items.length === limit ? last : nextOf(floor) };
};

type CountRow = [nameId: number, lastError: string | null, count: number, oldestAt: number];

export const alikeStep = (
  sql: Statements,
  { groups, topics }: Names,
  what: 'unresolved' | 'parked',
  before: number | null,
): ListStep<AlikeCount> => {
  const isParked = what === 'parked';
  const { from, floor } = windowBelow(isParked ? sql.parkedFloor : sql.attentionFloor, before);
  const rows = (isParked ? sql.parkedAlike : sql.unresolvedAlike).all(floor, from) as CountRow[];
  const names = isParked ? topics : groups;
  const items = rows.map(([id, lastError, count, oldestAt]) => ({
    name: names.nameOf(id),
    lastError,
    count,
    oldestAt,
  }));
  return { items, next: nextOf(floor) };
};
