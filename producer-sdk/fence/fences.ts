/** A fence for each kind of database connection. */
import { type BetterSqlite3, betterSqlite3Database } from '../../local-transaction/better-sqlite3.ts';
import { take } from '../../local-transaction/connection.ts';
import {
  type MysqlConnection,
  type MysqlConnectionOf,
  type MysqlPool,
  mysqlDatabase,
} from '../../local-transaction/mysql2.ts';
import { type PgClient, type PgClientOf, type PgPool, pgDatabase } from '../../local-transaction/pg.ts';
import { ask, assertDurable, assertOpen, type SqlTool, sqlToolDatabase } from '../../local-transaction/sql-tool.ts';
import { type Dialect, type Row, rendered, type Statement } from '../../local-transaction/statement.ts';
import { type Asker, SqlFence } from './sql-fence.ts';

export interface FenceOptions {
  /**
   * Work also on a database that may forget what it committed (PostgreSQL with `fsync` off, InnoDB with
   * `innodb_flush_log_at_trx_commit` other than 1). After a power cut its verdicts may then be wrong. Default false.
   */
  acceptLossyCommits?: boolean;
}

/** Steps on an executor that is not the fence's own, after a look whether it has a transaction open. */
const asker =
  (dialect: Dialect, query: (executor: unknown, statement: Statement) => Promise<readonly Row[]>): Asker =>
  async (executor, steps) => {
    const on = (statement: Statement): Promise<readonly Row[]> => query(executor, statement);
    await take(assertOpen(dialect), on);
    if (dialect === 'sqlite') await take(assertDurable(), on);
    await take(steps, on);
  };

/** On SQLite: `new Database(file)` of better-sqlite3. Check-backs are answered on a connection of the fence's own. */
export const betterSqlite3Fence = <D extends BetterSqlite3>(db: D, options: FenceOptions = {}): SqlFence<D> => {
  const query = async (executor: unknown, statement: Statement): Promise<readonly Row[]> => {
    const prepared = (executor as D).prepare(rendered(statement, 'sqlite'));
    if (prepared.reader) return prepared.all(...statement.params) as Row[];
    prepared.run(...statement.params);
    return [];
  };
  return new SqlFence(betterSqlite3Database(db), asker('sqlite', query), options.acceptLossyCommits ?? false);
};

/** On PostgreSQL: `new pg.Pool(…)`. Business functions get a client of the pool. */
export const pgFence = <P extends PgPool>(pool: P, options: FenceOptions = {}): SqlFence<PgClientOf<P>> => {
  const query = async (executor: unknown, statement: Statement): Promise<readonly Row[]> =>
    (await (executor as PgClient).query(rendered(statement, 'postgresql'), [...statement.params])).rows;
  return new SqlFence(pgDatabase(pool), asker('postgresql', query), options.acceptLossyCommits ?? false);
};

/** On MariaDB or MySQL: a pool of `mysql2/promise`. Business functions get a connection of the pool. */
export const mysqlFence = <P extends MysqlPool>(
  pool: P,
  options: FenceOptions = {},
): SqlFence<MysqlConnectionOf<P>> => {
  const query = async (executor: unknown, statement: Statement): Promise<readonly Row[]> => {
    const [rows] = await (executor as MysqlConnection).query(rendered(statement, 'mysql'), [...statement.params]);
    return Array.isArray(rows) ? (rows as Row[]) : [];
  };
  return new SqlFence(mysqlDatabase(pool), asker('mysql', query), options.acceptLossyCommits ?? false);
};

/** On any tool that runs SQL and opens transactions; the README has Prisma, Drizzle, Knex, TypeORM and Kysely. */
export const sqlFence = <Db, Tx>(tool: SqlTool<Db, Tx>, options: FenceOptions = {}): SqlFence<Tx> => {
  const query = (executor: unknown, statement: Statement): Promise<readonly Row[]> =>
    ask(tool, executor as Tx, statement);
  return new SqlFence(sqlToolDatabase(tool), asker(tool.dialect, query), options.acceptLossyCommits ?? false);
};
