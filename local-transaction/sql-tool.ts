/** Any other tool that can run SQL and open transactions: ORMs, query builders, other drivers. */
import { Limit, take } from './connection.ts';
import {
  CommitFailedError,
  type LocalDatabase,
  LocalTransactionError,
  type LocalWork,
  misused,
} from './local-database.ts';
import { type Dialect, type Row, rendered, type Statement, type Steps, sql } from './statement.ts';

/** A statement as a tool takes it. */
export interface SqlText {
  /** With `$1, $2, …` for PostgreSQL, `?` for the others. */
  readonly sql: string;
  readonly params: readonly (string | number | null)[];
  /** The text between the parameters, for tools with a template of their own; one longer than `params`. */
  readonly parts: readonly string[];
}

/** How a tool is told what to do. `Db` is the tool, `Tx` what it gives a function that runs in a transaction. */
export interface SqlTool<Db, Tx> {
  readonly dialect: Dialect;
  readonly db: Db;
  /** Runs the function in a new transaction: commits when it resolves, rolls back and rejects when it rejects. */
  transaction(db: Db, work: (tx: Tx) => Promise<void>): Promise<unknown>;
  /** Runs one statement and gives its rows: as a list, as `{ rows }`, or as mysql2 does. */
  query(executor: Db | Tx, statement: SqlText): Promise<unknown>;
}

const rowsOf = (result: unknown): readonly Row[] => {
  if (Array.isArray(result)) {
    // mysql2 gives [rows, fields], and [header, undefined] for what has no rows.
    if (result.length === 2 && Array.isArray(result[0])) return result[0] as Row[];
    if (result.length === 2 && result[1] === undefined) return [];
    return result as Row[];
  }
  const rows = (result as { rows?: unknown } | null | undefined)?.rows;
  return Array.isArray(rows) ? (rows as Row[]) : [];
};

/** The statement, as the tool takes it, on `executor`. */
export const ask = async <Db, Tx>(
  tool: SqlTool<Db, Tx>,
  executor: Db | Tx,
  statement: Statement,
): Promise<readonly Row[]> =>
  rowsOf(await tool.query(executor, { ...statement, sql: rendered(statement, tool.dialect) }));

const UNPREPARABLE = 1295;

/** How long the look after a COMMIT may take. */
const CONFIRM_MS = 3_000;

/** `synchronous` as SQLite says it: from here on a commit is on the disk when it returns. */
const FULL = 2;

/** SQLite only. */
export function* assertDurable(): Steps {
  const [row] = yield sql`pragma synchronous`;
  if (Number(Object.values(row ?? {})[0]) >= FULL) return;
  throw new LocalTransactionError(
    'DATABASE_NOT_READY',
    'The database forgets commits in a power cut: run “pragma synchronous = full” on each connection that is opened.',
    false,
  );
}

/**
 * Fails unless the executor has a transaction open that can still be used: a claim that commits by itself would promise
 * what has not happened. Changes nothing.
 */
export function* assertOpen(dialect: Dialect): Steps {
  const missing = (cause: unknown): LocalTransactionError =>
    new LocalTransactionError(
      'MISUSED_TRANSACTION',
      'The executor has no open, usable transaction: give what your tool hands to a function that runs in one.',
      false,
      cause,
    );
  if (dialect === 'sqlite') {
    try {
      yield sql`begin`;
    } catch {
      // Refused: one is open already.
      return;
    }
    yield sql`rollback`;
    throw missing(undefined);
  }
  try {
    yield sql`savepoint escrow_claim`;
    yield sql`release savepoint escrow_claim`;
  } catch (cause) {
    if ((cause as { errno?: unknown }).errno !== UNPREPARABLE) throw missing(cause);
  }
}

/**
 * In a transaction of its own: on SQLite tools often have one connection for everybody, and what were asked on it in the
 * middle of a transaction would answer from inside it. BEGIN is refused there, and so is the question.
 */
