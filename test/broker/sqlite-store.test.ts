import { cpSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { openDatabase } from '../../broker/store/sqlite-database.ts';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import type { ListStep } from '../../broker/store/store.ts';
import {
  halfMessage,
  openCoordinator,
  openStore,
  prepareCommand,
  producerGroup,
  resolveCommand,
  temporaryFolder,
} from '../support/store.ts';
import { storeConformance } from './store-conformance.ts';

for (const [memory, recentBytes] of [
  ['its usual memory', undefined],
  ['no memory', 0],
  ['the memory of a few transactions', 5_000],
] as const) {
  t.test(`conformance with ${memory}`, async t => {
    storeConformance(t, async t => {
      const settings = { dataDir: temporaryFolder(t), ...(recentBytes === undefined ? {} : { recentBytes }) };
      let store = openSqliteStore(settings);
      t.teardown(() => store.close());
      return {
        store,
        reopen: async () => {
          await store.close();
          store = openSqliteStore(settings);
          return store;
        },
      };
    });
  });
}

t.test('a folder belongs to one store at a time, and is free again when it is closed', async t => {
  const dataDir = temporaryFolder(t);
  const first = openSqliteStore({ dataDir });
  t.throws(() => openSqliteStore({ dataDir }), {
    name: 'DataFolderError',
    message: /Another broker is using the data folder/,
  });
  await first.close();
  openStore(t, dataDir);
});

t.test('opening a file with a large WAL moves nothing of it: a start does not wait for that', async t => {
  const dataDir = temporaryFolder(t);
  const coordinator = await openCoordinator(openStore(t, dataDir));
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  // More than SQLite by itself would leave there.
  const payload = Buffer.alloc(900_000, 'x');
  for (let i = 0; i < 20; i++) await coordinator.submit([prepareCommand(`t${i}`, 'g', [halfMessage({ payload })])]);
  const left = temporaryFolder(t);
  cpSync(dataDir, left, { recursive: true });
  const db = openDatabase(join(left, 'escrowmq.db'));
  t.teardown(() => db.close());
  const { log, checkpointed } = db.prepare('PRAGMA wal_checkpoint(NOOP)').get() as Record<string, number>;
  t.ok(log! > 4_000, `${log} pages in the WAL`);
  t.equal(checkpointed, 0);
  t.equal(db.prepare('SELECT count(*) FROM transactions').pluck().get(), 20);
});

t.test('nobody else may read the files', async t => {
  const dataDir = join(temporaryFolder(t), 'data');
  openStore(t, dataDir);
  t.equal(statSync(dataDir).mode & 0o777, 0o700);
  t.equal(statSync(join(dataDir, 'escrowmq.db')).mode & 0o777, 0o600);
  t.equal(statSync(join(dataDir, 'escrowmq.db-wal')).mode & 0o777, 0o600);
});

t.test('a folder that cannot be used is told in a sentence', async t => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => openSqliteStore({ dataDir: join(folder, 'file') }), {
    name: 'DataFolderError',
    message: /cannot be used/,
  });
});

t.test('data of a newer broker is refused', async t => {
  const dataDir = temporaryFolder(t);
  mkdirSync(dataDir, { recursive: true });
  const db = new Database(join(dataDir, 'escrowmq.db'));
  db.pragma('user_version = 99');
  db.close();
  t.throws(() => openSqliteStore({ dataDir }), { name: 'DataFolderError', message: /newer broker/ });
});

