/** Renders a folder of results as a page of Markdown. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { figure, withRange } from './figures.ts';
import type { Line } from './line.ts';
import { median } from './spread.ts';
import type { RowName, Table } from './table.ts';

type Measured = Line & { readonly result: unknown };

const keyOf = ({ system, cell }: RowName): string => `${cell}\n${system}`;

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

const range = (values: readonly number[]): string => {
  const [min, max] = [figure(Math.min(...values)), figure(Math.max(...values))];
  return min === max ? min : `${min}–${max}`;
};

const linesOf = (file: string): Line[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(text => text !== '')
    .map(text => JSON.parse(text));

const conditions = (lines: readonly Line[]): string => {
  const machines = unique(
    lines.map(({ conditions: { cores, cpu, memoryGiB, kernel, fileSystem, node } }) =>
      [`${cores} cores (${cpu})`, `${memoryGiB} GiB`, `Linux ${kernel}`, fileSystem, `Node ${node.slice(1)}`].join(
        ', ',
      ),
    ),
  );
  const fsyncs = lines.map(line => line.conditions.fsyncMs);
  return [
    `Machine: ${machines.join('; or ')}.`,
    `Just before each measurement: load average ${range(lines.map(line => line.conditions.loadAverage))};`,
    `an append of 8 KiB with fdatasync p50 ${range(fsyncs.map(({ p50 }) => p50))} ms,`,
    `p99 ${range(fsyncs.map(({ p99 }) => p99))} ms.`,
  ].join(' ');
};

const cells = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;

const grid = (table: Table, lines: readonly Measured[]): string[] => {
  const rows = Map.groupBy(lines, keyOf);
  const resultsOf = (row: RowName): unknown[] => (rows.get(keyOf(row)) ?? []).map(({ result }) => result);
  const mainOf = (row: RowName): number => {
    const values = resultsOf(row).map(result => table.main.value(result));
    const known = values.filter(value => value !== null);
    return median(known);
  };
  const ratio = (row: RowName): string => {
    const reference = table.reference(row);
    return reference === null || keyOf(reference) === keyOf(row) ? '' : figure(mainOf(row) / mainOf(reference));
  };
  const hasRatios = lines.some(line => table.reference(line) !== null);
  const headings = ['', 'system', table.main.heading, ...(hasRatios ? ['ratio'] : [])];
  const all = [...headings, ...table.columns.map(({ heading }) => heading), 'rounds'];
  const body = [...rows.values()].map(same => {
    const row = same[0]!;
    const results = resultsOf(row);
    const columns = table.columns.map(column => column.text(results));
    const main = withRange(results, result => table.main.value(result));
    return cells([row.cell, row.system, main, ...(hasRatios ? [ratio(row)] : []), ...columns, `${results.length}`]);
  });
  // The order of the cells is that of the first system which ran them all.
  const order = unique(lines.map(({ cell }) => cell));
  const position = (text: string): number => order.indexOf(text.slice(2, text.indexOf(' |', 2)));
  return [cells(all), cells(all.map(() => '---')), ...body.sort((a, b) => position(a) - position(b))];
};

const systems = (lines: readonly Line[]): string[] =>
  unique(lines.map(({ system, version, durability }) => `- ${system} ${version}: ${durability}`));

const exceptions = (lines: readonly Line[]): string[] => {
  const skipped = lines.filter(({ skipped }) => skipped !== undefined);
  const failed = lines.filter(({ failed }) => failed !== undefined);
  return [
    ...unique(skipped.map(({ system, skipped }) => `- Skipped: ${system}: ${skipped}`)),
    ...failed.map(({ system, cell, round, failed }) => `- Failed: ${system}, ${cell}, round ${round}: ${failed}`),
  ];
};

const section = (table: Table, lines: readonly Line[]): string => {
  const measured = lines.filter((line): line is Measured => line.result !== undefined);
  const dates = unique([lines[0]!.date, lines.at(-1)!.date].map(date => date.slice(0, 16).replace('T', ' ')));
  return [
    `## ${table.name}`,
    '',
    `${table.summary[0]!.toUpperCase()}${table.summary.slice(1)}. Measured ${dates.join(' to ')} UTC with`,
    `\`${lines[0]!.command}\`.`,
    conditions(lines),
    '',
    ...(measured.length > 0 ? grid(table, measured) : ['Nothing was measured.']),
    '',
    table.reading,
    '',
    ...systems(measured),
    ...exceptions(lines),
    '',
  ].join('\n');
};

const PREFACE = `# Results

Written by \`npm run bench -- report\` from the lines beside it; every line there has its own date and conditions. Figures
are medians over the rounds, with the lowest and the highest in brackets; ratios are of medians. What must not happen
(failed, missing, duplicates) is added up over all rounds. Systems take turns, each with a fresh store every time.
`;

const QUICK = `
**These are runs with \`--quick\`, which prove that the command works. Their figures mean nothing.**
`;

/** Where lines are and where their page goes. */
export interface Place {
  readonly folder: string;
  readonly page: string;
  readonly isQuick: boolean;
}

/** A table without results is left out. */
export const writeReport = (tables: readonly Table[], { folder, page, isQuick }: Place): void => {
  const sections = tables.flatMap(table => {
    const file = path.join(folder, `${table.name}.jsonl`);
    const lines = existsSync(file) ? linesOf(file) : [];
    return lines.length === 0 ? [] : [section(table, lines)];
  });
  writeFileSync(page, [PREFACE, ...(isQuick ? [QUICK] : []), ...sections].join('\n'));
};
