/**
 * Packs the three packages as they would be published, checks each with publint and attw, and uses all of them in a
 * project of their own, so that what users install is what was tested.
 *
 *   npm run packages [-- --out DIR]        DIR: keep the tarballs there, to be published
 */
import { cpSync, mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './packages/command.ts';
import { ScratchProject } from './packages/scratch-project.ts';

const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
const bin = (name: string): string => resolve('node_modules/.bin', name);

const project = await ScratchProject.make();
try {
  for (const tarball of project.tarballs) {
    await Promise.all([
      run(bin('publint'), ['run', tarball, '--strict'], project.folder),
      run(bin('attw'), [tarball, '--profile', 'esm-only'], project.folder),
    ]);
    console.log(`${basename(tarball)}: publint and attw have nothing to say`);
  }
  for (const how of ['import', 'require'] as const) console.log(`${how}: ${await project.use(process.execPath, how)}`);
  await project.typeCheckForOldestNode();
  for (const compilation of ['TypeScript 7, nodenext', 'TypeScript 7, bundler'] as const) {
    await project.typeCheck(compilation);
    console.log(`types: ${compilation}`);
  }
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    for (const tarball of project.tarballs) cpSync(tarball, join(out, basename(tarball)));
    console.log(`tarballs in ${out}`);
  }
} finally {
  project.remove();
}