t.test('a list of acts looks at a bounded number of them in one step', async t => {
  const dataDir = temporaryFolder(t);
  await openSqliteStore({ dataDir }).close();
  const db = new Database(join(dataDir, 'escrowmq.db'));
  db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
    INSERT INTO acts (at, act, by, target) SELECT i, 'check', 'operator', 't' || i FROM n`);
  db.close();
  const store = openStore(t, dataDir);
  const first = await store.acts({ target: 't3' }, 10, null);
  t.same(first, { items: [], next: 15_001 });
  const second = await store.acts({ target: 't3' }, 10, first.next);
  t.same(second, { items: [], next: 5_001 });
  t.match(await store.acts({ target: 't3' }, 10, second.next), { items: [{ id: 3, at: 3 }], next: null });
});

t.test('what waits for a person is looked at in bounded steps, whatever else there is', async t => {
  const dataDir = temporaryFolder(t);
  const first = openSqliteStore({ dataDir });
  await (await openCoordinator(first)).submit([{ type: 'put_group', group: producerGroup('a') }]);
  await (await openCoordinator(first)).submit([prepareCommand('first', 'a')]);
  await first.close();
  const db = new Database(join(dataDir, 'escrowmq.db'));
  // Of the transactions from 2 on every second one is unresolved, and every one has a parked message.
  db.exec(`WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 24001)
    INSERT INTO transactions (sequence, id, group_id, state, digest, prepared_at, resolved_at, check_attempts,
      check_failures, last_check_error, unresolved, contradicted, parked, discarded)
    SELECT i, 't' || i, 1, i % 2, x'00', i, i, 0, 0, CASE WHEN i < 100 THEN 'old' END, 1 - i % 2, 0, 1, 0 FROM n;
    INSERT INTO messages (position, topic_id, key, state, partition, attempts, last_error, payload_bytes)
    SELECT sequence * 128, 1, x'6b', 3, 0, 1, CASE WHEN sequence < 100 THEN 'old' ELSE 'new' END, 0
    FROM transactions WHERE sequence > 1`);
  db.close();
  const store = openStore(t, dataDir);
  const steps = async <T>(step: (before: number | null) => Promise<ListStep<T>>): Promise<T[][]> => {
    const found: T[][] = [];
    let before: number | null = null;
    do {
      const { items, next }: ListStep<T> = await step(before);
      found.push(items);
      before = next;
    } while (before !== null);
    return found;
  };
  const sizes = (all: unknown[][]) => all.map(({ length }) => length);
  const old = await steps(before => store.parkedMessages({ lastError: 'old' }, 500, before));
  t.same(sizes(old), [0, 0, 0, 0, 98], 'five thousand looked at in a step');
  t.same(
    sizes(await steps(before => store.list({ unresolved: true, lastError: 'old' }, 500, before))),
    [0, 0, 0, 0, 49],
  );
  t.same(
    sizes(await steps(before => store.list({ parked: true, key: Buffer.from('x') }, 500, before))),
    [0, 0, 0, 0, 0],
  );
  const key = Buffer.from('account-17');
  t.same(sizes(await steps(before => store.list({ key }, 500, before))), [0, 0, 0, 0, 1]);
  t.same(sizes(await steps(before => store.list({ key, topic: 'transfers' }, 500, before))), [0, 0, 0, 0, 1]);
  const parked = (await steps(before => store.alike('parked', before))).flat();
  t.equal(
    parked.reduce((sum, { count }) => sum + count, 0),
    24_000,
  );
  t.same(parked.at(-1), { name: 'transfers', lastError: 'old', count: 98, oldestAt: 2 });
  const unresolved = await steps(before => store.alike('unresolved', before));
  t.equal(unresolved.length, 5);
  t.equal(
    unresolved.flat().reduce((sum, { count }) => sum + count, 0),
    12_000,
  );
});

t.test('keys of parked messages are bounded in a step, however long they are', async t => {
  const store = openStore(t);
  const coordinator = await openCoordinator(store);
  await coordinator.submit([{ type: 'put_group', group: producerGroup('a') }]);
  const message = halfMessage({ key: Buffer.alloc(400_000, 'k') });
  await coordinator.submit([prepareCommand('t1', 'a', Array(5).fill(message))]);
  await coordinator.submit([resolveCommand('t1')]);
  await coordinator.submit(
    [0, 1, 2, 3, 4].map(index => ({ type: 'park', transactionId: 't1', index, error: 'too large' })),
  );
  const first = await store.parkedMessages({}, 500, null);
  t.same(
    first.items.map(({ index }) => index),
    [4, 3],
  );
  const second = await store.parkedMessages({}, 500, first.next);
  t.same(
    second.items.map(({ index }) => index),
    [2, 1],
  );
  t.match(await store.parkedMessages({}, 500, second.next), { items: [{ index: 0 }], next: null });
});

t.test('the oldest undecided transaction is found behind many that are decided', async t => {
  const dataDir = temporaryFolder(t);
  const first = openSqliteStore({ dataDir });
  const before = await openCoordinator(first);
  await before.submit([{ type: 'put_group', group: producerGroup('a') }]);
  const ids = Array.from({ length: 11_000 }, (_, i) => `t${i}`);
  await before.submit(ids.map(id => prepareCommand(id, 'a')));
  await before.submit(ids.slice(0, -1).map(id => resolveCommand(id, 'rollback')));
  await first.close();
  const store = openStore(t, dataDir);
  const { preparedAt } = (await store.transaction('t10999'))!;
  t.equal((await store.oldest()).prepared, preparedAt);
  const coordinator = await openCoordinator(store);
  await coordinator.submit([resolveCommand('t10999')]);
  t.equal((await store.oldest()).prepared, null);
  await coordinator.submit([prepareCommand('later', 'a')]);
  t.equal((await store.oldest()).prepared, (await store.transaction('later'))!.preparedAt);
});

t.test('data of version 2 goes on, with no act in it', async t => {
  const dataDir = temporaryFolder(t);
  const first = openSqliteStore({ dataDir });
  await (await openCoordinator(first)).submit([{ type: 'put_group', group: producerGroup('a') }]);
  await first.close();
  const db = new Database(join(dataDir, 'escrowmq.db'));
  db.exec('DROP TABLE acts; PRAGMA user_version = 2');
  db.close();
  const store = openStore(t, dataDir);
  t.same(await store.acts({}, 10, null), { items: [], next: null });
  t.equal((await store.groups()).length, 1);
});

t.test('data of version 1 gets its keys, and remembers which group sent to which topics', async t => {
  const dataDir = temporaryFolder(t);
  const first = openSqliteStore({ dataDir });
  const coordinator = await openCoordinator(first);
  for (const name of ['a', 'b']) await coordinator.submit([{ type: 'put_group', group: producerGroup(name) }]);
  const messages = (...topics: string[]) => topics.map(topic => halfMessage({ topic }));
  await coordinator.submit([prepareCommand('t1', 'a', messages('x', 'y', 'x'))]);
  await coordinator.submit([prepareCommand('t2', 'b', messages('y'))]);
  await coordinator.submit([prepareCommand('t3', 'a', messages('y'))]);
  await first.close();
  const db = new Database(join(dataDir, 'escrowmq.db'));
  db.exec('DROP TABLE api_keys; DROP TABLE group_topics; DROP TABLE acts; PRAGMA user_version = 1');
  db.close();
  const store = openStore(t, dataDir);
  const pairs = (await store.groupTopics()).map(({ group, topic }) => `${group} ${topic}`);
  t.same(pairs.sort(), ['a x', 'a y', 'b y']);
  t.same(await store.keys(), []);
  t.equal((await store.transaction('t1'))?.group, 'a');
});
