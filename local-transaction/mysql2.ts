/** MariaDB and MySQL through the user's `mysql2/promise` pool. */
import { type Connection, queryOnce, runTransaction } from './connection.ts';
import { GuardedConnection } from './guarded-connection.ts';
import { type LocalDatabase, misused } from './local-database.ts';
import { type Row, rendered, type Statement } from './statement.ts';

/** What is used of a connection of `mysql2/promise`. */
export interface MysqlConnection {
  query(sql: string, values?: unknown[]): Promise<[unknown, unknown]>;
  release(): void;
  destroy(): void;
}

/** What is used of a pool of `mysql2/promise`: `mysql.createPool(…)`. */
export interface MysqlPool {
  // biome-ignore lint/suspicious/noExplicitAny: the connection's own type is inferred from the pool that is given.
  getConnection(): Promise<any>;
}

/** The connection that `pool.getConnection()` gives. */
export type MysqlConnectionOf<P> = P extends { getConnection(): Promise<infer C> } ? C : MysqlConnection;

const DEADLOCK = 1213;

/** Statements that end the transaction, or commit it without saying so. */
const ENDS_TRANSACTION =
  /^(?:begin|start\s+(?:transaction|slave|replica)|commit|xa|execute\s+immediate|create(?!\s+(?:or\s+replace\s+)?temporary\s+table)|alter|drop(?!\s+(?:temporary\s+table|prepare))|truncate|rename|grant|revoke|set\s+password|lock\s+tables?|unlock\s+tables|analyze|optimize|repair|check\s+table|cache\s+index|load\s+index|flush|reset|install|uninstall|change\s+master|stop\s+(?:slave|replica))\b/i;
/** Among other settings of one statement too; `@autocommit` is a variable of the user's own. */
const SETS_AUTOCOMMIT = /^set\b(?:[^'"]|'[^']*'|"[^"]*")*?(?:[\s,.`]|@@)autocommit`?\s*:?=/i;
const ROLLBACK = /^rollback\b(?!\s+(?:work\s+)?to\b)/i;

const RULES = {
  statements: new Set(['query', 'execute', 'prepare']),
  forbidden: new Set(['release', 'end', 'destroy', 'beginTransaction', 'commit', 'rollback', 'changeUser', 'reset']),
  objection: (sql: string) =>
    ENDS_TRANSACTION.test(sql) || SETS_AUTOCOMMIT.test(sql) || ROLLBACK.test(sql)
      ? `“${sql.slice(0, 40)}” would end the transaction, which is begun and ended for the business function.`
      : null,
  // A deadlock rolls back the whole transaction; whoever catches its error goes on in another one.
  endsTransaction: (error: unknown) => {
    const { errno, fatal } = error as { errno?: unknown; fatal?: unknown };
    return errno === DEADLOCK || fatal === true;
  },
};

class MysqlLoan<C> implements Connection<C> {
  readonly tx: C;
  readonly #connection: MysqlConnection;
  readonly #guard: GuardedConnection<MysqlConnection>;

  constructor(connection: MysqlConnection) {
    this.#connection = connection;
    this.#guard = new GuardedConnection(connection, RULES);
    this.tx = this.#guard.handle as unknown as C;
  }

  /** With autocommit off, what follows a swallowed deadlock is a transaction too, and ends with ROLLBACK. */
  async begin(): Promise<void> {
    await this.#connection.query('rollback');
    await this.#connection.query('set @escrow_autocommit = @@session.autocommit, session autocommit = 0');
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    const [rows] = await this.#connection.query(rendered(statement, 'mysql'), [...statement.params]);
    return Array.isArray(rows) ? (rows as Row[]) : [];
  }

  seal(): Error | null {
    return this.#guard.seal();
  }

  async commit(): Promise<void> {
    await this.#connection.query('commit');
  }

  async rollback(): Promise<void> {
    await this.#connection.query('rollback');
  }

  /** As it was before; whoever is lent it next waits behind that statement. */
  release(): void {
    this.#connection.query('set session autocommit = @escrow_autocommit').then(
      () => this.#connection.release(),
      () => this.#connection.destroy(),
    );
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

/** A connection for one statement that commits by itself and waits for locks no longer than whoever asked. */
class MysqlErrand implements Connection<never> {
  readonly tx = undefined as never;
  readonly #connection: MysqlConnection;
  readonly #lockWaitS: number;

  constructor(connection: MysqlConnection, withinMs: number) {
    this.#connection = connection;
    // Whole seconds, one at least; shorter than the time in which the answer is wanted.
    this.#lockWaitS = Math.max(1, Math.ceil(withinMs / 1_000) - 1);
  }

  async begin(): Promise<void> {
    await this.#connection.query('rollback');
    await this.#connection.query(
      `set @escrow_autocommit = @@session.autocommit, @escrow_wait = @@session.innodb_lock_wait_timeout, session autocommit = 1, session innodb_lock_wait_timeout = ${this.#lockWaitS}`,
    );
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    const [rows] = await this.#connection.query(rendered(statement, 'mysql'), [...statement.params]);
    return Array.isArray(rows) ? (rows as Row[]) : [];
  }

  seal(): null {
    return null;
  }

  async commit(): Promise<void> {}
  async rollback(): Promise<void> {}

  release(): void {
    this.#connection
      .query('set session innodb_lock_wait_timeout = @escrow_wait, session autocommit = @escrow_autocommit')
      .then(
        () => this.#connection.release(),
        () => this.#connection.destroy(),
      );
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

export const mysqlDatabase = <P extends MysqlPool>(pool: P): LocalDatabase<MysqlConnectionOf<P>> => {
  if (typeof (pool as { promise?: unknown }).promise === 'function') {
    throw misused('This is a pool with callbacks: pass pool.promise(), or a pool of mysql2/promise.');
  }
  const connect = async (): Promise<MysqlConnection> => (await pool.getConnection()) as MysqlConnection;
  const lend = async (): Promise<MysqlLoan<MysqlConnectionOf<P>>> => new MysqlLoan(await connect());
  return {
    dialect: 'mysql',
    isSynchronous: false,
    transaction: work => runTransaction(lend, work),
    query: (statement, withinMs) =>
      queryOnce(async () => new MysqlErrand(await connect(), withinMs), statement, withinMs),
    assertIdle: () => {},
    close: async () => {},
  };
};
