/** What was acknowledged survives kill -9 anywhere; and the killer hits the call that it was told to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lackOf } from '../../torture/disk/system-programs.ts';
import { Tracer } from '../../torture/disk/tracer.ts';
import { P2 } from '../../torture/proofs/p02-killed-anywhere.ts';
import { testProof } from '../support/proof.ts';
import { temporaryFolder } from '../support/store.ts';

/** Ten writes, once it is told to begin. */
const WRITER = `
  const { openSync, writeSync } = require('node:fs');
  process.stdin.once('data', () => {
    const [file, other] = process.argv.slice(1).map(path => openSync(path, 'w'));
    for (let i = 0; i < 10; i++) {
      writeSync(other, 'x', i);
      writeSync(file, 'x', i);
    }
    process.exit();
  });
`;

const lack = lackOf('strace');
t.test(
  'a process is killed at its n-th write of the file, before that is carried out',
  lack === null ? {} : { skip: lack },
  async t => {
    const folder = temporaryFolder(t);
    const [file, other] = [join(folder, 'file'), join(folder, 'other')];
    const writer = spawn(process.execPath, ['-e', WRITER, file, other], { stdio: ['pipe', 'ignore', 'inherit'] });
    t.teardown(() => writer.kill('SIGKILL'));
    const ended = once(writer, 'exit');
    const injection = { call: 'pwrite64', file, when: '4', what: 'signal=SIGKILL' } as const;
    const tracer = await Tracer.attach(writer.pid!, injection, join(folder, 'report'));
    writer.stdin.write('begin\n');
    t.same(await ended, [null, 'SIGKILL']);
    await tracer.detach();
    t.equal(readFileSync(file, 'utf8').length, 3);
    t.equal(readFileSync(other, 'utf8').length, 4);
    t.ok(tracer.survivedMs()! >= 0);
  },
);

testProof(P2);
