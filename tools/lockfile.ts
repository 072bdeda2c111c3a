/**
 * Looks through package-lock.json: every package known by its SHA-512, none from git, a file or an address, and no
 * install script but those listed here. Part of `npm run check`.
 */
import { readFileSync } from 'node:fs';
import { type LockFile, lockFileFaults } from './lockfile/faults.ts';

/** None is needed: what is native comes ready made inside its package. */
const INSTALL_SCRIPTS: readonly string[] = [];

const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'));
const lock: LockFile = read('package-lock.json');
const faults = lockFileFaults(lock, { workspaces: read('package.json').workspaces, installScripts: INSTALL_SCRIPTS });
for (const fault of faults) console.error(`package-lock.json: ${fault}.`);
console.log(`${Object.keys(lock.packages).length} packages in the lock file, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
