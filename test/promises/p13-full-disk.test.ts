/** A disk that is full or fails: nothing is lost; and a disk of our own is as large as it was made. */
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MountedDisk } from '../../torture/disk/mounted-disk.ts';
import { lackOf } from '../../torture/disk/system-programs.ts';
import { P13 } from '../../torture/proofs/p13-full-disk.ts';
import { testProof } from '../support/proof.ts';
import { temporaryFolder } from '../support/store.ts';

const MIB = 1024 * 1024;

const lack = lackOf('mount');
t.test('a disk in memory fills up, and grows', lack === null ? {} : { skip: lack }, async t => {
  const disk = MountedDisk.make('tmpfs', temporaryFolder(t), MIB);
  t.teardown(() => disk.remove());
  const file = join(disk.path, 'file');
  t.throws(() => writeFileSync(file, Buffer.alloc(2 * MIB)), { code: 'ENOSPC' });
  disk.resize(4 * MIB);
  writeFileSync(file, Buffer.alloc(2 * MIB));
  const { blocks, bsize } = statfsSync(disk.path);
  t.equal(blocks * bsize, 4 * MIB);
});

testProof(P13);
