/** Real databases for a test: one server for all tests of a run, on it a database for each test, empty at its start. */
import mysql from 'mysql2/promise';
import pg from 'pg';
import root, { type Test } from 'tap';
import { startMariadb } from '../../tools/databases/mariadb.ts';
import { startPostgres } from '../../tools/databases/postgres.ts';
import { mariadbAvailable, postgresAvailable } from '../../tools/databases/programs.ts';
import type { DatabaseAddress, DatabaseServer, Settings } from '../../tools/databases/server.ts';
import { until } from './until.ts';

/** For the options of a test: `t.test(name, needsPostgres, …)`. */
export const needsPostgres = { skip: postgresAvailable().why ?? false };
export const needsMariadb = { skip: mariadbAvailable().why ?? false };

/** Started for this test alone, ended with it: may be killed, and configured. */
export const ownPostgres = (t: Test, settings?: Settings): Promise<DatabaseServer> => own(t, startPostgres(settings));
export const ownMariadb = (t: Test, settings?: Settings): Promise<DatabaseServer> => own(t, startMariadb(settings));

const own = async (t: Test, starting: Promise<DatabaseServer>): Promise<DatabaseServer> => {
  const server = await starting;
  t.teardown(() => server.close());
  return server;
};

/** The test command started it, or the first test of this file does. Never stopped or configured. */
const shared = (name: string, start: () => Promise<DatabaseServer>): (() => Promise<DatabaseAddress>) => {
  let starting: Promise<DatabaseServer> | undefined;
  return async () => {
    const given = process.env[name];
    if (given) return JSON.parse(given);
    if (starting === undefined) {
      starting = start();
      root.teardown(async () => (await starting)?.close());
    }
    return (await starting).address;
  };
};
export const sharedPostgres = shared('ESCROWMQ_TEST_POSTGRES', startPostgres);
export const sharedMariadb = shared('ESCROWMQ_TEST_MARIADB', startMariadb);

/** What a driver needs to reach a database that was made for a test. */
export interface TestDatabase extends DatabaseAddress {
  readonly database: string;
}

let made = 0;
const newName = (): string => `test_${process.pid}_${made++}`;

/** An empty database, dropped with the test whoever still uses it. */
export const postgresDatabase = async (t: Test, server?: DatabaseServer): Promise<TestDatabase> => {
  const address = server?.address ?? (await sharedPostgres());
  const made = { ...address, database: newName() };
  const administrate = async (sql: string): Promise<void> => {
    const client = new pg.Client({ ...address, database: 'postgres' });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await administrate(`create database ${made.database}`);
  // A server of its own goes away with all that is in it.
  if (server === undefined) t.teardown(() => administrate(`drop database ${made.database} with (force)`));
  return made;
};

export const mariadbDatabase = async (t: Test, server?: DatabaseServer): Promise<TestDatabase> => {
  const address = server?.address ?? (await sharedMariadb());
  const made = { ...address, database: newName() };
  const administrate = async (use: (connection: mysql.Connection) => Promise<unknown>): Promise<void> => {
    const connection = await mysql.createConnection({ ...address });
    await use(connection);
    await connection.end();
  };
  await administrate(connection => connection.query(`create database ${made.database}`));
  if (server === undefined) {
    t.teardown(() =>
      administrate(async connection => {
        const using = 'select id from information_schema.processlist where db = ?';
        const [rows] = await connection.query<mysql.RowDataPacket[]>(using, [made.database]);
        // One that ends by itself meanwhile is no failure.
        for (const { id } of rows) await connection.query(`kill ${id}`).catch(() => {});
        await connection.query(`drop database ${made.database}`);
      }),
    );
  }
  return made;
};

/**
 * A pool on a database of its own, or on the one in `options`. Ended with the test, which fails if connections are lent
 * that nobody gives back.
 */
export const postgresPool = async (t: Test, options: pg.PoolConfig = {}): Promise<pg.Pool> => {
  const database = options.database === undefined ? await postgresDatabase(t) : {};
  const pool = new pg.Pool({ ...database, ...options });
  const clients = new Set<pg.PoolClient>();
  pool.on('error', () => {});
  pool.on('connect', client => clients.add(client));
  t.teardown(async () => {
    await until('every client is back in its pool', () => pool.idleCount === pool.totalCount);
    // While it says good-bye the database may be dropped under its feet.
    for (const client of clients) client.on('error', () => {});
    await pool.end();
  });
  return pool;
};

export const mariadbPool = async (t: Test, options: mysql.PoolOptions = {}): Promise<mysql.Pool> => {
  const database = options.database === undefined ? await mariadbDatabase(t) : {};
  const pool = mysql.createPool({ ...database, ...options });
  t.teardown(async () => {
    await until('every connection is back in its pool', () => lentBy(pool) === 0);
    await pool.end();
  });
  return pool;
};

/** How many connections of the pool are lent now, or being opened for somebody. */
export const lentBy = (pool: pg.Pool | mysql.Pool): number => {
  if (pool instanceof pg.Pool) return pool.totalCount - pool.idleCount;
  const { _allConnections: all, _freeConnections: free } = pool.pool as unknown as Record<string, { length: number }>;
  return all!.length - free!.length;
};
