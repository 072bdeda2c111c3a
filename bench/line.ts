/** One line of results. */
import type { Conditions } from './conditions.ts';

/** Exactly one of `result`, `skipped` and `failed` is there. */
export interface Line {
  /** RFC 3339. */
  readonly date: string;
  readonly table: string;
  readonly command: string;
  readonly system: string;
  readonly version: string;
  readonly durability: string;
  /** From 1; 0 where nothing was run. */
  readonly round: number;
  readonly cell: string;
  readonly parameters: object;
  readonly conditions: Conditions;
  readonly result?: unknown;
  /** Why it was not run at all. */
  readonly skipped?: string;
  /** What went wrong. */
  readonly failed?: string;
}
