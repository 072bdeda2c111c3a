import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
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

t.test(
  'a reader that stays lets the WAL grow, and keeps no thread busy; afterwards the WAL is short again',
  async t => {
    const dataDir = temporaryFolder(t);
    const wal = join(dataDir, 'escrowmq.db-wal');
    const coordinator = await openCoordinator(openStore(t, dataDir));
    await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
    const reader = new Database(join(dataDir, 'escrowmq.db'), { readonly: true });
    t.teardown(() => reader.close());
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM transactions').get();
    const { postMessage } = Worker.prototype;
    t.teardown(() => {
      Worker.prototype.postMessage = postMessage;
    });
    let checkpoints = 0;
    Worker.prototype.postMessage = function (this: Worker, ...args: Parameters<typeof postMessage>) {
      checkpoints++;
      postMessage.apply(this, args);
    };
    const payload = Buffer.alloc(900_000, 'x');
    for (let i = 0; i < 300; i++) await coordinator.submit([prepareCommand(`t${i}`, 'g', [halfMessage({ payload })])]);
    t.ok(statSync(wal).size > 250 * MIB, 'nothing could be begun anew');
    t.ok(
      checkpoints > 0 && checkpoints <= 40,
      `${checkpoints} checkpoints were tried, at most one every eight commits`,
    );
    reader.exec('COMMIT');
    for (let i = 0; statSync(wal).size > 210 * MIB; i++) {
      if (i > 20_000) throw new Error('the WAL stays as large as it was');
      await coordinator.submit([prepareCommand(`later-${i}`, 'g')]);
    }
    t.pass('its end was given back');
  },
);

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
