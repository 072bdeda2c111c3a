/** The query of a list → the filter of the store. */
import type { Static } from 'typebox';
import type { ActFilter, ListFilter, ParkedFilter } from '../store/store.ts';
import type { ActsQuery, ListQuery, ParkedQuery } from './address-schemas.ts';
import { refuseParameter } from './problem.ts';

/** RFC 3339, already found well-formed by the schema, → milliseconds. A leap second is the one before it. */
export const millisecondsOf = (text: string): number => Date.parse(text.toUpperCase().replace(/:60(?=[.Z+-])/, ':59'));

interface Period {
  readonly since?: string;
  readonly until?: string;
}

/** Throws an ApiError (400) for a time that does not exist. */
const instants = (query: Period): { since?: number; until?: number } => {
  const found: { since?: number; until?: number } = {};
  for (const name of ['since', 'until'] as const) {
    const text = query[name];
    if (text === undefined) continue;
    const at = millisecondsOf(text);
    if (Number.isNaN(at)) refuseParameter(name, 'must be an RFC 3339 time like 2026-11-21T10:00:00Z');
    found[name] = at;
  }
  return found;
};

/** The empty text stands for none. */
const errorOf = ({ lastError }: { lastError?: string }): { lastError?: string | null } =>
  lastError === undefined ? {} : { lastError: lastError === '' ? null : lastError };

/** The query has passed its schema. Throws an ApiError (400) for a time that does not exist, or an error alone. */
export const listFilter = (query: Static<typeof ListQuery>): ListFilter => {
  const { state, group, topic, key, lastError } = query;
  if (lastError !== undefined && query.unresolved !== 'true') {
    refuseParameter('lastError', 'is for unresolved transactions only: write unresolved=true too');
  }
  return {
    ...(state === undefined ? {} : { state }),
    ...(query.unresolved === undefined ? {} : { unresolved: query.unresolved === 'true' }),
    ...(query.parked === undefined ? {} : { parked: query.parked === 'true' }),
    ...(query.discarded === undefined ? {} : { discarded: query.discarded === 'true' }),
    ...(query.contradicted === undefined ? {} : { contradicted: query.contradicted === 'true' }),
    ...(group === undefined ? {} : { group }),
    ...(topic === undefined ? {} : { topic }),
    ...(key === undefined ? {} : { key: Buffer.from(key, 'utf8') }),
    ...errorOf(query),
    ...instants(query),
  };
};

export const parkedFilter = (query: Static<typeof ParkedQuery>): ParkedFilter => {
  const { topic, group } = query;
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(group === undefined ? {} : { group }),
    ...errorOf(query),
  };
};

/** As `listFilter`. */
export const actFilter = (query: Static<typeof ActsQuery>): ActFilter => {
  const { limit: _limit, cursor: _cursor, since: _since, until: _until, ...texts } = query;
  return { ...texts, ...instants(query) };
};
