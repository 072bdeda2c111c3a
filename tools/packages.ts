/**
 * Packs the three packages as they would be published, checks each with publint and attw, and uses all of them in a
 * scratch project, so that what users install is what was tested.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PACKAGES = ['broker', 'producer-sdk', 'consumer-sdk'] as const;

const run = (command: string, args: string[], cwd = process.cwd()): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const scratch = mkdtempSync(join(tmpdir(), 'escrowmq-packages-'));
try {
  const tarballs: string[] = [];
  for (const folder of PACKAGES) {
    rmSync(join(folder, 'dist'), { recursive: true, force: true });
    const packed = run('npm', ['pack', '--silent', '--pack-destination', scratch], folder);
    const tarball = join(scratch, packed.trim().split('\n').at(-1)!);
    tarballs.push(tarball);
    run('npx', ['publint', 'run', tarball, '--strict']);
    run('npx', ['attw', tarball, '--profile', 'esm-only']);
    console.log(`${folder}: packed, publint and attw have nothing to say`);
  }
  const project = join(scratch, 'project');
  mkdirSync(project);
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'scratch', private: true, type: 'module', allowScripts: { 'better-sqlite3': false } }),
  );
  run('npm', ['install', '--no-audit', '--no-fund', '--silent', ...tarballs.slice(1)], project);
  writeFileSync(
    join(project, 'use.mts'),
    `import { ERRORS, verifySignature, type PrepareInput } from '@escrowmq/producer';
import { readRecord } from '@escrowmq/consumer';
const prepare: PrepareInput = { group: 'g', messages: [{ topic: 't', payload: null }] };
// @ts-expect-error a payload must be written
const wrong: PrepareInput = { group: 'g', messages: [{ topic: 't' }] };
if (verifySignature('whsec_', {}, '', 0) || readRecord({}) !== null || ERRORS.INTERNAL.status !== 500) throw new Error('wrong');
console.log(prepare.group, wrong.group);
`,
  );
  run(
    resolve('node_modules/.bin/tsc'),
    ['--noEmit', '--module', 'nodenext', '--target', 'es2023', '--strict', '--skipLibCheck', '--types', '', 'use.mts'],
    project,
  );
  run(process.execPath, ['--no-warnings', 'use.mts'], project);
  // The broker's package brings its dependencies; here it only has to start from its built files.
  run('npm', ['install', '--no-audit', '--no-fund', '--silent', '--ignore-scripts', tarballs[0]!], project);
  const version = run(process.execPath, [join(project, 'node_modules/.bin/escrowmq'), '--version'], project);
  console.log(`all three used from a scratch project; escrowmq ${version.trim()}`);
} finally {
  for (const folder of PACKAGES) rmSync(join(folder, 'dist'), { recursive: true, force: true });
  rmSync(scratch, { recursive: true, force: true });
}
