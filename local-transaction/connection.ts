/** The course of a local transaction on a driver that answers later, whatever the driver. */
import { aborted, CommitFailedError, type LocalWork, misused, timedOut } from './local-database.ts';
import type { Row, Statement, Steps } from './statement.ts';

/** One connection of the user's pool, from being lent to being given back. */
export interface Connection<Tx> {
  /** What the business function works with. */
  readonly tx: Tx;
  /** From here on nothing is part of a transaction that whoever had the connection before left open. */
  begin(): Promise<void>;
  query(statement: Statement): Promise<readonly Row[]>;
  /** Takes `tx` away from the business function. Returns why its transaction must not be committed; null: nothing against it. */
  seal(): Error | null;
  /** Rejects also where the server answers that it rolled back. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Back to the pool. */
  release(): void;
  /** Out of the pool and closed, whatever is under way on it. */
  destroy(): void;
}

/** Answers each step by its rows. */
export const take = async <T>(
  steps: Steps<T>,
  query: (statement: Statement) => Promise<readonly Row[]>,
): Promise<T> => {
  let step = steps.next();
  while (!step.done) {
    let rows: readonly Row[];
    try {
      rows = await query(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(rows);
  }
  return step.value;
};

/** Rejects when the time is up or the signal says so, with what `end` was told. */
export class Limit {
  readonly reached: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  error: Error | null = null;

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    let end: (error: Error) => void;
    this.reached = new Promise((_, reject) => {
      end = error => {
        this.error ??= error;
        reject(this.error);
      };
    });
    // Nobody may be waiting at the moment at which it is reached.
    this.reached.catch(() => {});
    this.#timer = setTimeout(() => end(timedOut(timeoutMs)), timeoutMs);
    this.#signal = signal;
    this.#onAbort = () => end(aborted(signal!));
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  lift(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** A connection that comes after nobody waits for it any more goes back. */
const open = async <Tx>(lend: () => Promise<Connection<Tx>>, limit: Limit): Promise<Connection<Tx>> => {
  const lending = lend();
  try {
    return await Promise.race([lending, limit.reached]);
  } catch (error) {
    lending.then(
      connection => connection.release(),
      () => {},
    );
    throw error;
  }
};

/** What `LocalDatabase.transaction` promises, on connections that `lend` lends. */
export const runTransaction = async <Tx, T>(
  lend: () => Promise<Connection<Tx>>,
  work: LocalWork<Tx, T>,
): Promise<T> => {
  const limit = new Limit(work.timeoutMs, work.signal);
  try {
    const connection = await open(lend, limit);
    let isSealed = false;
    const untilCommit = async (): Promise<T> => {
      const query = (statement: Statement): Promise<readonly Row[]> => {
        // The time was up while the business function ran on: nothing more is sent for it.
        if (limit.error !== null) throw limit.error;
        return connection.query(statement);
      };
      await connection.begin();
      await take(work.opening(), query);
      const value = await work.business(connection.tx);
      isSealed = true;
      const objection = connection.seal();
      if (objection !== null) throw objection;
      await take(work.closing(), query);
      await work.beforeCommit?.();
      if (limit.error !== null) throw limit.error;
      return value;
    };
    let value: T;
    try {
      const running = untilCommit();
      running.catch(() => {});
      value = await Promise.race([running, limit.reached]);
    } catch (error) {
      if (!isSealed) connection.seal();
      if (limit.error !== null) connection.destroy();
      else await giveBack(connection, limit);
      throw error;
    }
    limit.lift();
    await commit(connection, work.timeoutMs);
    return value;
  } finally {
    limit.lift();
  }
};

const giveBack = async (connection: Connection<unknown>, limit: Limit): Promise<void> => {
  try {
    await Promise.race([connection.rollback(), limit.reached]);
    connection.release();
  } catch {
    // COMMIT was never sent: a server that loses the connection rolls back by itself.
    connection.destroy();
  }
};

const commit = async (connection: Connection<unknown>, timeoutMs: number): Promise<void> => {
  const limit = new Limit(timeoutMs, undefined);
  try {
    await Promise.race([connection.commit(), limit.reached]);
  } catch (error) {
    connection.destroy();
    throw new CommitFailedError(error);
  } finally {
    limit.lift();
  }
  connection.release();
};

/** One statement, committed by itself, on a connection that is lent for it. */
export const queryOnce = async (
  lend: () => Promise<Connection<unknown>>,
  statement: Statement,
  withinMs: number,
): Promise<readonly Row[]> => {
  const limit = new Limit(withinMs, undefined);
  const lending = lend();
  let connection: Connection<unknown>;
  try {
    connection = await Promise.race([lending, limit.reached]);
  } catch (error) {
    lending.then(
      late => late.release(),
      () => {},
    );
    limit.lift();
    throw error;
  }
  try {
    const asking = connection.begin().then(() => connection.query(statement));
    const rows = await Promise.race([asking, limit.reached]);
    connection.release();
    return rows;
  } catch (error) {
    // Whatever it failed of, the next one to use this connection shall not meet it.
    connection.destroy();
    throw error;
  } finally {
    limit.lift();
  }
};

/** What the function is told that does not wait for its statements. */
export const leftRunning = (count: number): Error =>
  misused(`The function returned while ${count} of its statements were still running: await each of them.`);
