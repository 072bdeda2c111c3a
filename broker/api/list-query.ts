/** The query of a list → the filter of the store and the place where the last page ended. */
import { createHash } from 'node:crypto';
import type { Static } from 'typebox';
import type { ListFilter } from '../store/store.ts';
import type { ListQuery } from './address-schemas.ts';
import { ApiError } from './problem.ts';

const DEFAULT_PAGE = 50;
const FILTER_HASH_CHARACTERS = 11;

export interface ListRequest {
  readonly filter: ListFilter;
  readonly limit: number;
  /** Exclusive upper bound of the sequence; null: from the newest. */
  readonly before: number | null;
  /** Tells the cursors of this list from those of another one. */
  readonly filterHash: string;
}

/** RFC 3339, already found well-formed by the schema, → milliseconds. A leap second is the one before it. */
export const millisecondsOf = (text: string): number => Date.parse(text.toUpperCase().replace(/:60(?=[.Z+-])/, ':59'));

const instants = (query: Static<typeof ListQuery>): Pick<ListFilter, 'since' | 'until'> => {
  const found: { since?: number; until?: number } = {};
  for (const name of ['since', 'until'] as const) {
    const text = query[name];
    if (text === undefined) continue;
    const at = millisecondsOf(text);
    if (Number.isNaN(at)) refuse(name, 'must be an RFC 3339 time like 2026-11-21T10:00:00Z');
    found[name] = at;
  }
  return found;
};

const refuse = (parameter: string, detail: string): never => {
  throw new ApiError({
    code: 'VALIDATION_FAILED',
    detail: `Query parameter ${parameter} ${detail}.`,
    errors: [{ pointer: `/query/${parameter}`, detail }],
  });
};

/** The query has passed its schema. Throws an ApiError (400) for a time that does not exist or a foreign cursor. */
export const readListQuery = (query: Static<typeof ListQuery>): ListRequest => {
  const { state, group, topic, key, limit, cursor } = query;
  const filter: ListFilter = {
    ...(state === undefined ? {} : { state }),
    ...(query.unresolved === undefined ? {} : { unresolved: query.unresolved === 'true' }),
    ...(query.parked === undefined ? {} : { parked: query.parked === 'true' }),
    ...(query.discarded === undefined ? {} : { discarded: query.discarded === 'true' }),
    ...(query.contradicted === undefined ? {} : { contradicted: query.contradicted === 'true' }),
    ...(group === undefined ? {} : { group }),
    ...(topic === undefined ? {} : { topic }),
    ...(key === undefined ? {} : { key: Buffer.from(key, 'utf8') }),
    ...instants(query),
  };
  const filterHash = createHash('sha256')
    .update(JSON.stringify(filter))
    .digest('base64url')
    .slice(0, FILTER_HASH_CHARACTERS);
  const before = cursor === undefined ? null : positionOf(cursor, filterHash);
  return { filter, limit: limit === undefined ? DEFAULT_PAGE : Number(limit), before, filterHash };
};

/** Opaque to clients: the position and the hash of the filters it belongs to. */
export const cursorOf = (position: number, filterHash: string): string =>
  Buffer.from(`${position}.${filterHash}`).toString('base64url');

const positionOf = (cursor: string, filterHash: string): number => {
  const position = /^[1-9]\d{0,15}/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[0] ?? '';
  if (cursorOf(Number(position), filterHash) !== cursor) {
    refuse('cursor', 'must be a nextCursor of the same list with the same filters');
  }
  return Number(position);
};
