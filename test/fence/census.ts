/** Families enumerated in one world, with the sums, and the faults that must be found. */
import type { Test } from 'tap';
import { type Count, enumerate, type Family, repeat } from './enumeration.ts';
import { core, crowds, lostClaim, purge, specials } from './families.ts';
import { stopTime } from './standing-time.ts';
import type { Fault, World } from './world.ts';

/** Runs in which the server chooses who is next. */
const CROWDS = 20;

export interface Census {
  readonly enumerated: number;
  readonly executed: number;
  readonly contradicted: number;
  readonly families: readonly Count[];
}

export interface Order {
  readonly families: readonly Family[];
  readonly isPruned: boolean;
}

/** `told`: after each family. */
export const takeCensus = async (
  world: World,
  orders: readonly Order[],
  told: (count: Count) => void,
): Promise<Census> => {
  const families: Count[] = [];
  for (const { families: all, isPruned } of orders) {
    for (const family of all) {
      const count = await enumerate(world, family, { isPruned });
      told(count);
      families.push(count);
    }
  }
  const sum = (of: (count: Count) => number): number => families.reduce((total, count) => total + of(count), 0);
  return {
    enumerated: sum(({ enumerated }) => enumerated),
    executed: sum(({ executed }) => executed),
    contradicted: sum(({ contradicted }) => contradicted.length),
    families,
  };
};

/** Where each of them shows, and as what. */
const plantedIn = ({ dialect }: World): Readonly<Record<Fault, readonly [Family, RegExp]>> => {
  const [commits, fails] = core(dialect) as [Family, Family];
  return {
    'check reads without writing': [commits, /answered rollback, and the row says commit/],
    'fence without unique key': [commits, /rolled back at the broker, the row says commit/],
    'no verify': [lostClaim, /1 effects, and the row says null/],
    'rollback called from the catch': [fails, /called rollback when the row said nothing/],
    'claim in a savepoint': [commits, /1 effects, and the row says null/],
    'no age rule': [purge, /answered rollback, and the row says commit/],
  };
};

/** The fixed subset of every test run, and the planted faults. */
export const testWorld = async (t: Test, world: World): Promise<void> => {
  stopTime();
  await t.test('no order of events contradicts the promise', async t => {
    const families = [...core(world.dialect), ...specials(world.dialect)];
    const census = await takeCensus(world, [{ families, isPruned: true }], count => {
      t.same(count.contradicted, [], `${count.family}: ${count.executed} of ${count.enumerated}`);
      t.equal(count.executed, count.enumerated, `${count.family}: all of them`);
    });
    const { enumerated, executed, contradicted } = census;
    t.ok(executed > 1_000);
    console.log(`${world.version}: enumerated ${enumerated}, executed ${executed}, contradicted ${contradicted}`);
  });
  if (world.dialect !== 'sqlite') {
    await t.test('whoever of a crowd gets the lock', async t => {
      for (const { family, keys } of crowds) {
        const { contradicted, ends } = await repeat(world, family, keys, CROWDS);
        t.same(contradicted, [], `${family.name}: ${CROWDS} times, with ${ends} ends`);
      }
    });
  }
  await t.test('one of all equal orders shows what all of them show', async t => {
    // Of the smallest one; `enumerate.ts --all` compares the whole core.
    const [family] = core(world.dialect).slice(world.dialect === 'sqlite' ? 0 : 2);
    const small = { ...family!, deaths: world.dialect === 'sqlite' ? 0 : 1 };
    const one = await enumerate(world, small, { isPruned: true });
    const all = await enumerate(world, small, { isPruned: false });
    t.same([...one.digests].sort(), [...all.digests].sort(), `${one.executed} and ${all.executed} orders`);
  });
  for (const [fault, [family, sign]] of Object.entries(plantedIn(world)) as [Fault, [Family, RegExp]][]) {
    await t.test(`planted: ${fault}`, async t => {
      await world.plant(fault, Object.keys(family.parts));
      const { contradicted } = await enumerate(world, family, { isPruned: true, until: sign });
      await world.plant(null, []);
      const { what, path } = contradicted.at(-1) ?? { what: [], path: [] };
      t.match(what.join('; '), sign, path.join(' → '));
    });
  }
};
