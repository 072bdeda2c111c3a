/** What was acknowledged survives a power cut; and the cut is one: only what was flushed survives it. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type FileSystem, MountedDisk } from '../../torture/disk/mounted-disk.ts';
import { lackOf } from '../../torture/disk/system-programs.ts';
import { P1 } from '../../torture/proofs/p01-power-cut.ts';
import { testProof } from '../support/proof.ts';
import { temporaryFolder } from '../support/store.ts';

for (const kind of ['ext4', 'xfs'] as const satisfies FileSystem[]) {
  const lack = lackOf('mount', 'losetup', `mkfs.${kind}`, 'perl');
  t.test(`after a cut ${kind} has what was flushed, and only that`, lack === null ? {} : { skip: lack }, async t => {
    const folder = temporaryFolder(t);
    const disk = MountedDisk.make(kind, folder);
    t.teardown(() => disk.remove());
    const flushed = join(disk.path, 'flushed');
    const file = openSync(flushed, 'w');
    writeSync(file, 'kept');
    fsyncSync(file);
    closeSync(file);
    writeFileSync(join(disk.path, 'written'), 'lost');
    disk.cutPower();
    t.throws(() => mkdirSync(join(disk.path, 'later')), { code: 'EIO' });
    await disk.remount();
    t.equal(readFileSync(flushed, 'utf8'), 'kept');
    t.notOk(existsSync(join(disk.path, 'written')));
  });
}

testProof(P1);
