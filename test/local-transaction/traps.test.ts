/** Traps that were seen on real servers, each laid here and not stepped into. */
import pg from 'pg';
import t from 'tap';
import { insert, read } from '../../local-transaction/guard-row.ts';
import { isLockTimeout } from '../../local-transaction/lock-timeout.ts';
import { pgDatabase } from '../../local-transaction/pg.ts';
import { needsPostgres, ownPostgres, postgresDatabase } from '../support/databases.ts';
import { type AnyTx, claimOf, GUARD, NOTHING, seen, WAYS, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const INSERT = `insert into effect (id) values (1)`;
const WITHIN_MS = 30_000;

for (const { name, needs, dialect, open } of WAYS.filter(({ dialect }) => dialect === 'mysql')) {
  t.test(`${name}: a lock time-out of the claim ends the statement only, and is still the end`, needs, async t => {
    const under = await open(t, { max: 1 });
    const own = await under.borrow();
    await own.run('set session innodb_lock_wait_timeout = 1');
    await own.end();
    const blocker = await under.connect();
    await blocker.run('begin');
    await blocker.run(`insert into guard values ('s', 'a', 'theirs', '2020-01-01 00:00:00')`);
    let ran = false;
    const business = (tx: AnyTx) => {
      ran = true;
      return under.run(tx, INSERT);
    };
    const error: unknown = await under.database.transaction(work(dialect, 'a', business)).catch(error => error);
    t.equal(isLockTimeout(error), true);
    t.equal(ran, false);

    // Whoever catches the error goes on in the very same transaction, which the server would commit.
    const goingOn = work(dialect, 'a', business, {
      *opening() {
        try {
          yield claimOf(dialect, 'a', 'token-a');
        } catch {
          // As a careless caller of the general form would.
        }
      },
    });
    await t.rejects(under.database.transaction(goingOn), { code: 'CLAIM_LOST', message: /it is gone/ });
    t.equal(ran, true);
    await blocker.run('commit');
    t.same(await seen(under), { claims: ['a'], effects: [] });
    ran = false;
    await t.rejects(under.database.transaction(goingOn), {
      code: 'CLAIM_LOST',
      message: /somebody else’s stands there/,
    });
    t.equal(ran, true);
    await blocker.end();
    t.same(await seen(under), { claims: ['a'], effects: [] });
  });

  t.test(`${name}: an older snapshot sees no row where there is one; the question does`, needs, async t => {
    const under = await open(t);
    const old = await under.connect();
    await old.run('begin');
    t.same(await old.run('select * from guard'), []);
    await under.database.query(claimOf(dialect, 'a', 'theirs'), WITHIN_MS);
    await t.rejects(old.run(`insert into guard values ('s', 'a', 'mine', utc_timestamp(3))`), { code: 'ER_DUP_ENTRY' });
    t.same(await old.run(`select * from guard where id = 'a'`), [], 'a row that is in the way, and cannot be seen');
    t.same(await under.database.query(read(GUARD, ['token'], { scope: 's', id: 'a' }), WITHIN_MS), [
      { token: 'theirs' },
    ]);
    await old.run('rollback');
    await old.end();
  });
}

for (const { name, needs, dialect, open } of WAYS.filter(({ dialect }) => dialect === 'postgresql')) {
  t.test(
    `${name}: the transaction waits for the disk whatever its session says, and no longer than that`,
    needs,
    async t => {
      const under = await open(t, { max: 1 });
      for (const [session, during] of [
        ['off', 'on'],
        ['local', 'on'],
        ['remote_write', 'on'],
        ['on', 'on'],
        ['remote_apply', 'remote_apply'],
      ]) {
        const before = await under.borrow();
        await before.run(`set synchronous_commit = ${session}`);
        await before.end();
        const business = async (tx: AnyTx) => (await under.run(tx, 'show synchronous_commit'))[0];
        t.same(await under.database.transaction(work(dialect, `id-${session}`, business)), {
          synchronous_commit: during,
        });
        const after = await under.borrow();
        t.same(await after.run('show synchronous_commit'), [{ synchronous_commit: session }]);
        await after.end();
      }
    },
  );

  t.test(`${name}: a swallowed error`, needs, async t => {
    const under = await open(t, { max: 1 });
    const swallowing = work(dialect, 'a', async tx => {
      await under.run(tx, INSERT);
      await Promise.resolve(under.run(tx, 'select nothing')).catch(() => {});
    });
    await t.rejects(under.database.transaction(swallowing), { code: '25P02' });
    t.same(await seen(under), NOTHING);
    const inSavepoint = work(dialect, 'a', async tx => {
      await under.run(tx, INSERT);
      await under.run(tx, 'savepoint s');
      await Promise.resolve(under.run(tx, 'select nothing')).catch(() => {});
      await under.run(tx, 'rollback to savepoint s');
    });
    await under.database.transaction(inSavepoint);
    t.same(await seen(under), { claims: ['a'], effects: [1] }, 'unless a savepoint keeps it from the rest');
  });
}

t.test(
  'PostgreSQL: killed right after the answer, with a session that does not wait for the disk',
  needsPostgres,
  async t => {
    // Ten seconds in which nobody else writes to the disk what waits in memory.
    const server = await ownPostgres(t, { synchronous_commit: 'off', wal_writer_delay: '10s' });
    const address = await postgresDatabase(t, server);
    const pool = new pg.Pool({ ...address });
    pool.on('error', () => {});
    t.teardown(() => pool.end());
    await pool.query(
      'create table guard (scope text, id text, token text, made_at timestamptz, primary key (scope, id))',
    );
    await pool.query('create table effect (id int)');
    const database = pgDatabase(pool);
    for (const end of ['transaction', 'query'] as const) {
      await pool.query('checkpoint');
      if (end === 'transaction') await database.transaction(work('postgresql', 'a', tx => tx.query(INSERT)));
      else {
        const verdict = { scope: 's', id: 'b', token: 't' };
        const values = { dialect: 'postgresql', table: GUARD, values: verdict, onConflict: 'nothing' } as const;
        await database.query(insert({ ...values, lockTimeoutMs: 1_000 }), WITHIN_MS);
      }
      await pool.query('insert into effect values (99)');
      await server.kill();
      await server.start();
      const { rows } = await pool.query('select id from guard order by id');
      t.same(rows, end === 'transaction' ? [{ id: 'a' }] : [{ id: 'a' }, { id: 'b' }], end);
      const effects = (await pool.query('select id from effect')).rows;
      t.same(effects, [{ id: 1 }], 'what the user commits carelessly is gone: the kill came in time');
    }
  },
);
