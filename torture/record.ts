/** The last result of each kind of run, kept beside the code, and as a table in docs/reliability.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { type Conditions, conditionsIn } from '../bench/conditions.ts';
import { VERSION } from '../broker/version.ts';
import type { Counts } from './checker.ts';
import type { RunOptions, RunResult } from './two-banks.ts';
import { replayCommand } from './verdict-text.ts';

export const RESULTS = resolve(import.meta.dirname, 'results/two-banks.jsonl');
export const PAGE = resolve(import.meta.dirname, '../docs/reliability.md');
const [BEGIN, END] = ['<!-- two banks: made by npm run torture -- two-banks --record -->\n', '<!-- two banks: end -->'];

/** One line of results. */
export interface Line {
  /** RFC 3339. */
  readonly date: string;
  readonly command: string;
  readonly version: string;
  readonly database: string;
  readonly held: boolean;
  readonly anomalies: Readonly<Record<string, number>>;
  readonly counts: Counts;
  readonly acts: RunResult['acts'];
  readonly deaths: RunResult['deaths'];
  readonly swallowed: number;
  readonly seconds: number;
  readonly conditions: Omit<Conditions, 'fsyncMs'>;
}

export const readLines = (): Line[] =>
  existsSync(RESULTS)
    ? readFileSync(RESULTS, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Line)
    : [];

const number = (value: number): string => value.toLocaleString('en');

/** The table of the page. */
export const tableOf = (lines: readonly Line[]): string => {
  const row = (name: string, cell: (line: Line) => string | number): string =>
    `| ${[name, ...lines.map(line => cell(line)).map(value => (typeof value === 'number' ? number(value) : value))].join(' | ')} |`;
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);
  return [
    row('', ({ database }) => database),
    `| ---${' | ---'.repeat(lines.length)} |`,
    row('date', ({ date }) => date.slice(0, 10)),
    row('transfers', ({ counts }) => counts.transfers),
    row('committed in A', ({ counts }) => counts.committed),
    row('credited in B', ({ counts }) => counts.credited),
    row('rolled back', ({ counts }) => counts.rolledBack),
    row('never begun', ({ counts }) => counts.untouched),
    row('check-backs answered commit, rollback, unknown', ({ counts: { answers } }) =>
      [answers.commit, answers.rollback, answers.unknown].map(number).join(', '),
    ),
    row('callers told yes, no, nothing certain', ({ counts }) =>
      [counts.toldYes, counts.toldNo, counts.toldNothing].map(number).join(', '),
    ),
    row('bank A killed', ({ deaths }) => deaths.bankA),
    row('bank B killed', ({ deaths }) => deaths.bankB),
    row('broker killed', ({ deaths }) => deaths.broker),
    row('Kafka killed, frozen', ({ acts }) => `${acts['kill kafka']}, ${acts['freeze kafka']}`),
    row('replies to a commit swallowed', ({ swallowed }) => swallowed),
    row('records in Kafka that came twice', ({ counts }) => counts.duplicates),
    row('looks at the sum while it ran', ({ counts }) => counts.samples),
    row('**anomalies**', ({ anomalies }) => `**${sum(anomalies)}**`),
    row('minutes', ({ seconds }) => (seconds / 60).toFixed(1)),
    row('seed', ({ command }) => /--seed (\d+)/.exec(command)?.[1] ?? ''),
    '',
  ].join('\n');
};

/** The page with this table. */
export const pageWith = (page: string, lines: readonly Line[]): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('docs/reliability.md has lost the marks around the table.');
  return `${page.slice(0, begin)}${BEGIN}${tableOf(lines)}${page.slice(end)}`;
};

/** Replaces the line of the same database. */
export const record = (result: RunOptions & RunResult): void => {
  const { verdict, acts, deaths, swallowed, database } = result;
  const { fsyncMs: _, ...conditions } = conditionsIn(tmpdir());
  const kinds = Map.groupBy(verdict.anomalies, ({ kind }) => kind);
  const line: Line = {
    date: new Date().toISOString(),
    command: replayCommand(result),
    version: VERSION,
    database,
    held: verdict.anomalies.length === 0,
    anomalies: Object.fromEntries([...kinds].map(([kind, found]) => [kind, found.length])),
    counts: verdict.counts,
    acts,
    deaths,
    swallowed,
    seconds: Math.round(result.seconds),
    conditions,
  };
  const lines = [...readLines().filter(other => other.database !== database), line];
  writeFileSync(RESULTS, lines.map(one => `${JSON.stringify(one)}\n`).join(''));
  writeFileSync(PAGE, pageWith(readFileSync(PAGE, 'utf8'), lines));
};
