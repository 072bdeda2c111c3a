/** All runs of a family, one after another, each judged. */
import { BrokerModel, type State } from './broker-model.ts';
import { ChoiceTree, Diverged } from './choice-tree.ts';
import type { Part } from './parts.ts';
import type { Run } from './port.ts';
import { type Director, Stage } from './stage.ts';
import { setAge } from './standing-time.ts';
import { type Cast, contradictions, digestOf, Story } from './story.ts';
import type { World } from './world.ts';

/** Runs that are made of the same parts. */
export interface Family {
  readonly name: string;
  readonly parts: Readonly<Record<string, Part>>;
  /** Participants that may die, one run at most `deaths` of them (default 1). */
  readonly mortal?: readonly string[];
  readonly deaths?: number;
  readonly commitFates?: Run['commitFates'];
  readonly callFates?: Run['callFates'];
  /** What the broker is set back to, at any time after it was that. */
  readonly restoredTo?: State;
  /** Many may wait for one lock, and the server chooses: such runs can be made, and not enumerated. */
  readonly isCrowded?: boolean;
  /** Begins with empty tables each time. */
  readonly isAlone?: boolean;
}

export interface Count {
  readonly family: string;
  /** Ways through the tree of everything that can happen. */
  enumerated: number;
  /** Of these, the ones that were gone to their end and judged. */
  executed: number;
  /** Ways that were left as soon as they showed themselves equal to another one; not enumerated. */
  equal: number;
  /** What the runs showed, each once. */
  readonly digests: Set<string>;
  /** Each with its way and what it contradicts. */
  readonly contradicted: { readonly path: readonly string[]; readonly what: readonly string[] }[];
}

/** Of a run that was offered something else than before: a machine under load may lose a connection. */
const ATTEMPTS = 5;
const MOST_FAILURES = 10;
let runs = 0;

export interface EnumerationOptions {
  /** One of all orders that differ only in independent neighbours; else all of them. */
  readonly isPruned: boolean;
  /** Stops at the first contradiction of this kind: enough to see that a planted fault is found. */
  readonly until?: RegExp;
}

export const enumerate = async (world: World, family: Family, options: EnumerationOptions): Promise<Count> => {
  const tree = new ChoiceTree(options.isPruned);
  const count: Count = {
    family: family.name,
    enumerated: 0,
    executed: 0,
    equal: 0,
    digests: new Set(),
    contradicted: [],
  };
  let failures = 0;
  do {
    for (let attempt = 1; ; attempt += 1) {
      tree.begin();
      try {
        const what = await runOnce(world, family, tree, count.digests);
        if (what === null) count.equal += 1;
        else {
          count.enumerated += 1;
          count.executed += 1;
          if (what.length > 0) count.contradicted.push({ path: tree.path, what });
        }
        break;
      } catch (error) {
        if (!(error instanceof Diverged)) throw error;
        if (attempt < ATTEMPTS) continue;
        // Enumerated and not executed: the report says so.
        count.enumerated += 1;
        failures += 1;
        if (failures > MOST_FAILURES) throw error;
        break;
      }
    }
    const last = count.contradicted.at(-1)?.what ?? [];
    if (options.until !== undefined && last.some(sentence => options.until!.test(sentence))) break;
  } while (tree.advance());
  return count;
};

const castOf = ({ parts, restoredTo }: Family): Cast => {
  const all = Object.entries(parts);
  const executing = all.filter(([, { kind }]) => kind === 'transaction' || kind === 'tool');
  return {
    executions: executing.map(([name]) => name),
    failing: executing.filter(([, part]) => 'acts' in part && part.acts.includes('throw')).map(([name]) => name),
    isBrokerRestored: restoredTo !== undefined,
  };
};

/** Null: equal to another one. */
const runOnce = async (
  world: World,
  family: Family,
  tree: Director,
  digests: Set<string>,
): Promise<string[] | null> => {
  const { parts, mortal = [], deaths = 1, commitFates = {}, callFates = {}, restoredTo, isAlone = false } = family;
  const story = new Story(`t${process.pid}-${runs++}`);
  const broker = new BrokerModel(story.id);
  setAge(false);
  if (isAlone) await world.clear();
  const stage = new Stage({
    tree,
    waiting: ids => world.waiting(ids),
    kill: id => world.kill(id),
    mortal,
    deaths,
    isCrowded: family.isCrowded ?? false,
  });
  const rowNow = async (): Promise<Story['row']> => (await world.row(story.id)) ?? story.purged;
  const isOld = (): boolean => story.purged !== null && world.fault !== 'no age rule';
  const purge = async (): Promise<void> => {
    story.purged = await world.row(story.id);
    setAge(isOld());
  };
  const run: Run = { stage, broker, story, commitFates, callFates, rowNow, purge, isOld };
  if (restoredTo !== undefined) {
    const isAfter = (): boolean => broker.state !== 'unknown here' && broker.state !== restoredTo;
    const perform = (): void => {
      broker.state = restoredTo;
    };
    const gate = { label: 'is restored', database: 'nothing', broker: 'write' } as const;
    stage.foresee('broker', { ...gate, fates: () => (isAfter() ? ['goes'] : []), perform });
  }
  const playing = Object.entries(parts).map(async ([name, part]) => {
    const participant = stage.join(name);
    const ending = await world.play(part, participant, run);
    story.endings.set(name, ending);
    participant.to('gone');
  });
  try {
    if (!(await stage.play())) return null;
  } finally {
    await stage.clear();
    await Promise.all(playing);
    setAge(false);
  }
  for (let attempt = 0; attempt < 2 && broker.state === 'prepared'; attempt += 1) {
    const resolution = await world.check(story.id);
    story.answers.push({ by: 'the last check', resolution });
    if (resolution === 'commit' || resolution === 'rollback') broker.resolve(resolution);
  }
  story.row = await world.row(story.id);
  story.effects = await world.effects(story.id);
  digests.add(digestOf(story, broker));
  return contradictions(story, broker, castOf(family));
};

/** Takes these, in this order, as soon as they can be taken; then whatever comes first. */
const script = (keys: readonly string[]): Director => {
  const left = [...keys];
  return {
    take: choices => {
      const next = choices.find(({ key }) => key === left[0]);
      if (next !== undefined) left.shift();
      return (next ?? choices[0]!).key;
    },
    alsoOffer: () => {},
  };
};

/** The same run many times, for what the server chooses. Everything that contradicts the promise. */
export const repeat = async (
  world: World,
  family: Family,
  keys: readonly string[],
  times: number,
): Promise<{ readonly contradicted: readonly string[]; readonly ends: number }> => {
  const digests = new Set<string>();
  const contradicted: string[] = [];
  for (let round = 0; round < times; round += 1) {
    contradicted.push(...((await runOnce(world, family, script(keys), digests)) ?? []));
  }
  return { contradicted, ends: digests.size };
};
