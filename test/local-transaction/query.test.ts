/** What `LocalDatabase.query` promises, on every database: a statement of its own, committed, in nobody's transaction. */
import t from 'tap';
import { insert, read } from '../../local-transaction/guard-row.ts';
import { isLockTimeout } from '../../local-transaction/lock-timeout.ts';
import { sql } from '../../local-transaction/statement.ts';
import { until } from '../support/until.ts';
import { type AnyTx, claimOf, GUARD, NOTHING, type Outsider, seen, WAYS, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const WITHIN_MS = 30_000;
const verdict = (dialect: (typeof WAYS)[number]['dialect'], id: string, lockTimeoutMs: number) =>
  insert({ dialect, table: GUARD, values: { scope: 's', id, token: 'verdict' }, onConflict: 'nothing', lockTimeoutMs });
const look = (id: string) => read(GUARD, ['token'], { scope: 's', id });

for (const { name, needs, dialect, isGeneral, open } of WAYS) {
  const begin = { sqlite: 'begin immediate', postgresql: 'begin', mysql: 'begin' }[dialect];

  t.test(`${name}: its rows, its values, its errors; committed when it resolves`, needs, async t => {
    const under = await open(t, { max: 1 });
    const { database } = under;
    t.same(await database.query(look('a'), WITHIN_MS), []);
    await database.query(claimOf(dialect, 'a', `it's`), WITHIN_MS);
    t.same((await seen(under)).claims, ['a'], 'others see it');
    t.same(await database.query(look('a'), WITHIN_MS), [{ token: `it's` }]);
    t.same(await database.query(verdict(dialect, 'a', 1_000), WITHIN_MS), [], 'a row in its way is no error');
    t.same(await database.query(look('a'), WITHIN_MS), [{ token: `it's` }], 'and stays');
    t.same(await database.query(verdict(dialect, 'b', 1_000), WITHIN_MS), []);
    t.same(await database.query(look('b'), WITHIN_MS), [{ token: 'verdict' }]);
    const duplicate = { sqlite: 'SQLITE_CONSTRAINT_PRIMARYKEY', postgresql: '23505', mysql: 'ER_DUP_ENTRY' }[dialect];
    const error: unknown = await database.query(claimOf(dialect, 'a', 't'), WITHIN_MS).catch(error => error);
    t.match(error, { code: duplicate });
    t.equal(isLockTimeout(error), false);
    t.same(await database.query(sql`select id from guard where id in (${'a'}, ${'b'}) order by id`, WITHIN_MS), [
      { id: 'a' },
      { id: 'b' },
    ]);
    t.same(await database.query(sql`delete from guard`, WITHIN_MS), []);
    await until('the connection is back', () => under.lent() === 0);
  });

  t.test(`${name}: byte for byte, and the time in UTC`, needs, async t => {
    const { database, outside } = await open(t);
    for (const id of ['order-a', 'ORDER-A', 'order_a']) await database.query(verdict(dialect, id, 1_000), WITHIN_MS);
    t.equal((await outside('select id from guard')).length, 3);
    const age = {
      sqlite: `abs(julianday('now') - julianday(made_at)) * 86400`,
      postgresql: 'abs(extract(epoch from now() - made_at))::float8',
      mysql: 'abs(timestampdiff(second, utc_timestamp(), made_at))',
    }[dialect];
    for (const { age: seconds } of await outside(`select ${age} as age from guard`)) t.ok(Number(seconds) < 600, age);
  });

  t.test(`${name}: somebody else's open row, for longer than the wait`, needs, async t => {
    const under = await open(t, { max: 1 });
    const blocker = await under.connect();
    await blocker.run(begin);
    await blocker.run(`insert into guard values ('s', 'a', 'theirs', '2020-01-01 00:00:00')`);
    let turns = 0;
    const turn = setInterval(() => {
      turns += 1;
    }, 10);
    const error: unknown = await under.database.query(verdict(dialect, 'a', 900), 2_000).catch(error => error);
    clearInterval(turn);
    if (isGeneral && dialect === 'mysql') {
      // A tool's session waits for 50 s, unless the user sets innodb_lock_wait_timeout: ours gives up before.
      t.match(error, { code: 'TRANSACTION_TIMEOUT' });
    } else {
      t.ok(error instanceof Error);
      t.equal(isLockTimeout(error), true, String(error));
    }
    t.ok(turns > 10, 'the process goes on meanwhile');
    await blocker.run('rollback');
    await blocker.end();
    await until('the connection is of use again', async () => under.lent() === 0);
    await under.database.query(verdict(dialect, 'b', 900), WITHIN_MS);
    t.ok((await seen(under)).claims.includes('b'));
  });

  t.test(`${name}: what waits for a lock goes on when it is gone`, needs, async t => {
    const under = await open(t, { max: 1 });
    const blocker = await under.connect();
    for (const end of ['commit', 'rollback']) {
      await under.outside('delete from guard');
      await blocker.run(begin);
      await blocker.run(`insert into guard values ('s', 'a', 'theirs', '2020-01-01 00:00:00')`);
      const waiting = under.database.query(verdict(dialect, 'a', WITHIN_MS), WITHIN_MS);
      await blocker.run(end);
      await waiting;
      const stands = { token: end === 'commit' ? 'theirs' : 'verdict' };
      t.same(await under.database.query(look('a'), WITHIN_MS), [stands], end);
    }
    await blocker.end();
  });

  t.test(`${name}: close() ends nothing of the user's`, needs, async t => {
    const under = await open(t, { max: 1 });
    await under.database.query(look('a'), WITHIN_MS);
    await under.database.close();
    await under.database.close();
    const borrowed = await under.borrow();
    t.same(await borrowed.run('select 1 as one'), [{ one: 1 }]);
    await borrowed.end();
    t.same(await seen(under), NOTHING);
  });

  if (dialect === 'sqlite') continue;

  t.test(`${name}: a statement that takes longer than it may`, needs, async t => {
    const under = await open(t, { max: 1 });
    const slow = dialect === 'mysql' ? sql`select sleep(5)` : sql`select pg_sleep(5)`;
    await t.rejects(under.database.query(slow, 300), { code: 'TRANSACTION_TIMEOUT', message: /300 ms/ });
    if (isGeneral) return;
    await until('the pool has room again', () => under.lent() === 0);
    t.same(await under.database.query(sql`select 1 as one`, WITHIN_MS), [{ one: 1 }]);
  });

  t.test(`${name}: beside an open transaction of the function's own`, needs, async t => {
    const under = await open(t, { max: 2 });
    await under.database.transaction(
      work(dialect, 'a', async (tx: AnyTx) => {
        await under.run(tx, 'insert into effect (id) values (1)');
        await under.database.query(verdict(dialect, 'b', 1_000), WITHIN_MS);
        t.same(await seen(under), { claims: ['b'], effects: [] });
        t.same(await under.database.query(look('a'), WITHIN_MS), [], 'it does not look from inside');
      }),
    );
    t.same(await seen(under), { claims: ['a', 'b'], effects: [1] });
  });

  if (isGeneral) continue;

  t.test(`${name}: a transaction that somebody left open on the connection has no part in it`, needs, async t => {
    const under = await open(t, { max: 1 });
    const leave = async (careless: string): Promise<void> => {
      const borrowed = await under.borrow();
      await borrowed.run(careless);
      await borrowed.run('select * from guard');
      await borrowed.end();
    };
    const ways = {
      mysql: ['begin', 'set autocommit = 0'],
      postgresql: ['begin isolation level repeatable read'],
      sqlite: [],
    };
    for (const careless of ways[dialect]) {
      await under.outside('delete from guard');
      await leave(careless);
      await under.outside(`insert into guard values ('s', 'a', 'new', '2020-01-01 00:00:00')`);
      t.same(
        await under.database.query(look('a'), WITHIN_MS),
        [{ token: 'new' }],
        `${careless}: what is newest is seen`,
      );
      await leave(careless);
      await under.database.query(verdict(dialect, 'b', 1_000), WITHIN_MS);
      t.same((await seen(under)).claims, ['a', 'b'], `${careless}: committed when it resolves`);
      await leave(careless);
      const borrowed = await under.borrow();
      await borrowed.run('insert into effect (id) values (9)');
      await borrowed.end();
      await under.database.transaction(work(dialect, 'c', () => {}));
      t.same(await seen(under), { claims: ['a', 'b', 'c'], effects: [] }, `${careless}: nothing else is committed`);
    }
  });

  t.test(`${name}: leaves the session as it was`, needs, async t => {
    const under = await open(t, { max: 1 });
    const [settings, read] =
      dialect === 'mysql'
        ? [
            ['set session innodb_lock_wait_timeout = 7', 'set session autocommit = 1'],
            'select @@innodb_lock_wait_timeout as wait, @@autocommit as auto',
          ]
        : [
            [`set lock_timeout = '7s'`, 'set synchronous_commit = off'],
            `select current_setting('lock_timeout') as wait, current_setting('synchronous_commit') as auto`,
          ];
    const use = async (sqls: readonly string[]): Promise<unknown> => {
      const borrowed: Outsider = await under.borrow();
      let rows: unknown;
      for (const each of sqls) rows = await borrowed.run(each);
      await borrowed.end();
      return rows;
    };
    const before = await use([...settings, read]);
    await under.database.query(verdict(dialect, 'a', 1_000), WITHIN_MS);
    t.same(await use([read]), before);
    await under.database.transaction(work(dialect, 'b', tx => under.run(tx, 'insert into effect (id) values (1)')));
    t.same(await use([read]), before);
    await under.database.transaction(work(dialect, 'c', () => Promise.reject(new Error('no')))).catch(() => {});
    t.same(await use([read]), before);
  });
}

t.test('whether an error speaks of a lock', async t => {
  const lock = { code: '55P03' };
  for (const error of [
    lock,
    { code: 'ER_LOCK_WAIT_TIMEOUT' },
    { cause: lock },
    { driverError: { errno: 1205 } },
    { meta: { cause: { code: 'SQLITE_BUSY' } } },
  ]) {
    t.equal(isLockTimeout(error), true);
  }
  const endless: { cause?: unknown } = {};
  endless.cause = endless;
  for (const error of [
    null,
    undefined,
    'SQLITE_BUSY',
    {},
    { code: '40P01' },
    { errno: 1213 },
    { code: '57014' },
    endless,
  ]) {
    t.equal(isLockTimeout(error), false);
  }
});
