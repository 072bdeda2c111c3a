/** PostgreSQL through the user's `pg` pool. */
import { type Connection, queryOnce, runTransaction } from './connection.ts';
import { GuardedConnection } from './guarded-connection.ts';
import type { LocalDatabase } from './local-database.ts';
import { type Row, rendered, type Statement } from './statement.ts';

interface PgResult {
  readonly command?: string;
  readonly rows: readonly Row[];
}

/** What is used of a client of `pg`. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<PgResult>;
  release(isBroken?: boolean): void;
  /** `I`: in no transaction. Older versions of pg cannot say it. */
  getTransactionStatus?(): string | null;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** What is used of a pool of `pg`: `new pg.Pool(…)`. */
export interface PgPool {
  // biome-ignore lint/suspicious/noExplicitAny: pg's own type has overloads, from which only this form can be inferred.
  connect(): Promise<any>;
}

/** The client that `pool.connect()` gives. */
export type PgClientOf<P> = P extends { connect: { (): Promise<infer C>; (...args: never[]): unknown } } ? C : PgClient;

const ENDS_TRANSACTION = /^(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction)\b/i;
const ROLLBACK = /^rollback\b(?!\s+(?:(?:work|transaction)\s+)?to\b)/i;

const RULES = {
  statements: new Set(['query']),
  forbidden: new Set(['release', 'end', 'connect']),
  objection: (sql: string) =>
    ENDS_TRANSACTION.test(sql) || ROLLBACK.test(sql)
      ? `“${sql.slice(0, 40)}” is not for the business function: the transaction is begun and ended for it.`
      : null,
  // The server itself refuses everything in an aborted transaction, COMMIT included.
  endsTransaction: () => false,
};

class PgConnection<C> implements Connection<C> {
  readonly tx: C;
  readonly #client: PgClient;
  readonly #guard: GuardedConnection<PgClient>;
  /** A client that is lent tells nobody else that its connection broke; the next statement fails by itself. */
  readonly #ignore = (): void => {};

  constructor(client: PgClient) {
    this.#client = client;
    this.#guard = new GuardedConnection(client, RULES);
    this.tx = this.#guard.handle as unknown as C;
    client.on('error', this.#ignore);
  }

  async begin(): Promise<void> {
    await this.leaveTransaction();
    await this.#client.query('begin');
  }

  protected async leaveTransaction(): Promise<void> {
    if (this.#client.getTransactionStatus?.() !== 'I') await this.#client.query('rollback');
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    return (await this.#client.query(rendered(statement, 'postgresql'), [...statement.params])).rows;
  }

  seal(): Error | null {
    return this.#guard.seal();
  }

  async commit(): Promise<void> {
    const { command } = await this.#client.query('commit');
    if (command !== 'COMMIT') throw new Error(`the server answered ${command} to COMMIT: the transaction had failed`);
  }

  async rollback(): Promise<void> {
    await this.#client.query('rollback');
  }

  release(): void {
    this.#client.off('error', this.#ignore);
    this.#client.release();
  }

  destroy(): void {
    // Its end may still be told as an error, so the listener stays.
    this.#client.release(true);
  }
}

/** A client for one statement that commits by itself. */
class PgErrand extends PgConnection<unknown> {
  override begin(): Promise<void> {
    return this.leaveTransaction();
  }
}

export const pgDatabase = <P extends PgPool>(pool: P): LocalDatabase<PgClientOf<P>> => {
  const connect = async (): Promise<PgClient> => (await pool.connect()) as PgClient;
  const lend = async (): Promise<PgConnection<PgClientOf<P>>> => new PgConnection(await connect());
  return {
    dialect: 'postgresql',
    isSynchronous: false,
    transaction: work => runTransaction(lend, work),
    query: (statement, withinMs) => queryOnce(async () => new PgErrand(await connect()), statement, withinMs),
    assertIdle: () => {},
    close: async () => {},
  };
};