const askApart = async <Db, Tx>(tool: SqlTool<Db, Tx>, statement: Statement): Promise<readonly Row[]> => {
  let rows: readonly Row[] = [];
  await tool.transaction(tool.db, async tx => {
    rows = await ask(tool, tx, statement);
  });
  return rows;
};

export const sqlToolDatabase = <Db, Tx>(tool: SqlTool<Db, Tx>): LocalDatabase<Tx> => {
  /** Whether `transaction` of the tool opens one has been seen. */
  let isProven = false;
  const query = async (statement: Statement, withinMs: number): Promise<readonly Row[]> => {
    const limit = new Limit(withinMs, undefined);
    try {
      const asking = tool.dialect === 'sqlite' ? askApart(tool, statement) : ask(tool, tool.db, statement);
      asking.catch(() => {});
      return await Promise.race([asking, limit.reached]);
    } finally {
      limit.lift();
    }
  };
  const confirm = async (steps: Steps): Promise<void> => {
    try {
      await take(steps, statement => query(statement, CONFIRM_MS));
    } catch (error) {
      throw new CommitFailedError(error);
    }
  };
  return {
    dialect: tool.dialect,
    isSynchronous: false,
    transaction: async <T>(work: LocalWork<Tx, T>): Promise<T> => {
      const limit = new Limit(work.timeoutMs, work.signal);
      let end: End<T> = null;
      const body = async (tx: Tx): Promise<void> => {
        // Some tools try again by themselves; a COMMIT that may have happened is not for them to repeat.
        if (end !== null && 'value' in end)
          throw misused('The tool ran the function again after a COMMIT of it failed.');
        const query = (statement: Statement): Promise<readonly Row[]> => {
          if (limit.error !== null) throw limit.error;
          return ask(tool, tx, statement);
        };
        const untilCommit = async (): Promise<T> => {
          if (!isProven) {
            await take(assertOpen(tool.dialect), query);
            if (tool.dialect === 'sqlite') await take(assertDurable(), query);
          }
          isProven = true;
          await take(work.opening(), query);
          const value = (await work.business(tx)) as T;
          await take(work.closing(), query);
          await work.beforeCommit?.();
          return value;
        };
        const running = untilCommit();
        running.catch(() => {});
        try {
          const value = await Promise.race([running, limit.reached]);
          if (limit.error !== null) throw limit.error;
          end = { value };
        } catch (error) {
          end = { error };
          // The caller is told already. What a function that runs on sends through some tools' transactions would come
          // after the ROLLBACK, so that waits, but not for ever.
          if (limit.error !== null) await settled(running, work.timeoutMs);
          throw error;
        }
      };
      try {
        const running = tool.transaction(tool.db, body);
        running.catch(() => {});
        await Promise.race([running, limit.reached]);
      } catch (error) {
        throw failure(end, error);
      } finally {
        limit.lift();
      }
      const value = outcome<T>(end);
      if (work.confirming !== undefined) await confirm(work.confirming());
      return value;
    },
    query,
    assertIdle: () => {},
    close: async () => {},
  };
};

/** Resolves when the promise has settled either way, or after so many milliseconds. */
const settled = async (promise: Promise<unknown>, ms: number): Promise<void> => {
  const limit = new Limit(ms, undefined);
  await Promise.race([promise, limit.reached]).catch(() => {});
  limit.lift();
};

type End<T> = { readonly value: T } | { readonly error: unknown } | null;

/** Once the function had come to its end, what failed was the COMMIT. */
const failure = (end: End<unknown>, error: unknown): unknown => {
  if (end !== null && 'value' in end) return new CommitFailedError(error);
  return end === null ? error : end.error;
};

const outcome = <T>(end: End<T>): T => {
  if (end !== null && 'value' in end) return end.value;
  throw end === null ? misused('The tool’s transaction() did not run the function it was given.') : end.error;
};
