/** What a table of the benchmark is. */
import type { Bench } from './bench.ts';

/** A row of a table as readers see it. */
export interface RowName {
  readonly system: string;
  readonly cell: string;
}

export interface Column<Result> {
  readonly heading: string;
  /** Of all rounds of one row, at least one. */
  text(results: readonly Result[]): string;
}

export interface Table<Result = unknown> {
  readonly name: string;
  /** What it measures, in one line. */
  readonly summary: string;
  /** What its figures are to be compared with, and what they leave out. Markdown. */
  readonly reading: string;
  /** The figure whose ratio to that of another row is shown; higher is better unless the heading says otherwise. */
  readonly main: { readonly heading: string; value(result: Result): number | null };
  /** The row that this one is measured against; null: none. */
  reference(row: RowName): RowName | null;
  readonly columns: readonly Column<Result>[];
  run(bench: Bench): Promise<void>;
}
