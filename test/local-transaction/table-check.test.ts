/** A table that cannot keep the promise is refused before anything is told to anybody, with a sentence that helps. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import mysql from 'mysql2/promise';
import t, { type Test } from 'tap';
import { betterSqlite3Database } from '../../local-transaction/better-sqlite3.ts';
import type { LocalDatabase } from '../../local-transaction/local-database.ts';
import { mysqlDatabase } from '../../local-transaction/mysql2.ts';
import { pgDatabase } from '../../local-transaction/pg.ts';
import { assertReady, type TableCheckOptions } from '../../local-transaction/table-check.ts';
import {
  mariadbDatabase,
  mariadbPool,
  needsMariadb,
  needsPostgres,
  ownMariadb,
  ownPostgres,
  postgresDatabase,
  postgresPool,
} from '../support/databases.ts';
import { temporaryFolder } from '../support/store.ts';
import { WAYS } from './databases-under-test.ts';

t.setTimeout(200_000);

const TABLE = { name: 'guard', keys: ['scope', 'id'], columns: ['scope', 'id', 'token', 'made_at'] };
const READY = { message: 'ready' };

/** What the check says, or `ready`. */
const verdict = async (database: LocalDatabase<never> | LocalDatabase<unknown>, options: TableCheckOptions = {}) => {
  try {
    await assertReady(database as LocalDatabase<unknown>, TABLE, options);
    return READY;
  } catch (error) {
    return error as Error;
  }
};
const refused = (message: RegExp) => ({ name: 'LocalTransactionError', code: 'DATABASE_NOT_READY', message });

