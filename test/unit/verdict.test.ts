import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';

const TAP = import.meta.resolve('tap');
const VERDICT = pathToFileURL(resolve('tools/verdict.ts')).href;

/** The exit code of a test file as node's runner would get it. */
const exitCodeOf = (folder: string, body: string): number | null => {
  const file = join(folder, 'one.mjs');
  writeFileSync(file, `import t from '${TAP}';\n${body}\n`);
  const env = { ...process.env, NODE_TEST_CONTEXT: 'child-v8' };
  return spawnSync(process.execPath, [`--import=${VERDICT}`, file], { env, stdio: 'ignore' }).status;
};

t.test('a file whose test never settles has failed, whatever it told', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-verdict-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  t.equal(exitCodeOf(folder, "t.test('fine', async t => t.ok(true));"), 0);
  t.equal(exitCodeOf(folder, "t.test('wrong', async t => t.ok(false));"), 1);
  t.equal(exitCodeOf(folder, "t.test('never', async t => { t.ok(true); await new Promise(() => {}); });"), 1);
});
