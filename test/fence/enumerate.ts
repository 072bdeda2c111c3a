/**
 * Every order of events of the fence's protocol, on SQLite, PostgreSQL and MariaDB:
 *
 *   node test/fence/enumerate.ts              what the tests enumerate; a minute each
 *   node test/fence/enumerate.ts --all        the product without pruning, and three participants at once; takes hours
 *
 * `--only sqlite` (or postgres, mariadb) for one of them. `--record` keeps the last line of each in
 * torture/results/fence.jsonl. Exits with 1 where a single run contradicts the promise, or was enumerated and not executed, or
 * where equal orders are not equal.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import root, { type Test } from 'tap';
import { clock } from '../../broker/clock.ts';
import { startMariadb } from '../../tools/databases/mariadb.ts';
import { startPostgres } from '../../tools/databases/postgres.ts';
import { mariadbDatabase, postgresDatabase } from '../support/databases.ts';
import { type Order, takeCensus } from './census.ts';
import { type Count, enumerate } from './enumeration.ts';
import { core, more, specials } from './families.ts';
import { MariadbWorld } from './mariadb-world.ts';
import { PostgresWorld } from './postgres-world.ts';
import { SqliteWorld } from './sqlite-world.ts';
import { stopTime } from './standing-time.ts';
import type { World } from './world.ts';

const RESULTS = 'torture/results/fence.jsonl';

let isWhole = true;
const isAll = process.argv.includes('--all');
const isRecorded = process.argv.includes('--record');
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;

/** What of a test is needed to open a world. */
class Closing {
  readonly #works: (() => unknown)[] = [];
  readonly test = { teardown: (work: () => unknown) => void this.#works.unshift(work) } as unknown as Test;

  async close(): Promise<void> {
    for (const work of this.#works) await work();
  }
}

const WORLDS: Readonly<Record<string, (closing: Closing) => Promise<World>>> = {
  sqlite: ({ test }) => SqliteWorld.open(test),
  postgres: async ({ test }) => {
    const server = await startPostgres();
    test.teardown(() => server.close());
    return PostgresWorld.open(test, await postgresDatabase(test, server));
  },
  mariadb: async ({ test }) => {
    const server = await startMariadb();
    test.teardown(() => server.close());
    return MariadbWorld.open(test, await mariadbDatabase(test, server));
  },
};

const ordersFor = ({ dialect }: World): Order[] => {
  if (!isAll) return [{ families: [...core(dialect), ...specials(dialect)], isPruned: true }];
  return [
    { families: core(dialect), isPruned: false },
    { families: [...specials(dialect), ...more(dialect)], isPruned: true },
  ];
};

interface Line {
  readonly database: string;
  readonly contradicted: number;
  readonly enumerated: number;
  readonly executed: number;
}

/** Whether one of all equal orders shows what all of them show, for what was gone through in all of them. */
const isPruningTrue = async (world: World, families: readonly Count[]): Promise<boolean> => {
  let isTrue = true;
  for (const family of core(world.dialect)) {
    const all = families.find(count => count.family === family.name)!;
    const one = await enumerate(world, family, { isPruned: true });
    const isSame = [...one.digests].sort().join() === [...all.digests].sort().join();
    console.log(
      `  ${family.name}: ${one.executed} orders show ${isSame ? 'all' : 'NOT ALL'} that ${all.executed} show`,
    );
    isTrue &&= isSame;
  }
  return isTrue;
};

const keep = (line: Line): void => {
  mkdirSync('torture/results', { recursive: true });
  let lines: Line[] = [];
  try {
    lines = readFileSync(RESULTS, 'utf8')
      .trim()
      .split('\n')
      .map(text => JSON.parse(text) as Line);
  } catch {
    // The first result of all.
  }
  const others = lines.filter(({ database }) => database !== line.database);
  writeFileSync(RESULTS, [...others, line].map(each => `${JSON.stringify(each)}\n`).join(''));
};

const take = async (name: string): Promise<Line> => {
  const closing = new Closing();
  const world = await WORLDS[name]!(closing);
  const from = clock.monotonic();
  stopTime();
  const { families, ...sums } = await takeCensus(
    world,
    ordersFor(world),
    ({ family, enumerated, executed, contradicted }) => {
      console.log(`  ${family}: enumerated ${enumerated}, executed ${executed}, contradicted ${contradicted.length}`);
      for (const { path, what } of contradicted.slice(0, 3))
        console.log(`    ${what.join('; ')}\n    ${path.join(' → ')}`);
    },
  );
  if (isAll && !(await isPruningTrue(world, families))) isWhole = false;
  const line = {
    database: world.name,
    scope: isAll ? 'all' : 'as in the tests',
    date: new Date(clock.now()).toISOString().slice(0, 10),
    ...sums,
    families: Object.fromEntries(families.map(({ family, executed }) => [family, executed])),
    seconds: Math.round((clock.monotonic() - from) / 1_000),
    versions: [world.version, `Node ${process.version}`],
  };
  await closing.close();
  return line;
};

// A command, not a test: it takes the time it takes.
root.setTimeout(0);
for (const name of Object.keys(WORLDS)) {
  if (only !== undefined && name !== only) continue;
  const line = await take(name);
  const { database, enumerated, executed, contradicted } = line;
  console.log(`${database}: enumerated ${enumerated}, executed ${executed}, contradicted ${contradicted}`);
  if (isRecorded) keep(line);
  isWhole &&= enumerated === executed && contradicted === 0;
}
process.exit(isWhole ? 0 : 1);
