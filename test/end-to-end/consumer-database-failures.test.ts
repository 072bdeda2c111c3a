/** What real databases and broken wires make of a message: its own fault, or theirs. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { PoolClient } from 'pg';
import t, { type Test } from 'tap';
import type { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import { mysqlInbox, pgInbox, sqlInbox } from '../../consumer-sdk/index.ts';
import { handleOnce } from '../../consumer-sdk/partition/handling.ts';
import { openLedger } from '../support/consumer-bench.ts';
import {
  mariadbDatabase,
  mariadbPool,
  needsMariadb,
  needsPostgres,
  postgresDatabase,
  postgresPool,
} from '../support/databases.ts';

t.setTimeout(90_000);

/** A wire whose client sees a reset, not an end. */
const resettable = async (t: Test, to: { host: string; port: number }) => {
  const open = new Set<Socket>();
  const server = createServer(client => {
    const database = connect(to);
    open.add(client);
    for (const socket of [client, database]) socket.on('error', () => {});
    client.on('close', () => {
      open.delete(client);
      database.destroy();
    });
    database.on('close', () => client.destroy());
    client.pipe(database).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reset = (): void => {
    for (const socket of open) socket.resetAndDestroy();
  };
  t.teardown(() => {
    server.close();
    reset();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, reset };
};

const handle = <Tx>(inbox: Inbox<Tx>, handler: (tx: Tx) => unknown) =>
  handleOnce({
    inbox,
    key: { consumer_group: 'g', source: 's', message_id: 'm' },
    message: {} as never,
    handler: (_, tx) => handler(tx),
    timeoutMs: 20_000,
    signal: new AbortController().signal,
  });

/** A service that is not there. */
const callNobody = async (): Promise<void> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await once(connect(port, '127.0.0.1'), 'connect');
};

const tellsWires = async <Tx>(t: Test, inbox: Inbox<Tx>, reset: () => void, sleep: (tx: Tx) => Promise<unknown>) => {
  await inbox.install();
  const broken = await handle(inbox, async tx => {
    const sleeping = sleep(tx);
    sleeping.catch(() => {});
    // Behind the statement, which the server has by now or never gets.
    setImmediate(reset);
    await sleeping;
  });
  t.match(broken, { kind: 'failed', fault: 'circumstances', error: { code: 'ECONNRESET' } });
  const other = await handle(inbox, callNobody);
  t.match(other, { kind: 'failed', fault: 'attempt', error: { code: 'ECONNREFUSED' } });
  t.same(await handle(inbox, async () => {}), { kind: 'handled' });
};

t.test('PostgreSQL', needsPostgres, async t => {
  const database = await postgresDatabase(t);
  const { reset, ...wire } = await resettable(t, database);
  const pool = await postgresPool(t, { ...database, ...wire });
  await tellsWires(t, pgInbox(pool), reset, tx => tx.query('select pg_sleep(30)'));
});

t.test('PostgreSQL under another tool', needsPostgres, async t => {
  const database = await postgresDatabase(t);
  const { reset, ...wire } = await resettable(t, database);
  const pool = await postgresPool(t, { ...database, ...wire });
  const inbox = sqlInbox<typeof pool, PoolClient>({
    dialect: 'postgresql',
    db: pool,
    query: (executor, { sql, params }) => executor.query(sql, [...params]),
    transaction: async (db, work) => {
      const client = await db.connect();
      client.on('error', () => {});
      let isBroken = false;
      try {
        await client.query('begin');
        await work(client);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback').catch(() => {
          isBroken = true;
        });
        throw error;
      } finally {
        client.release(isBroken);
      }
    },
  });
  await tellsWires(t, inbox, reset, tx => tx.query('select pg_sleep(30)'));
});

t.test('MariaDB', needsMariadb, async t => {
  const database = await mariadbDatabase(t);
  const { reset, ...wire } = await resettable(t, database);
  const pool = await mariadbPool(t, { ...database, ...wire });
  await tellsWires(t, mysqlInbox(pool), reset, tx => tx.query('select sleep(30)'));
});

const DEFERRED = `create table accounts (name text primary key);
  create table bills (account text references accounts (name) deferrable initially deferred)`;
const INSERT = `insert into bills values ('nobody')`;

t.test('PostgreSQL refuses at COMMIT what the handler wrote', needsPostgres, async t => {
  const pool = await postgresPool(t);
  await pool.query(DEFERRED);
  const inbox = pgInbox(pool);
  await inbox.install();
  const deferred = await handle(inbox, tx => tx.query(INSERT));
  t.match(deferred, { fault: 'attempt', error: { code: 'COMMIT_FAILED', cause: { code: '23503' } } });
  const swallowed = await handle(inbox, tx => tx.query('select 1 / 0').catch(() => {}));
  t.match(swallowed, { fault: 'attempt', error: { code: '25P02' } });
  t.same(await handle(inbox, async () => {}), { kind: 'handled' });
});

t.test('SQLite refuses at COMMIT what the handler wrote', async t => {
  const { db, inbox } = await openLedger(t);
  db.pragma('foreign_keys = on');
  db.exec(DEFERRED);
  const deferred = await handle(inbox, tx => tx.exec(INSERT));
  t.match(deferred, { fault: 'attempt', error: { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' } });
  t.same(await handle(inbox, () => {}), { kind: 'handled' });
});
