/** The general form with tools that do not behave, and with the shapes in which tools give their rows. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type mysql from 'mysql2/promise';
import type pg from 'pg';
import t from 'tap';
import type { LocalDatabase } from '../../local-transaction/local-database.ts';
import { assertOpen, type SqlTool, sqlToolDatabase } from '../../local-transaction/sql-tool.ts';
import { sql } from '../../local-transaction/statement.ts';
import { mariadbPool, needsMariadb, needsPostgres, postgresPool } from '../support/databases.ts';
import { temporaryFolder } from '../support/store.ts';
import { claimOf, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const MISUSED = { name: 'LocalTransactionError', code: 'MISUSED_TRANSACTION' };

/** A tool that does as `transaction` says, on a database that answers everything with nothing. */
const imagined = (transaction: SqlTool<string, string>['transaction']): LocalDatabase<string> =>
  sqlToolDatabase<string, string>({ dialect: 'postgresql', db: 'db', transaction, query: async () => [] });
const simple = (more = {}) => work('postgresql', 'a', () => 'value', { *closing() {}, ...more });

t.test('a tool that never runs the function, or forgets its error', async t => {
  await t.rejects(imagined(async () => {}).transaction(simple()), { ...MISUSED, message: /did not run the function/ });
  const mine = new Error('mine');
  const failing = { ...simple(), business: () => Promise.reject(mine) };
  const forgetful = imagined((_, work) => work('tx').catch(() => {}));
  await t.rejects(forgetful.transaction(failing), mine);
});

t.test('a tool that fails before the function, and one that wraps its error', async t => {
  const gone = new Error('no connection');
  await t.rejects(imagined(() => Promise.reject(gone)).transaction(simple()), gone);
  const mine = new Error('mine');
  const wrapping = imagined((_, work) =>
    work('tx').catch(cause => {
      throw new Error('the tool says', { cause });
    }),
  );
  let caught: unknown;
  await wrapping.transaction({ ...simple(), business: () => Promise.reject(mine) }).catch(error => {
    caught = error;
  });
  t.equal(caught, mine, 'the user’s own, unchanged');
});

t.test('a tool that tries again: after an error it may, after a COMMIT it may not', async t => {
  let runs = 0;
  const business = (): string => {
    runs += 1;
    if (runs === 1) throw new Error('serialization failure');
    return `run ${runs}`;
  };
  const retrying = imagined((_, work) => work('tx').catch(() => work('tx again')));
  t.equal(await retrying.transaction({ ...simple(), business }), 'run 2');

  runs = 1;
  const lost = new Error('the answer to COMMIT was lost');
  const careless = imagined(async (_, work) => {
    await work('tx');
    await Promise.reject(lost).catch(() => work('tx again'));
  });
  await t.rejects(careless.transaction({ ...simple(), business }), { code: 'COMMIT_FAILED', cause: MISUSED });
  t.equal(runs, 2, 'the business ran once');
});

t.test('rows in every shape that tools give them', async t => {
  const row = { id: 'a' };
  for (const [shape, rows] of [
    [[row], [row]],
    [[], []],
    [
      [row, row],
      [row, row],
    ],
    [{ rows: [row] }, [row]],
    [[[row], [{ name: 'id' }]], [row]],
    [[[], []], []],
    [[{ affectedRows: 1 }, undefined], []],
    [undefined, []],
    [null, []],
    [1, []],
    [{ rowCount: 1 }, []],
  ] as const) {
    const asked: unknown[] = [];
    const database = sqlToolDatabase<string, string>({
      dialect: 'mysql',
      db: 'db',
      transaction: async () => {},
      query: async (executor, statement) => {
        asked.push([executor, statement]);
        return shape;
      },
    });
    t.same(await database.query(sql`select ${1}, ${'x'}`, 1_000), rows, JSON.stringify(shape));
    t.same(asked, [['db', { sql: 'select ?, ?', params: [1, 'x'], parts: ['select ', ', ', ''] }]]);
  }
});

