/** What is said of a transaction whose COMMIT was sent, and what is never committed. */
import t from 'tap';
import { sql } from '../../local-transaction/statement.ts';
import { type DatabaseProxy, databaseProxy } from '../support/database-proxy.ts';
import { until } from '../support/until.ts';
import { type AnyTx, NOTHING, seen, type UnderTest, WAYS, type Way, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const INSERT = `insert into effect (id) values (1)`;
const DONE = { claims: ['a'], effects: [1] };
const FAILED = { name: 'CommitFailedError', code: 'COMMIT_FAILED', retryable: true };

const servers = WAYS.filter(({ dialect }) => dialect !== 'sqlite');

/** A pool of one connection, whose way to the server can fail. */
const openThroughProxy = async (t: Parameters<Way['open']>[0], way: Way) => {
  let proxy: DatabaseProxy | undefined;
  const under = await way.open(t, {
    max: 1,
    through: async server => {
      proxy = await databaseProxy(t, server);
      return { host: proxy.host, port: proxy.port };
    },
  });
  return { under, proxy: proxy! };
};

const insertInto = (under: UnderTest) => (tx: AnyTx) => under.run(tx, INSERT);

for (const way of servers) {
  const { name, needs, dialect } = way;

  t.test(`${name}: the connection breaks before COMMIT arrives, or before its answer does`, needs, async t => {
    const { under, proxy } = await openThroughProxy(t, way);
    proxy.fate = 'cut before';
    await t.rejects(under.database.transaction(work(dialect, 'a', insertInto(under))), FAILED);
    t.same(await seen(under), NOTHING);
    await until('the pool has room again', () => under.lent() === 0);

    proxy.fate = 'cut after';
    await t.rejects(under.database.transaction(work(dialect, 'a', insertInto(under))), FAILED);
    t.same(await seen(under), DONE, 'it has happened, and nobody was told');
    t.equal(proxy.commits, 2);

    proxy.fate = 'pass';
    await until('the pool has room again', () => under.lent() === 0);
    await under.database.transaction(work(dialect, 'b', () => {}));
    t.same(await seen(under), { claims: ['a', 'b'], effects: [1] });
  });

  t.test(`${name}: the answer to COMMIT never comes`, needs, async t => {
    const { under, proxy } = await openThroughProxy(t, way);
    // The first life of a connection takes long on a busy machine; the time below is for a COMMIT alone.
    await under.database.query(sql`select 1`, 30_000);
    proxy.fate = 'swallow';
    const unanswered = work(dialect, 'a', insertInto(under), { timeoutMs: 1_000 });
    await t.rejects(under.database.transaction(unanswered), { ...FAILED, cause: { code: 'TRANSACTION_TIMEOUT' } });
    await until('the server has committed', async () => (await seen(under)).claims.length > 0);
    t.same(await seen(under), DONE);
    proxy.fate = 'pass';
    // The user's tool waits for the answer for as long as it likes.
    if (way.isGeneral) proxy.cut();
    await until('the pool has room again', () => under.lent() === 0);
    await under.database.transaction(work(dialect, 'b', () => {}));
    t.same(await seen(under), { claims: ['a', 'b'], effects: [1] });
  });

  t.test(`${name}: the server ends the session before COMMIT`, needs, async t => {
    const under = await way.open(t, { max: 1 });
    const [me, kill] =
      dialect === 'mysql'
        ? ['select connection_id() as id', (id: unknown) => `kill ${id}`]
        : ['select pg_backend_pid() as id', (id: unknown) => `select pg_terminate_backend(${id}, 10000)`];
    let session: unknown;
    const business = async (tx: AnyTx): Promise<void> => {
      session = (await under.run(tx, me))[0]!.id;
      await under.run(tx, INSERT);
    };
    const killed = work(dialect, 'a', business, {
      beforeCommit: async () => void (await under.outside(kill(session))),
    });
    await t.rejects(under.database.transaction(killed), FAILED);
    t.same(await seen(under), NOTHING);

    const killedEarlier = work(dialect, 'a', async tx => {
      await business(tx);
      await under.outside(kill(session));
    });
    const error: unknown = await under.database.transaction(killedEarlier).catch(error => error);
    t.ok(error instanceof Error);
    t.notMatch(error, { code: 'COMMIT_FAILED' }, 'COMMIT was not sent, and that is known');
    t.same(await seen(under), NOTHING);

    await until('the pool has room again', () => under.lent() === 0);
    await under.database.transaction(work(dialect, 'a', insertInto(under)));
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: an error that ended the transaction was caught`, needs, async t => {
    const under = await way.open(t, { max: 2 });
    // Two rows, locked by two transactions in opposite order: one of them is the victim of the deadlock.
    await under.outside(`insert into effect (id, note) values (10, ''), (11, '')`);
    const touch = (tx: AnyTx, id: number) => under.run(tx, `update effect set note = 'touched' where id = ${id}`);
    const reached = [gate(), gate()];
    const swallowing = (me: 0 | 1) =>
      work(dialect, `id-${me}`, async tx => {
        await touch(tx, 10 + me);
        reached[me]!.open();
        await reached[1 - me]!.opened;
        let victim = false;
        try {
          await touch(tx, 11 - me);
        } catch {
          victim = true;
        }
        try {
          await under.run(tx, `insert into effect (id) values (${20 + me})`);
        } catch (error) {
          if (dialect !== 'postgresql') throw error;
        }
        return victim;
      });
    const [first, second] = await Promise.allSettled(
      [0, 1].map(me => under.database.transaction(swallowing(me as 0 | 1))),
    );
    const outcomes = [first, second];
    const winner = outcomes.findIndex(outcome => outcome?.status === 'fulfilled');
    t.match(outcomes[winner], { status: 'fulfilled', value: false });
    t.match(outcomes[1 - winner], { status: 'rejected' });
    const { reason } = outcomes[1 - winner] as PromiseRejectedResult;
    t.notMatch(reason, { code: 'COMMIT_FAILED' });
    if (dialect === 'mysql') t.match(reason, { code: 'CLAIM_LOST' });
    if (!way.isGeneral && dialect === 'mysql') t.match(reason, { message: /Deadlock found.*cannot be committed/ });
    const { claims, effects } = await seen(under);
    t.same(claims, [`id-${winner}`]);
    // A tool that begins with autocommit on has committed what came after the deadlock; the claim has told the truth.
    if (!(way.isGeneral && dialect === 'mysql')) t.same(effects, [10, 11, 20 + winner]);
    await until('the connections are back', () => under.lent() === 0);
  });
}

const gate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};

const postgres = servers.filter(({ dialect, isGeneral }) => dialect === 'postgresql' && !isGeneral);
for (const way of postgres) {
  t.test(
    `${way.name}: COMMIT of an aborted transaction is no commit, though the server says no error`,
    way.needs,
    async t => {
      const under = await way.open(t, { max: 1 });
      const swallowing = work(
        'postgresql',
        'a',
        async tx => {
          await under.run(tx, INSERT);
          await Promise.resolve(under.run(tx, 'select nothing')).catch(() => {});
        },
        // Without a look at the end, which fails by itself in such a transaction.
        { *closing() {} },
      );
      await t.rejects(under.database.transaction(swallowing), { ...FAILED, message: /the server answered ROLLBACK/ });
      t.same(await seen(under), NOTHING);
      const looking = { ...swallowing, closing: work('postgresql', 'a', () => {}).closing };
      await t.rejects(under.database.transaction(looking), { code: '25P02' });
      t.same(await seen(under), NOTHING);
    },
  );
}
