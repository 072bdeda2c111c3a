/** An inbox for each way to reach a database. */
import { type BetterSqlite3, betterSqlite3Database } from '../../local-transaction/better-sqlite3.ts';
import { type MysqlConnectionOf, type MysqlPool, mysqlDatabase } from '../../local-transaction/mysql2.ts';
import { type PgClientOf, type PgPool, pgDatabase } from '../../local-transaction/pg.ts';
import { type SqlTool, sqlToolDatabase } from '../../local-transaction/sql-tool.ts';
import { Inbox, type InboxOptions } from './inbox.ts';

/**
 * SQLite, on a connection of `better-sqlite3`. Handlers get that connection and must not be async. Throws where the
 * database is in memory.
 */
export const betterSqlite3Inbox = <D extends BetterSqlite3>(db: D): Inbox<D> => new Inbox(betterSqlite3Database(db));

/** PostgreSQL, on a pool of `pg`. Handlers get the client that has the transaction. */
export const pgInbox = <P extends PgPool>(pool: P, options?: InboxOptions): Inbox<PgClientOf<P>> =>
  new Inbox(pgDatabase(pool), options);

/** MariaDB or MySQL, on a pool of `mysql2/promise`. Handlers get the connection that has the transaction. */
export const mysqlInbox = <P extends MysqlPool>(pool: P, options?: InboxOptions): Inbox<MysqlConnectionOf<P>> =>
  new Inbox(mysqlDatabase(pool), options);

/** Any tool that runs SQL and opens transactions. Handlers get what the tool gives a function that runs in one. */
export const sqlInbox = <Db, Tx>(tool: SqlTool<Db, Tx>, options?: InboxOptions): Inbox<Tx> =>
  new Inbox(sqlToolDatabase(tool), options);
