/** SQLite through the user's `better-sqlite3` connection. */
import { Limit } from './connection.ts';
import {
  CommitFailedError,
  type LocalDatabase,
  LocalTransactionError,
  type LocalWork,
  misused,
} from './local-database.ts';
import { isLockTimeout } from './lock-timeout.ts';
import { type Row, rendered, type Steps } from './statement.ts';

interface PreparedStatement {
  readonly reader: boolean;
  all(...params: unknown[]): unknown[];
  run(...params: unknown[]): unknown;
}

/** What is used of a connection of `better-sqlite3`: `new Database(file)`. */
export interface BetterSqlite3 {
  readonly name: string;
  readonly memory: boolean;
  readonly open: boolean;
  readonly readonly: boolean;
  readonly inTransaction: boolean;
  prepare(sql: string): PreparedStatement;
  pragma(sql: string, options?: { simple?: boolean }): unknown;
  close(): unknown;
}

/** `synchronous` as the pragma says it: from here on a commit is on the disk when it returns. */
const FULL = 2;
/** Between two looks at a lock that somebody else holds. */
const RETRY_MS = 15;

class Session {
  readonly #db: BetterSqlite3;
  readonly #statements = new Map<string, PreparedStatement>();
  /** A transaction of ours is open that must be rolled back. */
  owesRollback = false;

  constructor(db: BetterSqlite3) {
    this.#db = db;
  }

  run(sql: string, params: readonly unknown[] = []): readonly Row[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      // Lists of values make texts of many lengths; only those of one row come again and again.
      if (params.length < 10) this.#statements.set(sql, statement);
    }
    if (statement.reader) return statement.all(...params) as Row[];
    statement.run(...params);
    return [];
  }

  take(steps: Steps): void {
    let step = steps.next();
    while (!step.done) {
      let rows: readonly Row[];
      try {
        rows = this.run(rendered(step.value, 'sqlite'), step.value.params);
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
      step = steps.next(rows);
    }
  }
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Runs `work` at `synchronous=FULL`: better-sqlite3 opens an existing WAL database at NORMAL. */
const durably = <T>(db: BetterSqlite3, work: () => T): T => {
  const before = Number(db.pragma('synchronous', { simple: true }));
  if (before >= FULL) return work();
  db.pragma('synchronous = FULL');
  try {
    return work();
  } finally {
    restore(db, before);
  }
};

/** Where an iterator keeps the connection busy it stays as it is, which is only slower. */
const restore = (db: BetterSqlite3, before: number): void => {
  try {
    db.pragma(`synchronous = ${before}`);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
};

/** Begins unless somebody else holds the lock, for which it does not wait: that would hold up the whole process. */
const begin = (db: BetterSqlite3, session: Session): boolean => {
  const patience = Number(db.pragma('busy_timeout', { simple: true }));
  if (patience > 0) db.pragma('busy_timeout = 0');
  try {
    session.run('begin immediate');
    return true;
  } catch (error) {
    if (isLockTimeout(error)) return false;
    throw error;
  } finally {
    if (patience > 0) db.pragma(`busy_timeout = ${patience}`);
  }
};

/** Throws where it cannot be: an iterator of the function's keeps the connection busy. `pay` does it later. */
const rollBack = (db: BetterSqlite3, session: Session, cause: unknown): void => {
  if (!db.inTransaction) return;
  try {
    session.run('rollback');
  } catch {
    session.owesRollback = true;
    const message =
      'The function left an iterator open, so its transaction can neither commit nor roll back until that is closed; it is rolled back as soon as it is.';
    throw new LocalTransactionError('MISUSED_TRANSACTION', message, false, cause);
  }
};

/** Rolls back what could not be rolled back when it should have been. */
const pay = (db: BetterSqlite3, session: Session): void => {
  if (!session.owesRollback) return;
  if (db.inTransaction) session.run('rollback');
  session.owesRollback = false;
};

const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, RETRY_MS));

/** From after BEGIN to the end of COMMIT. */
const runTransaction = <T, D>(db: BetterSqlite3, session: Session, work: LocalWork<D, T>): T => {
  let value: T;
  try {
    session.take(work.opening());
    const returned = work.business(db as unknown as D);
    if (isPromise(returned)) {
      // Its outcome is told to nobody else: the error below is what the caller learns. Others may begin only when asked.
      if (returned instanceof Promise) returned.catch(() => {});
      throw misused(
        'On better-sqlite3 the business function must not be async: what it awaits would come after COMMIT.',
      );
    }
    value = returned;
    if (!db.inTransaction) throw misused('The function ended the transaction, which is begun and ended for it.');
    session.take(work.closing());
  } catch (error) {
    rollBack(db, session, error);
    throw error;
  }
  try {
    session.run('commit');
  } catch (error) {
    // Where it is still open the COMMIT has not happened, and now never will.
    if (!db.inTransaction) throw new CommitFailedError(error);
    rollBack(db, session, error);
    throw error;
  }
  return value;
};

const notReady = (message: string): LocalTransactionError =>
  new LocalTransactionError('DATABASE_NOT_READY', message, false);

export const betterSqlite3Database = <D extends BetterSqlite3>(db: D): LocalDatabase<D> => {
  if (db.memory) {
    throw misused('A database in memory cannot be used: verdicts are written on a connection of their own.');
  }
  if (db.readonly) throw notReady('The database was opened readonly: open it for writing.');
  // As SQLite has it: the name may be relative to a folder that the process has left since.
  const main = (db.pragma('database_list') as { name: string; file: string }[]).find(({ name }) => name === 'main');
  const file = main?.file || db.name;
  const session = new Session(db);
  let own: { readonly db: BetterSqlite3; readonly session: Session } | null = null;
  /** Never waits inside SQLite, which would hold up the whole process. */
  const openOwn = (): Session => {
    if (own === null) {
      const Database = db.constructor as new (name: string, options: object) => BetterSqlite3;
      const opened = new Database(file, { timeout: 0, fileMustExist: true });
      own = { db: opened, session: new Session(opened) };
      opened.pragma('synchronous = FULL');
    }
    return own.session;
  };
  const assertIdle = (): void => {
    if (!db.open) throw misused('The database connection is closed.');
    pay(db, session);
    if (db.inTransaction)
      throw misused('The database connection has an open transaction: end it first, or use another one.');
    if (Number(db.pragma('query_only', { simple: true })) !== 0) {
      throw notReady('The database connection is set to query_only: set that off, or use another one.');
    }
  };
  return {
    dialect: 'sqlite',
    isSynchronous: true,
    assertIdle,
    transaction: async work => {
      const limit = new Limit(work.timeoutMs, work.signal);
      try {
        for (;;) {
          assertIdle();
          if (limit.error !== null) throw limit.error;
          const done = durably(db, () => (begin(db, session) ? { value: runTransaction(db, session, work) } : null));
          if (done !== null) return done.value;
          await Promise.race([pause(), limit.reached]);
        }
      } finally {
        limit.lift();
      }
    },
    query: async ({ parts, params }, withinMs) => {
      const text = rendered({ parts, params }, 'sqlite');
      for (let left = withinMs; ; left -= RETRY_MS) {
        try {
          return openOwn().run(text, params);
        } catch (error) {
          if (!isLockTimeout(error) || left <= RETRY_MS) throw error;
          await pause();
        }
      }
    },
    close: async () => {
      own?.db.close();
      own = null;
    },
  };
};
