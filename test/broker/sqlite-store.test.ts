import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
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
