import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import {
  halfMessage,
  openCoordinator,
  openStore,
  prepareCommand,
  producerGroup,
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
