/** Figures as readers see them: medians over rounds, three significant digits where there are decimals. */
import { median } from './spread.ts';
import type { Spread, Throughput, Usage } from './system.ts';
import type { Column } from './table.ts';

const DASH = '–';

/** 9,403 · 12.3 · 0.45 */
export const figure = (value: number): string =>
  Number.isFinite(value)
    ? value.toLocaleString(
        'en-US',
        Math.abs(value) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 },
      )
    : DASH;

/** The rounds that have the figure. */
const known = <Result>(results: readonly Result[], pick: (result: Result) => number | null | undefined): number[] =>
  results.map(pick).filter(value => value !== null && value !== undefined);

/** `9,403 (8,991–9,520)`; the range is left out where there is one round. */
export const withRange = <Result>(results: readonly Result[], pick: (result: Result) => number | null): string => {
  const values = known(results, pick);
  if (values.length === 0) return DASH;
  const range = values.length === 1 ? '' : ` (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
  return `${figure(median(values))}${range}`;
};

/** The median, times `unit`. */
export const number = <Result>(
  heading: string,
  pick: (result: Result) => number | null | undefined,
  unit = 1,
): Column<Result> => ({
  heading,
  text: results => {
    const values = known(results, pick);
    return values.length === 0 ? DASH : figure(median(values) * unit);
  },
});

/** Counts of what must not happen: all rounds together, so that no median hides one. */
export const total = <Result>(heading: string, pick: (result: Result) => number): Column<Result> => ({
  heading,
  text: results => figure(known(results, pick).reduce((sum, value) => sum + value, 0)),
});

export const p50p99 = <Result>(
  heading: string,
  pick: (result: Result) => Spread | null | undefined,
): Column<Result> => ({
  heading: `${heading} p50 / p99 ms`,
  text: results => {
    const spreads = results.map(pick).filter(spread => spread !== null && spread !== undefined);
    if (spreads.length === 0) return DASH;
    return `${figure(median(spreads.map(({ p50 }) => p50)))} / ${figure(median(spreads.map(({ p99 }) => p99)))}`;
  },
});

type Measured = { readonly processes: Readonly<Record<string, Usage>> };

/** `12.3 = broker 4 + kafka 0 3 + …`, or without the sum. */
const byProcess = <Result extends Measured>(
  results: readonly Result[],
  value: (usage: Usage, result: Result) => number,
  isSummed: boolean,
): string => {
  const names = Object.keys(results[0]!.processes);
  const of = (name: string): number => median(known(results, result => value(result.processes[name]!, result)));
  const parts = names.map(name => `${name} ${figure(of(name))}`);
  const sums = results.map(result =>
    Object.values(result.processes).reduce((sum, usage) => sum + value(usage, result), 0),
  );
  return isSummed ? `**${figure(median(sums))}** = ${parts.join(' + ')}` : parts.join(', ');
};

/** Seconds of CPU for 1,000 of what `count` counts. */
export const cpu = <Result extends Measured>(count: (result: Result) => number): Column<Result> => ({
  heading: 'CPU s per 1,000',
  text: results => byProcess(results, ({ cpuSeconds }, result) => (cpuSeconds * 1000) / count(result), true),
});

export const memory: Column<Measured> = {
  heading: 'peak RSS MiB',
  text: results => byProcess(results, ({ peakRssBytes }) => peakRssBytes / 2 ** 20, false),
};

/** What every table with throughput cells shows beside the rate. */
export const THROUGHPUT_COLUMNS: readonly Column<Throughput>[] = [
  p50p99('call', ({ callMs }) => callMs),
  number('prepare p99 ms', ({ prepareMs }) => prepareMs?.p99),
  number('commit p99 ms', ({ commitMs }) => commitMs?.p99),
  p50p99('end to end', ({ endToEndMs }) => endToEndMs),
  cpu(({ seen }) => seen),
  memory,
  total('failed', ({ failed }) => failed),
  total('missing', ({ missing }) => missing),
  total('duplicates', ({ duplicates }) => duplicates),
];

export const COMPLETE = {
  heading: 'complete/s',
  value: ({ completePerSecond }: Throughput): number => completePerSecond,
};
