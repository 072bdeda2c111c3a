/** The store on which the simulation runs is one like any other. */
import t from 'tap';
import { MemoryDisk, MemoryStore } from '../../torture/model/memory-disk.ts';
import { openCoordinator, prepareCommand, producerGroup } from '../support/store.ts';
import { storeConformance } from './store-conformance.ts';

t.test('is a store', async t => {
  storeConformance(t, async () => {
    const disk = new MemoryDisk();
    return { store: new MemoryStore(disk), reopen: async () => new MemoryStore(disk) };
  });
});

t.test('what was not flushed is forgotten, and was told to nobody', async t => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk, { flush: () => new Promise(() => {}), isFull: false });
  const coordinator = await openCoordinator(new MemoryStore(disk));
  await coordinator.submit([{ type: 'put_group', group: producerGroup('bank-a') }]);
  const cutOff = await openCoordinator(store);
  const told = cutOff.submit([prepareCommand('t1', 'bank-a')]);
  const first = await Promise.race([
    told,
    new Promise(resolve => setImmediate(() => setImmediate(resolve, 'nothing'))),
  ]);
  t.equal(first, 'nothing');
  t.equal(await new MemoryStore(disk).transaction('t1'), null);
});
