/** The two kinds of things that wait for a person, and what can be done about many of them at once. */
import type { BulkAct } from '../bulk-act.ts';
import { counted } from './clock-words.ts';
import type { Visitor } from './sessions.ts';

export type KindName = 'unresolved' | 'parked';

export interface Kind {
  readonly name: KindName;
  readonly path: string;
  readonly heading: string;
  /** What it means that something is here. */
  readonly meaning: string;
  readonly emptyWords: string;
  /** What one of them is called. */
  readonly one: string;
  /** The query parameter that names where they are, and what that is called. */
  readonly place: 'group' | 'topic';
  readonly placeName: string;
  readonly acts: readonly BulkAct[];
}

export const KINDS: Readonly<Record<KindName, Kind>> = {
  unresolved: {
    name: 'unresolved',
    path: '/console/unresolved',
    heading: 'Unresolved',
    meaning:
      'Transactions that were asked about as often as their group allows, and nobody could say what became of them. They are kept and not asked about any more, until a person decides.',
    emptyWords: 'Every transaction is decided, or is still being asked about. There is nothing to do.',
    one: 'transaction',
    place: 'group',
    placeName: 'Producer group',
    acts: ['check', 'commit', 'rollback'],
  },
  parked: {
    name: 'parked',
    path: '/console/parked',
    heading: 'Parked',
    meaning:
      'Committed messages that Kafka refuses. They are kept, others pass them, and they wait until a person has mended the cause and retries them, or gives them up.',
    emptyWords: 'Kafka takes what is committed. There is nothing to do.',
    one: 'message',
    place: 'topic',
    placeName: 'Topic',
    acts: ['retry', 'discard'],
  },
};

interface ActWords {
  /** On a button. */
  readonly name: string;
  /** `Commit 12 transactions`. */
  readonly does: string;
  readonly didTo: string;
  /** What will happen, after "They …". */
  readonly means: string;
  readonly isGrave: boolean;
}

export const ACT_WORDS: Readonly<Record<BulkAct, ActWords>> = {
  check: {
    name: 'Ask again',
    does: 'Ask again about',
    didTo: 'asked about again',
    means:
      'Their producer groups are asked at once, and the count of “unknown” begins anew. This decides nothing by itself.',
    isGrave: false,
  },
  commit: {
    name: 'Commit',
    does: 'Commit',
    didTo: 'committed',
    means: 'Their messages will go to Kafka. This is final. Only where the local transactions did take place.',
    isGrave: false,
  },
  rollback: {
    name: 'Roll back',
    does: 'Roll back',
    didTo: 'rolled back',
    means:
      'Their messages will be dropped, and nobody will ever see them. This is final. Only where the local transactions did not take place, and never will.',
    isGrave: true,
  },
  retry: {
    name: 'Retry',
    does: 'Retry',
    didTo: 'sent again',
    means:
      'They are sent again, behind what was forwarded meanwhile. Where the cause is not mended they are parked again.',
    isGrave: false,
  },
  discard: {
    name: 'Discard',
    does: 'Discard for ever',
    didTo: 'discarded',
    means: 'No consumer will ever see them, although their transactions are committed. This is final.',
    isGrave: true,
  },
};

export const kindOfAct = (act: BulkAct): Kind => (KINDS.parked.acts.includes(act) ? KINDS.parked : KINDS.unresolved);

/** `12 transactions`. */
export const countedTargets = (count: number, act: BulkAct): string => counted(count, kindOfAct(act).one);

export const actOf = (text: string | undefined): BulkAct | null =>
  text !== undefined && Object.hasOwn(ACT_WORDS, text) ? (text as BulkAct) : null;

export const mayAct = ({ role }: Visitor): boolean => role === 'operator';
