/** Why transactions or messages wait for a person: one cause for each producer group or topic and error. */
import type { AttentionBody } from '../protocol/wire.ts';
import { queryOf } from './rest.ts';

export interface Cause {
  readonly kind: 'unresolved' | 'parked';
  /** The producer group, or the topic. */
  readonly place: string;
  /** Null: the producer answered `unknown` until the limit. */
  readonly lastError: string | null;
  readonly words: string;
  readonly count: number;
  readonly oldestAt: string;
}

const WITHOUT_ERROR = {
  unresolved: 'the producer answered “unknown” until the limit, or cannot be asked',
  parked: 'Kafka refused it',
} as const;

/** What the cause is called. */
export const wordsOf = (kind: Cause['kind'], lastError: string | null): string => lastError ?? WITHOUT_ERROR[kind];

/** Those with the most first. */
export const causesOf = ({ unresolved, parked }: AttentionBody): Cause[] =>
  [
    ...unresolved.map(({ group, ...cause }) => ({
      ...cause,
      kind: 'unresolved' as const,
      place: group,
      words: wordsOf('unresolved', cause.lastError),
    })),
    ...parked.map(({ topic, ...cause }) => ({
      ...cause,
      kind: 'parked' as const,
      place: topic,
      words: wordsOf('parked', cause.lastError),
    })),
  ].sort((a, b) => b.count - a.count);

/** Where the members of the cause are listed. No error of their own is written as an empty one. */
export const causeLink = ({ kind, place, lastError }: Cause): string =>
  kind === 'parked'
    ? `/console/parked/list${queryOf({ topic: place, lastError: lastError ?? '' })}`
    : `/console/unresolved/list${queryOf({ group: place, lastError: lastError ?? '' })}`;
