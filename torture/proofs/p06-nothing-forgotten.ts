/** P6: simulated worlds on a virtual clock, 24 hours without producers, and very many checks due at once. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runDueAtOnce } from '../model/due-at-once.ts';
import { runProgram } from '../model/program.ts';
import type { PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';

const SIMULATOR = new URL('../model/simulate.ts', import.meta.url);
const SIZES = {
  short: { worlds: 1_000, dead: 60, due: 10_000, preparingMs: 2_000 },
  full: { worlds: 10_000, dead: 400, due: 100_000, preparingMs: 20_000 },
} as const;
const DEAD_HOURS = 24;
/** Worlds that are lived twice, to see that they are the same. */
const TWICE = 10;
const FIRST_CHECK_MS = 2_000;

const faults: readonly PlantedFault[] = [
  {
    name: 'next-check-lost-at-restart',
    what: 'what is due is known in memory alone: after a restart nobody looks into the store',
    file: 'broker/check-back/group-pace.ts',
    from: '  #lookAt = 0;',
    to: '  #lookAt = Number.POSITIVE_INFINITY;',
  },
  {
    name: 'unreachable-producer-given-up',
    what: 'a producer that could not be reached nine times is asked no more',
    file: 'broker/transaction/state-machine.ts',
    from: 'const nextCheckAt = transaction.unresolved',
    to: 'const nextCheckAt = transaction.unresolved || checkFailures > 8',
  },
  {
    name: 'purged-before-its-end',
    what: 'retention counts from the resolution, also where messages still wait for Kafka',
    file: 'broker/transaction/transaction.ts',
    from: 'if (message.endedAt === null) return null;',
    to: 'if (message.endedAt === null) continue;',
  },
  {
    name: 'acknowledged-before-the-commit',
    what: 'answers leave while the commit that holds them is under way',
    file: 'broker/coordinator/coordinator.ts',
    from: 'await this.#settings.store.transact(ids, loaded => {',
    to: 'void this.#settings.store.transact(ids, loaded => {',
  },
];

interface Simulated {
  readonly worlds: number;
  readonly virtualMs: number;
  readonly looks: number;
  readonly powerCuts: number;
  readonly asked: number;
  readonly records: number;
  readonly accepted: number;
  readonly digest: string;
  readonly anomalies: readonly string[];
}

/** So many worlds from this seed on, by as many processes as the machine has processors for. */
const live = async (seed: number, worlds: number, fault: PlantedFault | null): Promise<Simulated[]> => {
  const processes = worlds > SIZES.short.worlds ? availableParallelism() : 1;
  const share = Math.ceil(worlds / processes);
  const firsts = Array.from({ length: processes }, (_, i) => seed + i * share);
  return Promise.all(firsts.map(first => runProgram<Simulated>(SIMULATOR, ['random', first, share], fault)));
};

const run = async ({ size, seed, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const { worlds, dead, due, preparingMs } = SIZES[size];
  const lives = await live(seed, worlds, fault);
  const anomalies = lives.flatMap(one => one.anomalies);
  const sum = (name: Exclude<keyof Simulated, 'digest' | 'anomalies'>): number =>
    Math.round(lives.reduce((all, one) => all + one[name], 0));
  const figures: Record<string, number | string> = {
    'simulated worlds': sum('worlds'),
    'virtual hours in them': Math.round(sum('virtualMs') / 3_600_000),
    'messages accepted in them': sum('accepted'),
    'power cuts': sum('powerCuts'),
    'looks at the accounts': sum('looks'),
  };
  say(`${sum('worlds')} worlds, ${anomalies.length} anomalies`);
  if (anomalies.length > 0) return { figures, anomalies };
  const again = await runProgram<Simulated>(SIMULATOR, ['random', seed, TWICE], fault);
  if (!lives[0]!.digest.startsWith(again.digest)) anomalies.push('the same seed made another world');
  const alone = await runProgram<Simulated>(SIMULATOR, ['dead', seed, DEAD_HOURS, dead], fault);
  say(`${DEAD_HOURS} virtual hours without producers: ${alone.asked} checks asked in vain`);
  const burst = await runDueAtOnce(due, { dataDir: join(folder, 'data'), fault, preparingMs });
  return {
    figures: {
      ...figures,
      'virtual hours without producers': DEAD_HOURS,
      'checks asked in these': alone.asked,
      'due at once, after kill -9': burst.due,
      'latest first check of the group with most of them, ms late': burst.latestMs,
      'latest first check of ten groups beside it, ms late': burst.latestOfOthersMs,
      'looks at /metrics meanwhile': burst.looks,
    },
    anomalies: [...anomalies, ...alone.anomalies, ...burst.anomalies],
    missed: Object.entries({
      'the group with most of them': burst.latestMs,
      'a group beside it': burst.latestOfOthersMs,
    })
      .filter(([, lateMs]) => lateMs > FIRST_CHECK_MS)
      .map(([whose, lateMs]) => `Of ${burst.due} checks due at once one of ${whose} was asked ${lateMs} ms late.`),
  };
};

export const P6: Proof = {
  promise: 'P6',
  sentence: 'No half message is forgotten or thrown away.',
  how: `the real coordinator, check-back, forwarder and retention live in simulated worlds on a virtual clock: the disk
    forgets what was not flushed at power cuts and fills up, leaders of Kafka move, answers are lost, topics go and get
    partitions, producers vanish, hang or talk nonsense. In messages, held + ready + forwarded + parked + discarded +
    dropped + purged = accepted is looked at every second, also in /metrics of a real broker that is killed before very
    many checks are due at once`.replaceAll(/\s+/g, ' '),
  target:
    '10,000 worlds; 24 virtual hours of dead producers; 0 unaccounted; 100,000 due at once: first check ≤ 2 s late',
  faults,
  lacks: () => null,
  run,
};
