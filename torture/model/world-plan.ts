/** What happens in a simulated world, all of it drawn from its seed. Times are milliseconds since its beginning. */
import type { CheckPolicy } from '../../broker/transaction/schedule.ts';
import { Random } from '../random.ts';

/**
 * Of a producer group's check address. `healthy`: always answers. `flaky`: refuses, hangs or talks nonsense until the
 * world heals. `dead`: nobody is there until then. `vague`: answers `unknown` to everything. `none`: it has none.
 */
export type Manner = 'healthy' | 'flaky' | 'dead' | 'vague' | 'none';

/**
 * How a local transaction goes. `vanish`: its producer is never heard of again, before it has decided or, in
 * `vanish_after`, after the commit of its database.
 */
export type Life = 'commit' | 'rollback' | 'vanish' | 'vanish_after';

export interface PlannedGroup {
  readonly name: string;
  readonly manner: Manner;
  readonly check: Partial<CheckPolicy>;
}

export interface PlannedMessage {
  readonly topic: string;
  readonly key: string | null;
  readonly isPoison: boolean;
}

export interface PlannedTransaction {
  readonly id: string;
  readonly group: string;
  readonly at: number;
  readonly life: Life;
  /** From the answer to the prepare to the end of the local transaction. */
  readonly localMs: number;
  readonly messages: readonly PlannedMessage[];
}

/** A time in which something is wrong. `share`: of so many sends, where they fail by chance. */
export interface Trouble {
  readonly what: 'sends' | 'kafka away' | 'topic missing' | 'disk full';
  readonly from: number;
  readonly to: number;
  readonly share: number;
}

export interface WorldPlan {
  readonly seed: number;
  /** From here on nothing is wrong any more. */
  readonly healedAt: number;
  readonly groups: readonly PlannedGroup[];
  readonly topics: Readonly<Record<string, number>>;
  readonly transactions: readonly PlannedTransaction[];
  readonly troubles: readonly Trouble[];
  readonly powerCuts: readonly number[];
  /** A topic gets more partitions. */
  readonly growth: { readonly topic: string; readonly at: number; readonly partitions: number } | null;
  readonly retentionMs: number;
  readonly parkAfterMs: number;
}

/** The one that goes missing, and the one that gets partitions. */
export const TOPICS = { transfers: 3, audit: 2, growing: 2 } as const;
const MANNERS: readonly Manner[] = ['healthy', 'dead', 'healthy', 'flaky', 'vague', 'none'];
const KEYS = 5;
const WORLD_MS = 40_000;
const HOUR_MS = 3_600_000;

const drawLife = (random: Random): Life => {
  const draw = random.below(10);
  return draw < 6 ? 'commit' : draw < 7 ? 'rollback' : draw < 9 ? 'vanish' : 'vanish_after';
};

const drawMessage = (random: Random): PlannedMessage => ({
  topic: Object.keys(TOPICS)[random.below(3)]!,
  key: random.below(4) === 0 ? null : `key-${random.below(KEYS)}`,
  isPoison: random.below(40) === 0,
});

const drawTrouble = (random: Random, until: number): Trouble => {
  const what = (['sends', 'sends', 'kafka away', 'topic missing', 'disk full'] as const)[random.below(5)]!;
  const from = random.below(until * 0.7);
  const lasts = what === 'disk full' ? 3_000 : until / 3;
  return { what, from, to: from + random.below(lasts), share: 0.1 + random.next() * 0.7 };
};

/** A minute in which everything goes wrong. */
export const drawWorld = (seed: number): WorldPlan => {
  const random = new Random(seed);
  const groups = MANNERS.slice(random.below(2)).map((manner, i) => ({
    name: `${manner}-${i}`,
    manner,
    check: { afterMs: 500 + random.below(4_000), intervalMs: 1_000, maxIntervalMs: 4_000, limit: 2 + random.below(3) },
  }));
  const transactions = Array.from({ length: 10 + random.below(30) }, (_, i) => ({
    id: `t${i}`,
    group: groups[random.below(groups.length)]!.name,
    at: random.below(WORLD_MS * 0.8),
    life: drawLife(random),
    localMs: random.below(5) === 0 ? random.below(15_000) : random.below(300),
    messages: Array.from({ length: 1 + random.below(3) }, () => drawMessage(random)),
  }));
  const grows = random.below(2) === 0;
  return {
    seed,
    healedAt: WORLD_MS,
    groups,
    topics: TOPICS,
    transactions,
    troubles: Array.from({ length: random.below(5) }, () => drawTrouble(random, WORLD_MS)),
    powerCuts: Array.from({ length: random.below(5) }, () => random.below(WORLD_MS)).sort((a, b) => a - b),
    growth: grows ? { topic: 'growing', at: random.below(WORLD_MS), partitions: 5 } : null,
    retentionMs: random.below(3) === 0 ? 10_000 : 72 * HOUR_MS,
    parkAfterMs: 2_000 + random.below(8_000),
  };
};

/** So many hours in which no producer can be reached, and none comes back; some of the groups have no address at all. */
export const deadWorld = (seed: number, hours: number, count: number): WorldPlan => {
  const random = new Random(seed);
  const groups = (['dead', 'dead', 'none', 'vague'] as const).map((manner, i) => ({
    name: `${manner}-${i}`,
    manner,
    check: { limit: 15 },
  }));
  return {
    seed,
    healedAt: hours * HOUR_MS,
    groups,
    topics: TOPICS,
    transactions: Array.from({ length: count }, (_, i) => ({
      id: `t${i}`,
      group: groups[i % groups.length]!.name,
      at: random.below(i % 2 === 0 ? 60_000 : (hours * HOUR_MS) / 2),
      life: i % 3 === 0 ? 'vanish_after' : 'vanish',
      localMs: 10,
      messages: [drawMessage(random)],
    })),
    troubles: [],
    powerCuts: Array.from({ length: hours / 4 }, (_, i) => (i + random.next()) * 4 * HOUR_MS),
    growth: null,
    retentionMs: 72 * HOUR_MS,
    parkAfterMs: 600_000,
  };
};
