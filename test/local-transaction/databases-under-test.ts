/** Every database and every way to it that the SDKs' promises are tested on. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type mysql from 'mysql2/promise';
import type pg from 'pg';
import type { Test } from 'tap';
import { betterSqlite3Database } from '../../local-transaction/better-sqlite3.ts';
import { assertStands, type GuardTable, insert, readOwn } from '../../local-transaction/guard-row.ts';
import type { LocalDatabase, LocalWork } from '../../local-transaction/local-database.ts';
import { mysqlDatabase } from '../../local-transaction/mysql2.ts';
import { pgDatabase } from '../../local-transaction/pg.ts';
import { sqlToolDatabase } from '../../local-transaction/sql-tool.ts';
import type { Dialect, Row, Statement } from '../../local-transaction/statement.ts';
import {
  lentBy,
  mariadbDatabase,
  mariadbPool,
  needsMariadb,
  needsPostgres,
  postgresDatabase,
  postgresPool,
  type TestDatabase,
} from '../support/databases.ts';
import { temporaryFolder } from '../support/store.ts';

/** What the business function is given: of each driver its own, and tests use it through `run`. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnyTx = any;

/** A database with the tables below, nobody else in it. */
export interface UnderTest {
  readonly database: LocalDatabase<AnyTx>;
  /** One statement in the business function's transaction; on a synchronous database at once. */
  run(tx: AnyTx, sql: string): readonly Row[] | Promise<readonly Row[]>;
  /** One statement on a connection of its own, as another process would see and do it. */
  outside(sql: string): Promise<readonly Row[]>;
  /** A connection of its own, with as many statements as you like. */
  connect(): Promise<Outsider>;
  /** A connection of the very pool that the database uses; SQLite has no pool. */
  borrow(): Promise<Outsider>;
  /** How many connections of the pool are lent now. */
  lent(): number;
}

export interface Outsider {
  run(sql: string): Promise<readonly Row[]>;
  /** Ends its connection, or gives it back to the pool. */
  end(): Promise<void>;
}

export interface Way {
  readonly name: string;
  readonly dialect: Dialect;
  /** Whether the SDK has the connection in its own hands, or a tool of the user's has it. */
  readonly isGeneral: boolean;
  readonly needs: { readonly skip: string | boolean };
  /** With a pool of `max` connections. `through`: another address to reach the server by. */
  open(t: Test, options?: OpenOptions): Promise<UnderTest>;
}

export interface OpenOptions {
  readonly max?: number;
  readonly through?: (server: TestDatabase) => Promise<{ readonly host: string; readonly port: number }>;
}

export const GUARD: GuardTable = { name: 'guard', keys: ['scope', 'id'], timestamp: 'made_at' };

const SCHEMA: Record<Dialect, readonly string[]> = {
  sqlite: [
    'create table guard (scope text not null, id text not null, token text not null, made_at text not null, primary key (scope, id)) strict',
    'create table effect (id integer primary key, note text)',
  ],
  postgresql: [
    'create table guard (scope varchar(64) collate "C", id varchar(64) collate "C", token varchar(64), made_at timestamptz, primary key (scope, id))',
    'create table effect (id integer primary key, note text)',
  ],
  mysql: [
    'create table guard (scope varchar(64) character set ascii collate ascii_bin, id varchar(64) character set ascii collate ascii_bin, token varchar(64), made_at datetime(3), primary key (scope, id)) engine=InnoDB',
    'create table effect (id integer primary key, note text) engine=InnoDB',
  ],
};

const sqlite: Way = {
  name: 'SQLite, better-sqlite3',
  dialect: 'sqlite',
  isGeneral: false,
  needs: { skip: false },
  open: async t => {
    const file = join(temporaryFolder(t), 'own.db');
    const open = (options: Database.Options = {}): Database.Database => {
      const db = new Database(file, options);
      t.teardown(() => db.close());
      return db;
    };
    const db = open();
    db.pragma('journal_mode = WAL');
    for (const statement of SCHEMA.sqlite) db.exec(statement);
    const run = (db: Database.Database, sql: string): Row[] => {
      const statement = db.prepare(sql);
      if (statement.reader) return statement.all() as Row[];
      statement.run();
      return [];
    };
    const connect = async (): Promise<Outsider> => {
      const other = open({ timeout: 0 });
      return { run: async sql => run(other, sql), end: async () => void other.close() };
    };
    const database = betterSqlite3Database(db);
    t.teardown(() => database.close());
    const stranger = open();
    return {
      database,
      run,
      outside: async sql => run(stranger, sql),
      connect,
      borrow: async () => ({ run: async sql => run(db, sql), end: async () => {} }),
      lent: () => 0,
    };
  },
};

