/** Forgetting fence rows, which must outlive everything that might still ask about them. */
import type { LocalDatabase } from '../../local-transaction/local-database.ts';
import type { Statement } from '../../local-transaction/statement.ts';
import { InvalidCallError } from '../client/client-errors.ts';
import { expiredRows, forget, settle, unsettle, unsettledRows } from './fence-table.ts';

export type BrokerState = 'prepared' | 'committed' | 'rolled_back';

export interface SweepOptions {
  /**
   * How long a row stays after its transaction was seen ended, in milliseconds. Must exceed the age of the oldest backup
   * of the broker that you would restore, and be shorter than the consumers' inboxes keep theirs. Default 30 days.
   */
  horizonMs?: number;
  /** Rows younger than this are not asked about yet, in milliseconds. Default 1 minute. */
  minAgeMs?: number;
}

export interface SweepResult {
  /** Rows whose transactions were seen ended for the first time. */
  readonly settled: number;
  readonly deleted: number;
  /** Marks taken away because the broker says `prepared` again: it was restored from a backup. */
  readonly reopened: number;
  /** Rows without a mark that the broker does not know: they are never deleted. See the README. */
  readonly unknown: number;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const PAGE = 200;
const STATEMENT_MS = 30_000;

const duration = (name: string, value: number | undefined, standard: number): number => {
  if (value === undefined) return standard;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidCallError(`${name} must be a whole number of milliseconds, 0 or more.`);
};

/** Rejects at the first thing that does not answer; what was done until then stays, and the next sweep goes on. */
export const sweep = async (
  database: LocalDatabase<unknown>,
  group: string,
  stateOf: (id: string) => Promise<BrokerState | null>,
  options: SweepOptions,
): Promise<SweepResult> => {
  const horizonMs = duration('horizonMs', options.horizonMs, 30 * DAY_MS);
  const minAgeMs = duration('minAgeMs', options.minAgeMs, 60_000);
  const { dialect } = database;
  const run = async (statement: Statement): Promise<void> => void (await database.query(statement, STATEMENT_MS));
  const each = async (page: (after: string) => Statement, visit: (id: string) => Promise<void>): Promise<void> => {
    for (let after = ''; ; ) {
      const rows = await database.query(page(after), STATEMENT_MS);
      for (const row of rows) {
        after = String(row.transaction_id);
        await visit(after);
      }
      if (rows.length < PAGE) return;
    }
  };
  let [settled, deleted, reopened, unknown] = [0, 0, 0, 0];
  await each(
    after => unsettledRows(dialect, group, after, minAgeMs, PAGE),
    async id => {
      const state = await stateOf(id);
      if (state === null) unknown += 1;
      if (state === null || state === 'prepared') return;
      await run(settle(dialect, group, id));
      settled += 1;
    },
  );
  await each(
    after => expiredRows(dialect, group, after, horizonMs, PAGE),
    async id => {
      if ((await stateOf(id)) === 'prepared') {
        await run(unsettle(group, id));
        reopened += 1;
      } else {
        await run(forget(group, id));
        deleted += 1;
      }
    },
  );
  return { settled, deleted, reopened, unknown };
};
