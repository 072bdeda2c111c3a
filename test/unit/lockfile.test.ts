/** The check of the lock file finds what somebody could slip into it, and has nothing against ours. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { type LockedPackage, type LockFile, lockFileFaults } from '../../tools/lockfile/faults.ts';

const EXPECTED = { workspaces: ['broker'], installScripts: ['native'] };
const GOOD: LockedPackage = { version: '1.2.3', integrity: `sha512-${'A'.repeat(86)}==` };

const lockWith = (path: string, locked: LockedPackage): LockFile => ({
  lockfileVersion: 3,
  packages: {
    '': { version: '0.1.0' },
    broker: { version: '0.1.0' },
    'node_modules/escrowmq': { resolved: 'broker', link: true },
    'node_modules/good': GOOD,
    [path]: locked,
  },
});

t.test('a good one', async t => {
  t.same(lockFileFaults(lockWith('node_modules/a/node_modules/@b/c', GOOD), EXPECTED), []);
  t.same(lockFileFaults(lockWith('node_modules/native', { ...GOOD, hasInstallScript: true }), EXPECTED), []);
  t.same(lockFileFaults(lockWith('node_modules/x', { ...GOOD, version: '1.0.0-rc.1+5' }), EXPECTED), []);
});

t.test('everything that may be slipped in', async t => {
  const { integrity: _, ...unknown } = GOOD;
  const bad: [path: string, locked: LockedPackage, sentence: RegExp][] = [
    ['node_modules/x', unknown, /no SHA-512/],
    ['node_modules/x', { ...GOOD, integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, /no SHA-512/],
    ['node_modules/x', { ...GOOD, integrity: `${GOOD.integrity} sha1-AAAA` }, /no SHA-512/],
    ['node_modules/x', { ...GOOD, resolved: 'git+ssh://git@example.org/a/b.git#0123' }, /names where it comes from/],
    ['node_modules/x', { ...GOOD, resolved: 'https://example.org/x.tgz' }, /names where it comes from/],
    ['node_modules/x', { ...GOOD, resolved: 'file:../x' }, /names where it comes from/],
    ['node_modules/x', { ...GOOD, version: 'git+https://example.org/x' }, /no exact version/],
    ['node_modules/x', { ...GOOD, version: '^1.2.3' }, /no exact version/],
    ['node_modules/x', { resolved: '../x', link: true }, /is no workspace/],
    ['node_modules/x', { link: true }, /is no workspace/],
    ['node_modules/x', { ...GOOD, hasInstallScript: true }, /runs a script/],
    ['node_modules/x/node_modules/@native/native', { ...GOOD, hasInstallScript: true }, /runs a script/],
    ['elsewhere', GOOD, /neither a workspace nor a package/],
    ['broker', { version: '0.1.0', resolved: 'https://example.org/broker.tgz' }, /comes from elsewhere/],
    ['', { version: '0.1.0', link: true }, /comes from elsewhere/],
  ];
  for (const [path, locked, sentence] of bad) {
    const faults = lockFileFaults(lockWith(path, locked), EXPECTED);
    t.match(faults, [sentence], JSON.stringify(locked));
    t.equal(faults.length, 1, faults.join());
  }
  t.match(lockFileFaults({ lockfileVersion: 2, packages: {} }, EXPECTED), [/version 2/, /broker is missing/]);
});

t.test('ours', async t => {
  const lock: LockFile = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const { workspaces, allowScripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  t.same(lockFileFaults(lock, { workspaces, installScripts: [] }), []);
  t.ok(
    Object.values(allowScripts).every(isAllowed => isAllowed === false),
    'npm is told to run none either',
  );
});
