/** Everything that a run leaves to chance, decided before it begins. */
import { type Fate, idOf } from './fates.ts';
import { Random } from './random.ts';

export const ACCOUNTS = 100;
/** In each account at the beginning, on both sides. */
export const BALANCE = 1_000;

export interface PlannedTransfer {
  readonly id: string;
  readonly fate: Fate;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  /** Whether a caller that is told nothing certain calls again with the same id. */
  readonly isRepeated: boolean;
}

export const ACTS = ['kill broker', 'kill kafka', 'freeze kafka', 'kill bank a', 'kill bank b'] as const;
export type Act = (typeof ACTS)[number];

export interface PlannedAct {
  readonly act: Act;
  /** When so many transfers have ended for their callers. */
  readonly after: number;
}

export interface Plan {
  readonly transfers: readonly PlannedTransfer[];
  readonly acts: readonly PlannedAct[];
}

/** More than any account ever has. */
const TOO_MUCH = 1_000_000;
const LARGEST = 5;
/** One of each act in so many transfers; runs that are shorter have none. */
const TRANSFERS_PER_ACT: Readonly<Record<Act, number>> = {
  'kill broker': 750,
  'kill kafka': 1_500,
  'freeze kafka': 1_500,
  'kill bank a': 1_500,
  'kill bank b': 1_500,
};
const TRANSFERS_PER_DEATH = 1_500;
/** Shorter runs are for planted faults: bank A does not die in them, bank B does. */
const LEAST_WITH_DEATHS = 200;
const MOST_DEATHS = 12;

export const accountName = (side: 'a' | 'b', index: number): string => `${side}${String(index).padStart(2, '0')}`;

/** So many of each fate: 70 % commit, 15 % are refused, 10 % vanish, 5 % have their reply swallowed. */
const fates = (transfers: number): Fate[] => {
  const part = (share: number, least = 1): number => Math.max(least, Math.round(transfers * share));
  const deaths = transfers < LEAST_WITH_DEATHS ? 0 : Math.min(MOST_DEATHS, part(1 / TRANSFERS_PER_DEATH));
  const counts: Partial<Record<Fate, number>> = {
    refused: part(0.15),
    'vanish-before': part(0.05),
    'vanish-after': Math.max(1, part(0.05) - deaths),
    'die-checked': deaths,
    swallow: part(0.05),
    late: part(0.01, 3),
    slow: part(0.01, 3),
    'die-prepared': deaths,
    'die-begin': deaths,
    'die-committed': deaths,
    'die-told': deaths,
    'die-crediting': deaths,
    'die-credited': Math.max(2, 2 * deaths),
  };
  const deck = Object.entries(counts).flatMap(([fate, count]) => Array<Fate>(count).fill(fate as Fate));
  return [...deck, ...Array<Fate>(Math.max(0, transfers - deck.length)).fill('commit')];
};

export const planOf = (transfers: number, seed: number): Plan => {
  const random = new Random(seed);
  const deck = random.shuffle(fates(transfers));
  return {
    transfers: deck.map((fate, index) => ({
      id: idOf(index, fate),
      fate,
      from: accountName('a', random.below(ACCOUNTS)),
      to: accountName('b', random.below(ACCOUNTS)),
      amount: fate === 'refused' ? TOO_MUCH : 1 + random.below(LARGEST),
      isRepeated: random.next() < 0.5,
    })),
    acts: ACTS.flatMap(act =>
      Array.from({ length: Math.floor(transfers / TRANSFERS_PER_ACT[act]) }, () => ({
        act,
        after: Math.floor(transfers * (0.05 + 0.85 * random.next())),
      })),
    ).sort((one, other) => one.after - other.after),
  };
};
