/** One page of a list, gathered from bounded steps of the store; others have their turn between the steps. */
import { createHash } from 'node:crypto';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { ListStep } from '../store/store.ts';
import { refuseParameter } from './problem.ts';

const DEFAULT_PAGE = 50;
const FILTER_HASH_CHARACTERS = 11;
/** A list that has found little in this time answers with what it has and a cursor. */
const BUDGET_MS = 150;

export interface PageQuery {
  readonly limit?: string;
  readonly cursor?: string;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

/** Opaque to clients: the position and the hash of the filters it belongs to. */
const cursorOf = (position: number, filterHash: string): string =>
  Buffer.from(`${position}.${filterHash}`).toString('base64url');

const positionOf = (cursor: string, filterHash: string): number => {
  const position = /^[1-9]\d{0,15}/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[0] ?? '';
  if (cursorOf(Number(position), filterHash) !== cursor) {
    refuseParameter('cursor', 'must be a nextCursor of the same list with the same filters');
  }
  return Number(position);
};

/**
 * `filter` tells the cursors of this list from those of another one, so there is something in it that no other has. Throws an ApiError (400) for a foreign cursor.
 * A page may be short and still have a cursor. `isFull`: looked at after each step, beside the limit and the time.
 */
export const gatherPage = async <T>(
  query: PageQuery,
  filter: object,
  clock: { monotonic(): number },
  step: (limit: number, before: number | null) => Promise<ListStep<T>>,
  isFull: (items: readonly T[]) => boolean = () => false,
): Promise<Page<T>> => {
  const filterHash = createHash('sha256')
    .update(JSON.stringify(filter))
    .digest('base64url')
    .slice(0, FILTER_HASH_CHARACTERS);
  const limit = Number(query.limit ?? DEFAULT_PAGE);
  const deadline = clock.monotonic() + BUDGET_MS;
  const items: T[] = [];
  let next = query.cursor === undefined ? null : positionOf(query.cursor, filterHash);
  for (;;) {
    const found = await step(limit - items.length, next);
    items.push(...found.items);
    next = found.next;
    if (next === null) return { items, nextCursor: null };
    const isOver = items.length >= limit || isFull(items) || clock.monotonic() > deadline;
    if (isOver) return { items, nextCursor: cursorOf(next, filterHash) };
    await yieldToOthers();
  }
};
