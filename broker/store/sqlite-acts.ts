/** One bounded step of the list of what operators did, newest first. */
import type Database from 'better-sqlite3';
import type { ActFilter, ListStep, StoredAct } from './store.ts';

/** Acts looked at in one step: bounds the time a list keeps the event loop. */
const WINDOW = 10_000;

const CONDITIONS: Readonly<Record<keyof ActFilter, string>> = {
  act: 'act = ?',
  by: 'by = ?',
  group: 'producer_group = ?',
  target: 'target = ?',
  since: 'at >= ?',
  until: 'at < ?',
};

const SELECT = 'SELECT act_id AS id, at, act, by, target, producer_group AS "group", reason FROM acts';

export const actStep = (
  db: Database.Database,
  filter: ActFilter,
  limit: number,
  before: number | null,
): ListStep<StoredAct> => {
  const last =
    before === null ? (db.prepare('SELECT max(act_id) FROM acts').pluck().get() as number | null) : before - 1;
  if (last === null) return { items: [], next: null };
  const floor = Math.max(1, last - WINDOW + 1);
  const where = ['act_id >= ?', 'act_id <= ?'];
  const values: (string | number)[] = [floor, last];
  for (const [name, condition] of Object.entries(CONDITIONS)) {
    const value = filter[name as keyof ActFilter];
    if (value === undefined) continue;
    where.push(condition);
    values.push(value);
  }
  const text = `${SELECT} WHERE ${where.join(' AND ')} ORDER BY act_id DESC LIMIT ?`;
  const items = db.prepare(text).all(...values, limit) as StoredAct[];
  if (items.length === limit) return { items, next: items.at(-1)!.id };
  return { items, next: floor === 1 ? null : floor };
};
