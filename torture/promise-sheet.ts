/** The last outcome of each proof, kept beside the code, and as a table in docs/reliability.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { type Conditions, conditionsIn } from '../bench/conditions.ts';
import { VERSION } from '../broker/version.ts';
import type { Finding, Proof } from './proof.ts';
import { PROOFS } from './proofs/all.ts';

const RESULTS = resolve(import.meta.dirname, 'results/promises.jsonl');
export const PAGE = resolve(import.meta.dirname, '../docs/reliability.md');
const [BEGIN, END] = ['<!-- promises: made by npm run torture -- --record -->\n', '<!-- promises: end -->'];

export interface Outcome extends Finding {
  readonly promise: string;
  readonly command: string;
  readonly size: string;
  readonly seconds: number;
  /** Names of the faults that were planted after it, by whether they turned it red. */
  readonly planted: { readonly found: readonly string[]; readonly overlooked: readonly string[] };
}

interface Line extends Outcome {
  /** RFC 3339. */
  readonly date: string;
  readonly version: string;
  readonly conditions: Omit<Conditions, 'fsyncMs'>;
}

export const readOutcomes = (): Line[] =>
  existsSync(RESULTS)
    ? readFileSync(RESULTS, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Line)
    : [];

const figuresOf = ({ figures, anomalies, missed = [] }: Line): string =>
  [
    ...Object.entries(figures).map(
      ([name, value]) => `${name}: ${typeof value === 'number' ? value.toLocaleString('en') : value}`,
    ),
    ...missed.map(sentence => `**not reached:** ${sentence}`),
    `**${anomalies.length} anomalies**`,
  ].join('; ');

const rowOf = ({ promise, sentence, how, target, faults }: Proof, line: Line | undefined): string => {
  const planted = faults.map(({ name, what }) => `${what} (\`${name}\`)`).join('; ');
  const measured = line === undefined ? 'not run yet' : figuresOf(line);
  const run =
    line === undefined
      ? ''
      : `${line.date.slice(0, 10)}, ${line.seconds} s: \`${line.command.slice('npm run torture -- '.length)}\``;
  return `| ${[promise, sentence, how, target, measured, planted, run].map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
};

/** The table of the page. */
export const sheetOf = (lines: readonly Line[]): string =>
  [
    '| | promise | put to the test by | figure to reach | measured | planted faults, each of which turns it red | last run |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...PROOFS.map(proof =>
      rowOf(
        proof,
        lines.find(({ promise }) => promise === proof.promise),
      ),
    ),
    '',
  ].join('\n');

/** The page with this table. */
export const pageWithSheet = (page: string, lines: readonly Line[]): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('docs/reliability.md has lost the marks around the promises.');
  return `${page.slice(0, begin)}${BEGIN}${sheetOf(lines)}${page.slice(end)}`;
};

/** Replaces the line of the same promise. */
export const recordOutcome = (outcome: Outcome): void => {
  const { fsyncMs: _, ...conditions } = conditionsIn(tmpdir());
  const line: Line = { date: new Date().toISOString(), version: VERSION, ...outcome, conditions };
  const lines = [...readOutcomes().filter(({ promise }) => promise !== outcome.promise), line];
  writeFileSync(RESULTS, lines.map(one => `${JSON.stringify(one)}\n`).join(''));
  writeFileSync(PAGE, pageWithSheet(readFileSync(PAGE, 'utf8'), lines));
};
