/** The last outcome of each proof, kept beside the code, and as a part of docs/reliability.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { type Conditions, conditionsIn } from '../bench/conditions.ts';
import { VERSION } from '../broker/version.ts';
import type { Finding, Proof } from './proof.ts';
import { PROOFS } from './proofs/all.ts';
import { readLines as readBanks } from './record.ts';

const RESULTS = resolve(import.meta.dirname, 'results/promises.jsonl');
const FENCE_RESULTS = resolve(import.meta.dirname, 'results/fence.jsonl');
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

const linesOf = <T>(file: string): T[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as T)
    : [];

export const readOutcomes = (): Line[] => linesOf<Line>(RESULTS);

/** What the page says of one promise. */
interface Entry {
  readonly promise: string;
  readonly sentence: string;
  readonly how: string;
  readonly target: string;
  /** Null: it has not been run here. */
  readonly measured: readonly string[] | null;
  readonly anomalies: number;
  readonly missed: readonly string[];
  /** Whether the last run was a short one, which does not show the figure to reach. */
  readonly isShort: boolean;
  readonly faults: readonly string[];
  /** Which of the faults the last run planted, in words. */
  readonly planted: string;
  readonly run: string;
}

const figure = (value: number | string): string => (typeof value === 'number' ? value.toLocaleString('en') : value);

const entryOf = ({ promise, sentence, how, target, faults }: Proof): Entry => {
  const told = { promise, sentence, how, target, faults: faults.map(({ name, what }) => `${what} (\`${name}\`)`) };
  const line = readOutcomes().find(outcome => outcome.promise === promise);
  if (line === undefined)
    return { ...told, measured: null, anomalies: 0, missed: [], isShort: false, planted: '', run: '' };
  const { figures, anomalies, missed = [], planted, date, seconds, command } = line;
  const all = planted.found.length + planted.overlooked.length;
  return {
    ...told,
    measured: Object.entries(figures).map(([name, value]) => `${name}: ${figure(value)}`),
    anomalies: anomalies.length,
    missed,
    isShort: line.size === 'short',
    planted: all === 0 ? 'in `npm test`' : `${planted.found.length} of ${all} found`,
    run: `${date.slice(0, 10)}, ${seconds} s: \`${command}\``,
  };
};

/** One line of results/fence.jsonl. */
interface FenceLine {
  readonly database: string;
  readonly date: string;
  readonly enumerated: number;
  readonly executed: number;
  readonly contradicted: number;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** When and how: the days and the commands that the lines name. */
const runOf = (lines: readonly { readonly date: string }[], commands: readonly string[]): string => {
  const days = [...new Set(lines.map(({ date }) => date.slice(0, 10)))].sort();
  return `${days.join(', ')}: ${commands.map(command => `\`${command}\``).join(', ')}`;
};

/** Proven by commands of their own, which the page has sections about. */
const entriesElsewhere = (): Entry[] => {
  const banks = readBanks();
  const fence = linesOf<FenceLine>(FENCE_RESULTS);
  const told = { missed: [], isShort: false, planted: 'in `npm test`' };
  const twoBanks = {
    ...told,
    how: '[two banks](#two-banks), with everything killed at random and at exact points',
    target: '20,000 transfers on each database; sum exact, 0 phantom, 0 missing',
    measured: banks.map(({ database, counts }) => `${database}: ${figure(counts.transfers)} transfers`),
    anomalies: sum(banks.flatMap(({ anomalies }) => Object.values(anomalies))),
    run: runOf(
      banks,
      banks.map(({ command }) => command),
    ),
  };
  const sentences = {
    P3: 'The local transaction committed if, and only if, its messages arrive.',
    P5: 'The answer of a check-back is never contradicted by the local transaction.',
    P8: 'With the consumer SDK each effect happens once.',
  } as const;
  return [
    {
      ...twoBanks,
      promise: 'P3',
      sentence: sentences.P3,
      faults: ['fence without unique key (`fence-without-key`)', 'a check that only reads (`check-only-reads`)'],
    },
    {
      ...told,
      promise: 'P5',
      sentence: sentences.P5,
      how: '[every order](#every-order) of what a transaction, a check-back and their deaths do',
      target: '100 % of the schedules enumerated, 0 contradicted',
      measured: fence.map(
        ({ database, enumerated, executed }) => `${database}: ${figure(executed)} of ${figure(enumerated)} schedules`,
      ),
      anomalies: sum(fence.map(({ contradicted }) => contradicted)),
      faults: ['six, named [there](#every-order)'],
      run: runOf(fence, ['node test/fence/enumerate.ts']),
    },
    {
      ...twoBanks,
      promise: 'P8',
      sentence: sentences.P8,
      faults: ['inbox row outside of the transaction (`inbox-apart`)'],
    },
  ];
};

const outcomeOf = ({ measured, anomalies, missed, isShort }: Entry): string => {
  if (measured === null) return 'not run yet';
  if (anomalies > 0) return `**broken**: ${anomalies} anomalies`;
  if (isShort) return 'held at its short size; the figure to reach is not shown';
  return missed.length === 0
    ? 'held'
    : `held; ${missed.length === 1 ? 'one figure' : `${missed.length} figures`} not reached`;
};

const sectionOf = (entry: Entry): string[] => {
  const { promise, sentence, how, target, measured, anomalies, missed, faults, planted, run } = entry;
  return [
    `**${promise}. ${sentence}**`,
    '',
    `- Put to the test: ${how}. To reach: ${target}.`,
    ...(measured === null ? [] : [`- Measured: ${[...measured, `**${anomalies} anomalies**`].join('; ')}. ${run}`]),
    ...missed.map(one => `- Not reached: ${one}`),
    `- Planted faults: ${faults.join('; ')}${planted === '' ? '' : `. ${planted}`}.`,
    '',
  ];
};

const numberOf = ({ promise }: Entry): number => Number(promise.slice(1));

/** A table of all, and a section of each. */
const sheet = (): string => {
  const entries = [...PROOFS.map(entryOf), ...entriesElsewhere()].sort((a, b) => numberOf(a) - numberOf(b));
  return [
    '| | promise | last outcome |',
    '| --- | --- | --- |',
    ...entries.map(entry => `| ${entry.promise} | ${entry.sentence} | ${outcomeOf(entry)} |`),
    '',
    ...entries.flatMap(sectionOf),
  ].join('\n');
};

/** The page with what the results say by now. */
export const pageWithSheet = (page: string): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('docs/reliability.md has lost the marks around the promises.');
  return `${page.slice(0, begin)}${BEGIN}${sheet()}${page.slice(end)}`;
};

/** Replaces the line of the same promise. */
export const recordOutcome = (outcome: Outcome): void => {
  const { fsyncMs: _, ...conditions } = conditionsIn(tmpdir());
  const line: Line = { date: new Date().toISOString(), version: VERSION, ...outcome, conditions };
  const lines = [...readOutcomes().filter(({ promise }) => promise !== outcome.promise), line];
  writeFileSync(RESULTS, lines.map(one => `${JSON.stringify(one)}\n`).join(''));
  renderSheet();
};

/** Writes the page anew, for instance after a sentence of a proof has changed. */
export const renderSheet = (): void => writeFileSync(PAGE, pageWithSheet(readFileSync(PAGE, 'utf8')));