for (const { name, needs, dialect, open } of WAYS) {
  t.test(`${name}: the table as it should be, missing, incomplete, under another key`, needs, async t => {
    const { database, outside } = await open(t);
    t.match(await verdict(database), READY);
    await outside('alter table guard drop column token');
    t.match(await verdict(database), refused(/The table guard in the .* lacks token: compare it with .*`schema`/));
    await outside('drop table guard');
    const missing = await verdict(database);
    t.match(missing, refused(/There is no table guard in the .*: run install\(\), or the text in `schema`/));
    // On a shared MariaDB other tests have tables of the name.
    if (dialect !== 'mysql') t.notMatch(missing.message, /There is one in/);
    t.match(missing.message, dialect === 'sqlite' ? /own\.db/ : /database “test_\d+_\d+”/);

    const [key, rest] = {
      sqlite: ['text not null', ''],
      postgresql: ['varchar(64) collate "C"', ''],
      mysql: ['varchar(64) character set ascii collate ascii_bin', ' engine=InnoDB'],
    }[dialect]!;
    const others = {
      ', primary key (id, scope)': /must be \(scope, id\), and is \(id, scope\)/,
      ', primary key (id)': /must be \(scope, id\), and is \(id\)/,
      ', primary key (scope, id, token)': /must be \(scope, id\), and is \(scope, id, token\)/,
      ', unique (scope, id)': /must be \(scope, id\), and is missing/,
    };
    for (const [constraint, message] of Object.entries(others)) {
      await outside(
        `create table guard (made_at text, token ${key}, id ${key}, scope ${key}, more int${constraint})${rest}`,
      );
      t.match(await verdict(database), refused(message));
      await outside('drop table guard');
    }
    await outside(
      `create table guard (made_at text, token ${key}, more int, id ${key}, scope ${key}, primary key (scope, id))${rest}`,
    );
    t.match(await verdict(database), READY, 'columns of the user’s own, and in another order, do no harm');
  });

  t.test(`${name}: keys that do not compare byte for byte`, needs, async t => {
    const { database, outside } = await open(t);
    if (dialect === 'postgresql') {
      await outside(`create collation blurred (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`);
      await outside('create extension if not exists citext');
    }
    const bad: [type: string, message: RegExp][] = {
      sqlite: [
        ['text collate nocase', /id \(collation nocase\)/],
        ['text collate rtrim', /id \(collation rtrim\)/],
        ['integer', /id \(type INTEGER\)/i],
      ] as [string, RegExp][],
      postgresql: [
        ['varchar(64) collate blurred', /id \(collation blurred\)/],
        ['text collate "en-x-icu"', /id \(collation en-x-icu\)/],
        ['varchar(64)', /id \(collation default\)/],
        ['citext collate "C"', /id \(type citext\)/],
        ['char(64) collate "C"', /id \(type character\)/],
      ] as [string, RegExp][],
      mysql: [
        ['varchar(64)', /id \(collation utf8mb4_general_ci\)/],
        ['varchar(64) character set ascii', /id \(collation ascii_general_ci\)/],
        ['int', /id \(type int\)/],
      ] as [string, RegExp][],
    }[dialect];
    const good = {
      sqlite: ['text', 'varchar(64)', 'text collate binary'],
      postgresql: ['text collate "POSIX"', 'varchar(10) collate ucs_basic'],
      mysql: ['varchar(64) collate utf8mb4_bin', 'varbinary(64)', 'varchar(64) collate utf8mb4_nopad_bin'],
    }[dialect];
    const scope = { sqlite: 'text', postgresql: 'text collate "C"', mysql: 'varbinary(9)' }[dialect];
    const make = async (type: string): Promise<void> => {
      await outside('drop table guard');
      await outside(
        `create table guard (scope ${scope}, id ${type}, token text, made_at text, primary key (scope, id))`,
      );
    };
    for (const [type, message] of bad) {
      await make(type);
      const said = await verdict(database);
      t.match(said, refused(/must compare byte for byte, or two ids may count as one/), type);
      t.match(said.message, message);
      t.notMatch(said.message, /scope \(/, 'the other key column is not blamed');
    }
    for (const type of good) {
      await make(type);
      t.match(await verdict(database), READY, type);
    }
  });
}

t.test('the trap behind it: without a collation of its own order-a is ORDER-A', needsMariadb, async t => {
  const { database, outside } = await WAYS.find(({ dialect }) => dialect === 'mysql')!.open(t);
  await outside('drop table guard');
  await outside(
    'create table guard (scope varchar(9), id varchar(64), token text, made_at text, primary key (scope, id))',
  );
  await outside(`insert into guard values ('s', 'order-a', '', '')`);
  t.same(await outside(`select id from guard where id = 'ORDER-A'`), [{ id: 'order-a' }]);
  t.match(await verdict(database), refused(/scope \(collation utf8mb4_general_ci\), id \(collation/));
});

t.test('PostgreSQL: another schema, a deferrable key, a role that may only read', needsPostgres, async t => {
  const { host, port, user, database: name } = await postgresDatabase(t);
  const pool = await postgresPool(t, { host, port, user, database: name });
  const database = pgDatabase(pool);
  await pool.query('create schema "Other"');
  const columns = 'scope text collate "C", id text collate "C", token text, made_at text';
  await pool.query(`create table "Other".guard (${columns}, primary key (scope, id))`);
  t.match(
    await verdict(database),
    refused(new RegExp(`no table guard in the database “${name}” \\(search path .*There is one in schema “Other”: is`)),
  );
  await pool.query(`alter role ${user} in database ${name} set search_path to "Other"`);
  const there = await postgresPool(t, { host, port, user, database: name });
  t.match(await verdict(pgDatabase(there)), READY, 'on the search path');

  await pool.query(`create table guard (${columns}, primary key (scope, id) deferrable)`);
  t.match(await verdict(database), refused(/must not be deferrable/));

  await pool.query(`alter role ${user} in database ${name} set default_transaction_read_only to on`);
  const reading = await postgresPool(t, { host, port, user, database: name });
  t.match(await verdict(pgDatabase(reading)), refused(/read-only by default/));
});

t.test('PostgreSQL: a database whose own default is byte for byte', needsPostgres, async t => {
  const admin = await postgresPool(t);
  const database = `c_${process.pid}`;
  await admin.query(`create database ${database} template template0 locale 'C'`);
  t.teardown(() => admin.query(`drop database ${database} with (force)`));
  const { host, port, user } = admin.options as { host: string; port: number; user: string };
  const pool = await postgresPool(t, { host, port, user, database });
  await pool.query('create table guard (scope text, id text, token text, made_at text, primary key (scope, id))');
  t.match(await verdict(pgDatabase(pool)), READY);
});

t.test('PostgreSQL: a server that forgets, and a replica', needsPostgres, async t => {
  const server = await ownPostgres(t, { fsync: 'off' });
  const pool = await postgresPool(t, { ...(await postgresDatabase(t, server)) });
  const database = pgDatabase(pool);
  await pool.query(
    'create table guard (scope text collate "C", id text collate "C", token text, made_at text, primary key (scope, id))',
  );
  t.match(await verdict(database), refused(/fsync off and may forget.*acceptLossyCommits: true/));
  t.match(await verdict(database, { acceptLossyCommits: true }), READY);
  t.match(await verdict(database, { acceptLossyCommits: false }), refused(/fsync/));

  await server.stop();
  writeFileSync(join(server.dataFolder, 'standby.signal'), '');
  await server.start();
  t.match(await verdict(database, { acceptLossyCommits: true }), refused(/a replica or still recovering: connect to/));
});

t.test('MariaDB: another database, none, another engine, a view', needsMariadb, async t => {
  const made = await mariadbDatabase(t);
  const pool = await mariadbPool(t, { ...made });
  const columns = 'scope varbinary(64), id varbinary(64), token text, made_at text, primary key (scope, id)';
  await pool.query(`create table guard (${columns}) engine=Aria`);
  t.match(
    await verdict(mysqlDatabase(pool)),
    refused(new RegExp(`guard in the database “${made.database}” must be of engine InnoDB, and is Aria`)),
  );
  await pool.query('alter table guard engine = InnoDB');
  t.match(await verdict(mysqlDatabase(pool)), READY);

  const elsewhere = await mariadbPool(t, {});
  t.match(
    await verdict(mysqlDatabase(elsewhere)),
    refused(new RegExp(`There is no table guard in the database “.*There is one in .*database “${made.database}”`)),
  );
  await elsewhere.query(`create view guard as select * from ${made.database}.guard`);
  t.match(await verdict(mysqlDatabase(elsewhere)), refused(/must be of engine InnoDB, and is a view/));

  const { database: _, ...address } = made;
  const nowhere = mysql.createPool({ ...address });
  t.teardown(() => nowhere.end());
  t.match(await verdict(mysqlDatabase(nowhere)), refused(/in this connection, which names no database/));
});

t.test('MariaDB: a server that forgets, takes no writes, or a session that does not', needsMariadb, async t => {
  const server = await ownMariadb(t, { innodb_flush_log_at_trx_commit: 2 });
  const pool = await mariadbPool(t, { ...(await mariadbDatabase(t, server)), connectionLimit: 1 });
  const database = mysqlDatabase(pool);
  await pool.query(
    'create table guard (scope varbinary(64), id varbinary(64), token text, made_at text, primary key (scope, id))',
  );
  t.match(await verdict(database), refused(/innodb_flush_log_at_trx_commit = 2 and may forget/));
  t.match(await verdict(database, { acceptLossyCommits: true }), READY);
  await pool.query('set global innodb_flush_log_at_trx_commit = 0');
  t.match(await verdict(database), refused(/innodb_flush_log_at_trx_commit = 0/));
  await pool.query('set global innodb_flush_log_at_trx_commit = 1');
  t.match(await verdict(database), READY);
  await pool.query('set global read_only = 1');
  t.match(await verdict(database), refused(/takes no writes \(read_only = ON\): connect to the primary/));
  await pool.query('set global read_only = 0');
  await pool.query('set session tx_read_only = 1');
  t.match(await verdict(database), refused(/takes no writes \(tx_read_only = ON\)/));
});

t.test('SQLite: a file that takes no writes', async t => {
  const file = join(temporaryFolder(t), 'own.db');
  const open = (t: Test, options: Database.Options = {}): Database.Database => {
    const db = new Database(file, options);
    t.teardown(() => db.close());
    return db;
  };
  const db = open(t);
  db.exec('create table guard (scope text, id text, token text, made_at text, primary key (scope, id))');
  t.throws(() => betterSqlite3Database(open(t, { readonly: true })), refused(/opened readonly/));

  const queryOnly = betterSqlite3Database(db);
  t.teardown(() => queryOnly.close());
  db.pragma('query_only = on');
  t.throws(() => queryOnly.assertIdle(), refused(/query_only/));
  db.pragma('query_only = off');
  queryOnly.assertIdle();
  t.match(await verdict(queryOnly), READY);

  db.exec('begin immediate');
  t.match(await verdict(queryOnly, { withinMs: 50 }), READY, 'who waits for a writer may write');
  db.exec('rollback');

  const asked: string[] = [];
  const failing: LocalDatabase<unknown> = {
    ...(queryOnly as LocalDatabase<unknown>),
    query: async (statement, withinMs) => {
      asked.push(statement.parts.join('?'));
      if (/^delete/.test(statement.parts[0]!)) throw new Error('attempt to write a readonly database');
      return queryOnly.query(statement, withinMs);
    },
  };
  t.match(await verdict(failing), refused(/takes no writes \(attempt to write a readonly database\)/));
  t.equal(asked.length, 3);
});

t.test('what a question fails with is told as it is', async t => {
  const gone = new Error('connect ECONNREFUSED');
  const database = {
    dialect: 'postgresql',
    query: async () => Promise.reject(gone),
  } as unknown as LocalDatabase<unknown>;
  t.equal(await verdict(database), gone);
});