t.test('SQLite: a transaction() that opens none is found out before the claim', async t => {
  const db = new Database(join(temporaryFolder(t), 'own.db'));
  t.teardown(() => db.close());
  db.exec('create table guard (scope text, id text, token text, made_at text, primary key (scope, id))');
  const tool = (begin: string): SqlTool<Database.Database, Database.Database> => ({
    dialect: 'sqlite',
    db,
    transaction: async (db, work) => {
      db.exec(begin);
      try {
        await work(db);
        db.exec('commit');
      } catch (error) {
        if (db.inTransaction) db.exec('rollback');
        throw error;
      }
    },
    query: async (db, { sql, params }) => {
      const statement = db.prepare(sql);
      return statement.reader ? statement.all(...params) : statement.run(...params);
    },
  });
  const count = (): unknown => db.prepare('select count(*) from guard').pluck().get();
  await t.rejects(sqlToolDatabase(tool('')).transaction(work('sqlite', 'a', () => {})), MISUSED);
  t.equal(count(), 0);
  t.equal(db.inTransaction, false);
  db.pragma('synchronous = normal');
  await t.rejects(sqlToolDatabase(tool('begin immediate')).transaction(work('sqlite', 'a', () => {})), {
    code: 'DATABASE_NOT_READY',
    message: /pragma synchronous = full/,
  });
  t.equal(count(), 0);
  db.pragma('synchronous = full');
  await sqlToolDatabase(tool('begin immediate')).transaction(work('sqlite', 'a', () => {}));
  t.equal(count(), 1);
});

t.test(
  'PostgreSQL: a transaction() that opens none, or a broken one, is found out before the claim',
  needsPostgres,
  async t => {
    const pool = await postgresPool(t);
    await pool.query(
      'create table guard (scope text, id text, token text, made_at timestamptz, primary key (scope, id))',
    );
    const opening = (...statements: string[]) =>
      sqlToolDatabase<pg.Pool, pg.PoolClient>({
        dialect: 'postgresql',
        db: pool,
        transaction: async (pool, work) => {
          const client = await pool.connect();
          try {
            for (const statement of statements) await client.query(statement).catch(() => {});
            await work(client);
            await client.query('commit');
          } finally {
            await client.query('rollback');
            client.release();
          }
        },
        query: (executor, { sql, params }) => executor.query(sql, [...params]),
      });
    for (const statements of [[], ['begin', 'select nothing']]) {
      await t.rejects(
        opening(...statements).transaction(work('postgresql', 'a', () => {})),
        MISUSED,
        statements.join(),
      );
      t.same((await pool.query('select id from guard')).rows, []);
    }
    await opening('begin').transaction(work('postgresql', 'a', () => {}));
    t.same((await pool.query('select id from guard')).rows, [{ id: 'a' }]);

    // The server answers COMMIT with ROLLBACK, which this tool does not look at.
    const swallowing = work(
      'postgresql',
      'b',
      async (client: pg.PoolClient) => void (await client.query('select nothing').catch(() => {})),
      {
        *closing() {},
        *confirming() {
          const rows: readonly unknown[] = yield sql`select id from guard where id = ${'b'}`;
          if (rows.length === 0) throw new Error('it is not there');
        },
      },
    );
    const failed = { code: 'COMMIT_FAILED', cause: { message: 'it is not there' } };
    await t.rejects(opening('begin').transaction(swallowing), failed);
    const unanswered = {
      *confirming() {
        yield sql`select nothing`;
      },
    };
    await t.rejects(opening('begin').transaction(work('postgresql', 'c', () => {}, unanswered)), {
      code: 'COMMIT_FAILED',
      cause: { code: '42703' },
    });
  },
);

t.test('MariaDB: an executor without a transaction is found out before the claim', needsMariadb, async t => {
  const pool = await mariadbPool(t);
  await pool.query(
    'create table guard (scope varbinary(9), id varbinary(9), token text, made_at datetime, primary key (scope, id))',
  );
  const opening = (begin: string) =>
    sqlToolDatabase<mysql.Pool, mysql.PoolConnection>({
      dialect: 'mysql',
      db: pool,
      transaction: async (pool, work) => {
        const connection = await pool.getConnection();
        try {
          await connection.query(begin);
          await work(connection);
          await connection.query('commit');
        } finally {
          await connection.query('rollback');
          connection.release();
        }
      },
      query: (executor, { sql, params }) => executor.query(sql, [...params]),
    });
  await t.rejects(opening('select 1').transaction(work('mysql', 'a', () => {})), MISUSED);
  t.same((await pool.query('select count(*) as n from guard'))[0], [{ n: 0 }]);
  await opening('begin').transaction(work('mysql', 'a', () => {}));
  t.same((await pool.query('select count(*) as n from guard'))[0], [{ n: 1 }]);
});

t.test('an executor whose tool prepares every statement is believed', async t => {
  const steps = assertOpen('mysql');
  t.match(steps.next().value, { parts: ['savepoint escrow_claim'] });
  t.same(steps.throw(Object.assign(new Error('not supported in the prepared protocol'), { errno: 1295 })).done, true);
  t.match(claimOf('mysql', 'a', 't').params, ['s', 'a', 't']);
});
