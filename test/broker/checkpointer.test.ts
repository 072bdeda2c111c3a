import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
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
