import { statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { Checkpointer } from '../../broker/store/checkpointer.ts';
import type { DiskRoom } from '../../broker/store/disk-room.ts';
import {
  halfMessage,
  openCoordinator,
  openStore,
  prepareCommand,
  producerGroup,
  temporaryFolder,
} from '../support/store.ts';

const MIB = 1024 * 1024;

t.test('the WAL stays small however much is written without a pause', async t => {
  const dataDir = temporaryFolder(t);
  const coordinator = await openCoordinator(openStore(t, dataDir));
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  const payload = Buffer.alloc(900_000, 'x');
  let largest = 0;
  for (let i = 0; i < 600; i++) {
    await coordinator.submit([prepareCommand(`t${i}`, 'g', [halfMessage({ payload })])]);
    largest = Math.max(largest, statSync(join(dataDir, 'escrowmq.db-wal')).size);
  }
  t.ok(largest < 350 * MIB, `of ${Math.round((600 * 900_000) / MIB)} MiB never more than ${Math.round(largest / MIB)}`);
  t.ok(statSync(join(dataDir, 'escrowmq.db')).size > 150 * MIB, 'the rest is in the database');
});

t.test('while only the reserve is left the WAL is short, though no thread is waited for', async t => {
  const file = join(temporaryFolder(t), 'short.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec('create table filler (bytes blob)');
  const checkpointer = new Checkpointer(db, file);
  t.teardown(async () => {
    await checkpointer.close();
    db.close();
  });
  checkpointer.watch({ isTight: true, isShort: true, look: () => {} } as unknown as DiskRoom);
  const insert = db.prepare('insert into filler values (?)');
  let largest = 0;
  // In one turn of the event loop, so that nothing a thread reports could be heard.
  for (let i = 0; i < 500; i++) {
    insert.run(Buffer.alloc(10_000));
    checkpointer.committed();
    largest = Math.max(largest, statSync(`${file}-wal`).size);
  }
  t.ok(largest < MIB, `never more than ${Math.round(largest / 1024)} KiB`);
  t.ok(statSync(file).size > 4 * MIB, 'the rest is in the database');
});
