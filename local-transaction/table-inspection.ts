/** What each kind of database is asked about a table, and how it answers. */
import type { Row, Statement } from './statement.ts';

/** What was found, in words for the user. */
export interface TableInspection {
  /** Where was looked, e.g. `the database “shop”, schema “public”`. */
  readonly place: string;
  /** Null: no such table there. */
  readonly columns: readonly InspectedColumn[] | null;
  /** Where else a table of this name lies. */
  readonly elsewhere: readonly string[];
  /** What is wrong with the table besides its columns, or with the database, each a sentence. */
  readonly faults: readonly string[];
  /** Why a commit may be forgotten, as a sentence; null: it is not. */
  readonly lossy: string | null;
}

export interface InspectedColumn {
  readonly name: string;
  /** Place in the primary key from 1; null: not part of it. */
  readonly keyPosition: number | null;
  /** Null: values are equal only if all their bytes are. Else what it compares by, e.g. `collation utf8mb4_general_ci`. */
  readonly comparesBy: string | null;
}

/** Asks the database one thing. */
export type Ask = (statement: Statement) => Promise<readonly Row[]>;
