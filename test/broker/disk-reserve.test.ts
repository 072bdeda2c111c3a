/** The last of the disk is for the end of what was begun. */
import t from 'tap';
import { DiskRoom } from '../../broker/store/disk-room.ts';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import {
  openCoordinator,
  openStore,
  prepareCommand,
  producerGroup,
  resolveCommand,
  temporaryFolder,
} from '../support/store.ts';

t.test('what will be needed for what is stored already does not count as free', async t => {
  const room = new DiskRoom(temporaryFolder(t), 1_000);
  t.match(room, { isTight: false, isShort: false });
  room.look(0);
  t.match(room, { isTight: false, isShort: false });
  room.look(Number.MAX_SAFE_INTEGER);
  t.match(room, { isTight: true, isShort: true });
  room.look(0);
  t.match(room, { isTight: false, isShort: false });
});

t.test('a folder that does not say how much is free changes nothing', async t => {
  const room = new DiskRoom('/proc/nowhere', 1_000);
  room.look(Number.MAX_SAFE_INTEGER);
  t.match(room, { isTight: false, isShort: false });
});

t.test('while only the reserve is left nothing begins, and everything ends', async t => {
  let isNearlyFull = false;
  const coordinator = await openCoordinator(openStore(t), { isNearlyFull: () => isNearlyFull });
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    prepareCommand('held', 'g'),
    prepareCommand('sent', 'g'),
    resolveCommand('sent'),
  ]);
  isNearlyFull = true;
  t.ok(coordinator.isNearlyFull);
  t.match(
    await coordinator.submit([
      prepareCommand('new', 'g'),
      prepareCommand('held', 'g'),
      resolveCommand('held'),
      { type: 'forwarded', transactionId: 'sent', index: 0, offset: 0 },
    ]),
    [
      { kind: 'refused', refused: { code: 'STORAGE_FULL' } },
      { kind: 'done', changed: false },
      { kind: 'done', changed: true, transaction: { state: 'committed' } },
      { kind: 'done', changed: true },
    ],
  );
  isNearlyFull = false;
  t.match(await coordinator.submit([prepareCommand('new', 'g')]), [{ kind: 'done', changed: true }]);
});

t.test('a store without a reserve, or with a disk to itself, is not nearly full', async t => {
  for (const reserveBytes of [0, 1]) {
    const store = openSqliteStore({ dataDir: temporaryFolder(t), reserveBytes });
    t.teardown(() => store.close());
    t.notOk(store.isNearlyFull);
  }
});
