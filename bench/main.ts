/** `npm run bench -- TABLE`: measures one table, or lists them. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Bench, type Options } from './bench.ts';
import { type Place, writeReport } from './report.ts';
import type { Table } from './table.ts';
import { backlog } from './tables/backlog.ts';
import { ceilings } from './tables/ceilings.ts';
import { consoleTable } from './tables/console.ts';
import { disk } from './tables/disk.ts';
import { overload } from './tables/overload.ts';
import { payloads } from './tables/payloads.ts';
import { slowDisk } from './tables/slow-disk.ts';
import { slowLocal } from './tables/slow-local.ts';
import { throughput } from './tables/throughput.ts';
import { undecided } from './tables/undecided.ts';

const TABLES: readonly Table[] = [
  throughput,
  backlog,
  slowLocal,
  undecided,
  disk,
  payloads,
  slowDisk,
  overload,
  ceilings,
  consoleTable,
];

const FULL: Place = { folder: 'bench/results', page: 'bench/RESULTS.md', isQuick: false };
/** Apart, so that nobody takes them for results. */
const QUICK: Place = { folder: 'bench/results/quick', page: 'bench/results/quick/RESULTS.md', isQuick: true };

const HELP = `Measures one table at a time, and renders all results into ${FULL.page}.

  npm run bench -- TABLE [options]
  npm run bench -- report           renders again

  --rounds N        how often everything is measured (3)
  --seconds S       how long a cell is measured (as the table says)
  --quick           a small version that proves that it works; its results are kept apart, in ${QUICK.folder}
  --only NAME,…     only these systems

Tables:
${TABLES.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')}
`;

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name} must be a number above 0, not ${text}.`);
  return value;
};

const read = (args: string[]): { names: string[]; options: Options } => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
    },
  });
  return {
    names: positionals,
    options: {
      rounds: Math.ceil(positive('rounds', values.rounds)),
      seconds: values.seconds === undefined ? null : positive('seconds', values.seconds),
      quick: values.quick,
      only: values.only.split(',').filter(name => name !== ''),
    },
  };
};

const measure = async (table: Table, options: Options, command: string): Promise<number> => {
  const place = options.quick ? QUICK : FULL;
  const bench = new Bench(table.name, options, command, place.folder);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void bench.close().then(() => process.exit(code)));
  }
  try {
    await table.run(bench);
  } finally {
    await bench.close();
    writeReport(TABLES, place);
  }
  return bench.hasFailures ? 1 : 0;
};

const main = async (args: string[]): Promise<number> => {
  // Its processes are named relative to the repository.
  process.chdir(path.join(import.meta.dirname, '..'));
  const { names, options } = read(args);
  const [name = ''] = names;
  if (name === 'report') {
    writeReport(TABLES, FULL);
    return 0;
  }
  const table = TABLES.find(candidate => candidate.name === name);
  if (table !== undefined && names.length === 1) {
    return measure(table, options, ['npm run bench --', ...args].join(' '));
  }
  process.stdout.write(HELP);
  return names.length === 0 ? 0 : 2;
};

process.exit(
  await main(process.argv.slice(2)).catch(error => {
    process.stderr.write(`bench: ${error.message}\n`);
    return 1;
  }),
);
