/** SQLite through better-sqlite3: where its promises are kept in another way, or may be broken in another way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import { betterSqlite3Database } from '../../local-transaction/better-sqlite3.ts';
import { isLockTimeout } from '../../local-transaction/lock-timeout.ts';
import { sql } from '../../local-transaction/statement.ts';
import { temporaryFolder } from '../support/store.ts';
import { claimOf, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const MISUSED = { name: 'LocalTransactionError', code: 'MISUSED_TRANSACTION', retryable: false };
const TABLES =
  'create table guard (scope text, id text, token text, made_at text, primary key (scope, id)) strict; create table effect (id integer primary key)';

const open = (t: Test, options: Database.Options = {}) => {
  const file = join(temporaryFolder(t), 'own.db');
  const db = new Database(file, options);
  t.teardown(() => db.close());
  db.pragma('journal_mode = WAL');
  db.exec(TABLES);
  const database = betterSqlite3Database(db);
  t.teardown(() => database.close());
  const count = (): unknown =>
    db.prepare('select (select count(*) from guard) || (select count(*) from effect)').pluck().get();
  return { file, db, database, count };
};

/** Holds the write lock of the file from a process of its own, until `release`. */
const otherProcess = async (t: Test, file: string): Promise<{ release(): Promise<void> }> => {
  const code = `
    import Database from 'better-sqlite3';
    const db = new Database(process.argv[1]);
    db.exec('begin immediate');
    console.log('held');
    process.stdin.once('data', () => { db.exec('commit'); process.exit(0); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  await createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next();
  const release = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.stdin!.write('now\n');
    await ended;
  };
  return { release };
};

t.test('a handle with a transaction open is refused, and nothing of that transaction is touched', async t => {
  const { db, database, count } = open(t);
  database.assertIdle();
  db.exec('begin; insert into effect values (1)');
  t.throws(() => database.assertIdle(), { ...MISUSED, message: /has an open transaction/ });
  await t.rejects(database.transaction(work('sqlite', 'a', () => {})), MISUSED);
  t.equal(db.inTransaction, true);
  db.exec('commit');
  database.assertIdle();
  t.equal(count(), '01');
});

t.test('a closed handle is refused', async t => {
  const { db, database } = open(t);
  db.close();
  t.throws(() => database.assertIdle(), { ...MISUSED, message: /is closed/ });
});

t.test('a database in memory is refused: there is no second way to it', async t => {
  for (const name of [':memory:', '']) {
    const db = new Database(name);
    t.throws(() => betterSqlite3Database(db), { ...MISUSED, message: /in memory/ }, `“${name}”`);
    db.close();
  }
});

t.test('an async function is refused and rolled back, also where it fails by itself', async t => {
  const { db, database, count } = open(t);
  // As query builders have it: it begins when somebody waits for it, which nobody shall.
  const lazy = new Proxy({}, { get: (_, name) => (name === 'then' ? () => t.fail('was begun') : undefined) });
  for (const after of [
    async () => {},
    () => Promise.reject(new Error('mine')),
    () => lazy as unknown as Promise<void>,
  ]) {
    const business = (): Promise<void> => {
      db.exec('insert into effect values (1)');
      return after();
    };
    await t.rejects(database.transaction(work('sqlite', 'a', business)), { ...MISUSED, message: /must not be async/ });
    t.equal(count(), '00');
    t.equal(db.inTransaction, false);
  }
});

t.test('a function that ends the transaction itself is refused', async t => {
  const { db, database, count } = open(t);
  const ending = (statement: string) => work('sqlite', 'a', () => void db.exec(statement));
  await t.rejects(database.transaction(ending('rollback')), MISUSED);
  t.equal(count(), '00');
  await t.rejects(database.transaction(ending('rollback; begin; insert into effect values (1)')), {
    code: 'CLAIM_LOST',
  });
  t.equal(count(), '00');
  t.equal(db.inTransaction, false);
});

t.test('on the disk when it resolves: synchronous is FULL meanwhile, and as it was before afterwards', async t => {
  const { db, database } = open(t);
  const synchronous = (): unknown => db.pragma('synchronous', { simple: true });
  for (const [before, during] of [
    [1, 2],
    [0, 2],
    [2, 2],
    [3, 3],
  ]) {
    db.pragma(`synchronous = ${before}`);
    t.equal(synchronous(), before);
    t.equal(await database.transaction(work('sqlite', `a${before}`, () => synchronous())), during);
    t.equal(synchronous(), before);
    const failing = work('sqlite', `b${before}`, () => {
      throw new Error('mine');
    });
    await t.rejects(database.transaction(failing), { message: 'mine' });
    t.equal(synchronous(), before, 'after an error too');
    const refused = work('sqlite', `a${before}`, () => {});
    await t.rejects(database.transaction(refused), { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' });
    t.equal(synchronous(), before);
  }
  t.same(await database.query(sql`pragma synchronous`, 1_000), [{ synchronous: 2 }], 'verdicts too');
});

t.test('another process holds the write lock', async t => {
  const { file, database, count } = open(t, { timeout: 50 });
  const other = await otherProcess(t, file);
  let turns = 0;
  const turn = setInterval(() => {
    turns += 1;
  }, 5);
  const error: unknown = await database.query(claimOf('sqlite', 'a', 't'), 500).catch(error => error);
  clearInterval(turn);
  t.equal(isLockTimeout(error), true);
  t.ok(turns > 10, 'the process goes on meanwhile');
  t.same(await database.query(sql`select id from guard`, 500), [], 'reading goes on');
  t.equal(count(), '00');

  const waiting = database.query(claimOf('sqlite', 'a', 't'), 30_000);
  await other.release();
  await waiting;
  await database.transaction(work('sqlite', 'b', () => {}));
  t.equal(count(), '20');
});

t.test('a transaction waits for the lock without holding the process up, as long as it may and no longer', async t => {
  // better-sqlite3 itself would wait for five seconds, in which nothing else runs.
  const { file, db, database, count } = open(t);
  const other = await otherProcess(t, file);
  let turns = 0;
  const turn = setInterval(() => {
    turns += 1;
  }, 5);
  const impatient = work('sqlite', 'a', () => {}, { timeoutMs: 300 });
  await t.rejects(database.transaction(impatient), { code: 'TRANSACTION_TIMEOUT' });
  const controller = new AbortController();
  const aborted = database.transaction(work('sqlite', 'a', () => {}, { signal: controller.signal }));
  controller.abort('enough');
  await t.rejects(aborted, { code: 'TRANSACTION_ABORTED', cause: 'enough' });
  t.ok(turns > 10);
  clearInterval(turn);
  t.equal(db.pragma('busy_timeout', { simple: true }), 5_000, 'as the user has it');

  const waiting = database.transaction(work('sqlite', 'a', () => void db.exec('insert into effect values (1)')));
  const second = database.transaction(work('sqlite', 'b', () => {}));
  await other.release();
  await Promise.all([waiting, second]);
  t.equal(count(), '21');
});

t.test('COMMIT that fails and leaves the transaction open is rolled back, and that is known', async t => {
  const { db, database, count } = open(t);
  db.exec('create table child (id integer references effect (id) deferrable initially deferred)');
  db.pragma('foreign_keys = on');
  const orphan = work('sqlite', 'a', () => void db.exec('insert into child values (7)'));
  const error: unknown = await database.transaction(orphan).catch(error => error);
  t.match(error, { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' });
  t.equal(db.inTransaction, false);
  t.equal(count(), '00');
});

t.test('verdicts do not look from inside an open transaction of the user’s handle', async t => {
  const { db, database } = open(t);
  db.exec(`begin; insert into guard values ('s', 'a', 't', '')`);
  t.same(await database.query(sql`select id from guard`, 1_000), []);
  db.exec('rollback');
});

t.test('what is closed opens again when it is asked, and a file that is gone is not made anew', async t => {
  const { file, database } = open(t);
  await database.query(claimOf('sqlite', 'a', 't'), 1_000);
  await database.close();
  t.same(await database.query(sql`select id from guard`, 1_000), [{ id: 'a' }]);
  await database.close();
  const ghost = new Database(`${file}-ghost`);
  const haunted = betterSqlite3Database(ghost);
  ghost.close();
  rmSync(`${file}-ghost`, { force: true });
  await t.rejects(haunted.query(sql`select 1`, 100), { code: 'SQLITE_CANTOPEN' });
});
