/** Percentiles, the nearest rank, and medians. */
import type { Spread } from './system.ts';

const rounded = (value: number): number => Math.round(value * 100) / 100;

export const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted.length === 0 ? Number.NaN : sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;

export const spreadOf = (values: Float64Array): Spread => {
  const sorted = values.toSorted();
  return {
    p50: rounded(percentile(sorted, 0.5)),
    p99: rounded(percentile(sorted, 0.99)),
    max: rounded(percentile(sorted, 1)),
  };
};

export const median = (values: readonly number[]): number =>
  percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