/** The general form asks for its rows as a tool would give them, so each has a shape of its own. */
const throughPg = (pool: pg.Pool): LocalDatabase<pg.PoolClient> => {
  pool.on('connect', client => client.on('error', () => {}));
  return sqlToolDatabase<pg.Pool, pg.PoolClient>({
    dialect: 'postgresql',
    db: pool,
    transaction: async (pool, work) => {
      const client = await pool.connect();
      try {
        await client.query('begin');
        await work(client);
        await client.query('commit');
        client.release();
      } catch (error) {
        await client.query('rollback').then(
          () => client.release(),
          () => client.release(true),
        );
        throw error;
      }
    },
    query: (executor, { sql, params }) => executor.query(sql, [...params]),
  });
};

const throughMysql2 = (pool: mysql.Pool): LocalDatabase<mysql.PoolConnection> =>
  sqlToolDatabase<mysql.Pool, mysql.PoolConnection>({
    dialect: 'mysql',
    db: pool,
    transaction: async (pool, work) => {
      const connection = await pool.getConnection();
      try {
        await connection.beginTransaction();
        await work(connection);
        await connection.commit();
        connection.release();
      } catch (error) {
        await connection.rollback().then(
          () => connection.release(),
          () => connection.destroy(),
        );
        throw error;
      }
    },
    query: (executor, { sql, params }) => executor.query(sql, [...params]),
  });

const postgres = (name: string, isGeneral: boolean, use: (pool: pg.Pool) => LocalDatabase<AnyTx>): Way => ({
  name,
  dialect: 'postgresql',
  isGeneral,
  needs: needsPostgres,
  open: async (t, { max = 4, through } = {}) => {
    const made = await postgresDatabase(t);
    const outsiders = await postgresPool(t, { ...made });
    for (const statement of SCHEMA.postgresql) await outsiders.query(statement);
    const pool = await postgresPool(t, { ...made, ...(await through?.(made)), max });
    const outsider = async (pool: pg.Pool): Promise<Outsider> => {
      const client = await pool.connect();
      const ignore = (): void => {};
      client.on('error', ignore);
      const end = async (): Promise<void> => {
        client.off('error', ignore);
        client.release();
      };
      return { run: async sql => (await client.query(sql)).rows, end };
    };
    return {
      database: use(pool),
      run: async (tx, sql) => (await tx.query(sql)).rows,
      outside: async sql => (await outsiders.query(sql)).rows,
      connect: () => outsider(outsiders),
      borrow: () => outsider(pool),
      lent: () => lentBy(pool),
    };
  },
});

const mariadb = (name: string, isGeneral: boolean, use: (pool: mysql.Pool) => LocalDatabase<AnyTx>): Way => ({
  name,
  dialect: 'mysql',
  isGeneral,
  needs: needsMariadb,
  open: async (t, { max = 4, through } = {}) => {
    const made = await mariadbDatabase(t);
    const outsiders = await mariadbPool(t, { ...made });
    for (const statement of SCHEMA.mysql) await outsiders.query(statement);
    const pool = await mariadbPool(t, { ...made, ...(await through?.(made)), connectionLimit: max });
    const outsider = async (pool: mysql.Pool): Promise<Outsider> => {
      const connection = await pool.getConnection();
      return {
        run: async sql => (await connection.query(sql))[0] as Row[],
        end: async () => connection.release(),
      };
    };
    return {
      database: use(pool),
      run: async (tx, sql) => (await tx.query(sql))[0],
      outside: async sql => (await outsiders.query(sql))[0] as Row[],
      connect: () => outsider(outsiders),
      borrow: () => outsider(pool),
      lent: () => lentBy(pool),
    };
  },
});

export const WAYS: readonly Way[] = [
  sqlite,
  postgres('PostgreSQL, pg', false, pgDatabase),
  mariadb('MariaDB, mysql2', false, mysqlDatabase),
  postgres('PostgreSQL, general form', true, throughPg),
  mariadb('MariaDB, general form', true, throughMysql2),
];

/** The claim of `id` under `token`. */
export const claimOf = (dialect: Dialect, id: string, token: string): Statement =>
  insert({ dialect, table: GUARD, values: { scope: 's', id, token }, onConflict: 'error' });

const TIMEOUT_MS = 30_000;

/** A transaction as the SDKs make them: the claim first, the look at it last. */
export const work = <T>(
  dialect: Dialect,
  id: string,
  business: LocalWork<AnyTx, T>['business'],
  more: Partial<LocalWork<AnyTx, T>> = {},
): LocalWork<AnyTx, T> => ({
  *opening() {
    yield claimOf(dialect, id, `token-${id}`);
  },
  business,
  *closing() {
    const rows: readonly Row[] = yield readOwn(dialect, GUARD, ['token'], { scope: 's', id });
    assertStands(rows[0], { token: `token-${id}` });
  },
  timeoutMs: TIMEOUT_MS,
  ...more,
});

/** What others see of it: the ids of claims and of effects. */
export const seen = async ({ outside }: UnderTest): Promise<{ claims: unknown[]; effects: unknown[] }> => ({
  claims: (await outside('select id from guard order by id')).map(({ id }) => id),
  effects: (await outside('select id from effect order by id')).map(({ id }) => id),
});
export const NOTHING = { claims: [], effects: [] };
