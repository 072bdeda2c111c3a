/** Tools that say they committed, whatever the server answered: PostgreSQL answers COMMIT of a failed transaction with ROLLBACK. */
import type { Pool, PoolClient } from 'pg';
import t, { type Test } from 'tap';
import { sqlInbox } from '../../consumer-sdk/index.ts';
import { handleOnce } from '../../consumer-sdk/partition/handling.ts';
import { createProducer, sqlFence } from '../../producer-sdk/index.ts';
import { needsPostgres, postgresPool } from '../support/databases.ts';
import { MESSAGES, startBroker, stateOf } from '../support/producer-world.ts';

t.setTimeout(120_000);

/** A tool whose last moment before COMMIT the test decides. */
const careless = (pool: Pool, atTheEnd: { run: (client: PoolClient) => Promise<unknown> }) => ({
  dialect: 'postgresql' as const,
  db: pool,
  transaction: async (db: Pool, work: (tx: PoolClient) => Promise<void>): Promise<void> => {
    const client = await db.connect();
    try {
      await client.query('begin');
      await work(client);
      await atTheEnd.run(client).catch(() => {});
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  },
  query: (executor: Pool | PoolClient, { sql, params }: { sql: string; params: readonly unknown[] }) =>
    executor.query(sql, [...params]),
});

const fails = { run: (client: PoolClient): Promise<unknown> => client.query('select 1/0') };

const open = async (t: Test): Promise<Pool> => {
  const pool = (await postgresPool(t)) as Pool;
  await pool.query('create table orders (id text primary key)');
  return pool;
};
const orders = async (pool: Pool): Promise<string[]> =>
  (await pool.query('select id from orders')).rows.map(({ id }) => id);

t.test('a producer is told that nothing happened, and so is the broker', needsPostgres, async t => {
  const { broker, url } = await startBroker(t);
  const pool = await open(t);
  const end = { ...fails };
  const fence = sqlFence(careless(pool, end));
  await fence.install();
  const producer = createProducer({ url, group: 'shop', fence });
  const place = (id: string) =>
    producer.transaction({ id, messages: MESSAGES }, tx => tx.query(`insert into orders values ('${id}')`));
  await t.rejects(place('t1'), { code: 'NOT_COMMITTED', cause: { code: 'CLAIM_LOST' } });
  t.equal(await stateOf(broker, 't1'), 'rolled_back');
  end.run = async () => {};
  t.match(await place('t2'), { delivery: 'acknowledged' });
  t.same(await orders(pool), ['t2']);
  await producer.close();
});

t.test('a consumer handles the message again', needsPostgres, async t => {
  const pool = await open(t);
  const inbox = sqlInbox(careless(pool, fails));
  await inbox.install();
  const outcome = await handleOnce({
    inbox,
    key: { consumer_group: 'g', source: 's', message_id: 'm' },
    message: {} as never,
    handler: (_, tx) => tx.query(`insert into orders values ('m')`),
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  t.match(outcome, { kind: 'failed', fault: 'circumstances', error: { code: 'COMMIT_FAILED' } });
  t.same(await orders(pool), []);
});
