/** The inbox on each database: its table, its key byte for byte, its place in the transaction, its age. */
import t, { type Test } from 'tap';
import type { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import { mysqlInbox, pgInbox } from '../../consumer-sdk/index.ts';
import { handleOnce } from '../../consumer-sdk/partition/handling.ts';
import { ownIdentity } from '../../consumer-sdk/record/identity.ts';
import { messageOf } from '../../consumer-sdk/record/message.ts';
import { sql } from '../../local-transaction/statement.ts';
import { openLedger } from '../support/consumer-bench.ts';
import { mariadbPool, needsMariadb, needsPostgres, postgresPool } from '../support/databases.ts';

t.setTimeout(90_000);

const DAY_MS = 24 * 60 * 60 * 1_000;

interface Bench<Tx> {
  readonly inbox: Inbox<Tx>;
  /** A handler's effect. */
  readonly effect: (tx: Tx, id: string) => unknown;
  /** What a handler must not do: the row of `taken` away. */
  readonly takeBack: (tx: Tx) => unknown;
}

const TAKE_BACK = `delete from escrow_inbox where message_id = 'taken'`;

const recordOf = (id: string, source = 's') => ({ ce_id: Buffer.from(id), ce_source: Buffer.from(source) });

const conforms = async <Tx>(t: Test, { inbox, effect, takeBack }: Bench<Tx>): Promise<void> => {
  const query = (statement: ReturnType<typeof sql>) => inbox.database.query(statement, 5_000);
  const effects = async () => (await query(sql`select id from effects order by id`)).map(({ id }) => id);
  const handle = (id: string, { source = 's', group = 'g', work = effect } = {}) => {
    const identity = ownIdentity(recordOf(id, source))!;
    const record = { offset: '0', timestamp: '0', key: null, value: null, attributes: 0, headers: {} };
    return handleOnce({
      inbox,
      key: { consumer_group: group, source: identity.storedSource, message_id: identity.storedId },
      message: messageOf('t', 0, record as never, identity),
      handler: (message, tx) => work(tx, message.id),
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
  };
  await t.rejects(inbox.assertReady(), { code: 'DATABASE_NOT_READY', message: /escrow_inbox/ });
  await Promise.all([inbox.install(), inbox.install(), inbox.install()]);
  await inbox.install();
  await inbox.assertReady();
  for (const statement of inbox.schema.split(';\n').filter(Boolean)) await query({ parts: [statement], params: [] });

  t.same(await handle('a'), { kind: 'handled' });
  t.same(await handle('a'), { kind: 'repeat' });
  t.same(await effects(), ['a']);
  const others = ['A', 'a ', 'ä', 'a%20', 'a\0'];
  for (const id of others) t.same(await handle(id, { work: () => {} }), { kind: 'handled' }, JSON.stringify(id));
  for (const id of others) t.same(await handle(id, { work: () => {} }), { kind: 'repeat' }, JSON.stringify(id));
  t.same(await handle('a', { source: 'S', work: () => {} }), { kind: 'handled' });
  t.same(await handle('a', { group: 'other', work: () => {} }), { kind: 'handled' });
  t.same(await handle('i'.repeat(512), { source: 's'.repeat(1_024), group: 'g'.repeat(255) }), { kind: 'handled' });

  const failing = (tx: Tx, id: string) => {
    const done = effect(tx, id);
    const fail = () => {
      throw new Error('no such account');
    };
    return inbox.database.isSynchronous ? fail() : Promise.resolve(done).then(fail);
  };
  t.match(await handle('b', { work: failing }), {
    kind: 'failed',
    fault: 'attempt',
    error: { message: 'no such account' },
  });
  t.notOk((await effects()).includes('b'), 'rolled back with its row');
  t.same(await handle('b'), { kind: 'handled' });

  const takingBack = (tx: Tx, id: string) => {
    const done = effect(tx, id);
    const take = () => takeBack(tx);
    return inbox.database.isSynchronous ? take() : Promise.resolve(done).then(take);
  };
  const lost = await handle('taken', { work: takingBack });
  t.match(lost, { kind: 'failed', fault: 'circumstances', error: { code: 'CLAIM_LOST' } });
  t.notOk((await effects()).includes('taken'), 'no effect without its row');

  const twice = await Promise.all([handle('race'), handle('race'), handle('race')]);
  t.same(twice.map(({ kind }) => kind).sort(), ['handled', 'repeat', 'repeat']);

  const old = {
    sqlite: sql`'2026-01-01T00:00:00.000Z'`,
    postgresql: sql`now() - interval '61 days'`,
    mysql: sql`utc_timestamp(3) - interval 61 day`,
  };
  const [age] = old[inbox.database.dialect].parts;
  await query({ parts: [`update escrow_inbox set handled_at = ${age} where message_id in ('a', 'b')`], params: [] });
  const before = Number((await query(sql`select count(*) as count from escrow_inbox`))[0]!.count);
  t.equal(await inbox.purge({ olderThanMs: 400 * DAY_MS }), 0);
  t.equal(await inbox.purge(), 4);
  t.equal(Number((await query(sql`select count(*) as count from escrow_inbox`))[0]!.count), before - 4);
  await t.rejects(inbox.purge({ olderThanMs: DAY_MS }), { code: 'INVALID_OPTION' });
  await t.rejects(inbox.purge({ olderThanMs: Number.NaN }), { code: 'INVALID_OPTION' });
};

t.test('SQLite', async t => {
  const ledger = await openLedger(t);
  ledger.db.exec('drop table escrow_inbox');
  await conforms(t, {
    inbox: ledger.inbox,
    effect: (tx, id) => tx.prepare('insert into effects (id) values (?)').run(id),
    takeBack: tx => tx.exec(TAKE_BACK),
  });
});

t.test('SQLite: many rows are purged in chunks', async t => {
  const { db, inbox } = await openLedger(t);
  db.exec(`
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 1300)
    insert into escrow_inbox select 'g', 's', i, '2026-01-01T00:00:00.000Z' from n`);
  t.equal(await inbox.purge(), 1_300);
});

t.test('PostgreSQL', needsPostgres, async t => {
  const pool = await postgresPool(t);
  await pool.query('create table effects (id text)');
  const inbox = pgInbox(pool);
  await conforms(t, {
    inbox,
    effect: (tx, id) => tx.query('insert into effects values ($1)', [id]),
    takeBack: tx => tx.query(TAKE_BACK),
  });

  await pool.query('create table accounts (name text primary key, balance integer check (balance >= 0))');
  await pool.query(`insert into accounts values ('bob', 1)`);
  const identity = ownIdentity(recordOf('lock'))!;
  const locked = await pool.connect();
  await locked.query('begin');
  await locked.query(`update accounts set balance = 2`);
  const handle = (work: string) =>
    handleOnce({
      inbox,
      key: { consumer_group: 'g', source: identity.storedSource, message_id: identity.storedId },
      message: {} as never,
      handler: async (_, tx) => {
        await tx.query(`set local lock_timeout = '20ms'`);
        await tx.query(work);
      },
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
  t.match(await handle('update accounts set balance = 3'), { fault: 'circumstances', error: { code: '55P03' } });
  await locked.query('rollback');
  locked.release();
  t.match(await handle('update accounts set balance = -1'), { fault: 'attempt', error: { code: '23514' } });
  t.match(await handle('select pg_terminate_backend(pg_backend_pid())'), { fault: 'circumstances' });
  t.same(await handle('update accounts set balance = 3'), { kind: 'handled' });
});

t.test('MariaDB', needsMariadb, async t => {
  const pool = await mariadbPool(t);
  await pool.query('create table effects (id varchar(600) character set utf8mb4)');
  const inbox = mysqlInbox(pool);
  await conforms(t, {
    inbox,
    effect: (tx, id) => tx.query('insert into effects values (?)', [id]),
    takeBack: tx => tx.query(TAKE_BACK),
  });
});
