/** What `escrowmq backup` makes of answers that are not whole. That a real one can be started from is tested elsewhere. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Given, inside } from '../support/commands.ts';
import { temporaryFolder } from '../support/store.ts';

const HEADER = Buffer.from('SQLite format 3\0', 'latin1');
const WHOLE = Buffer.concat([HEADER, Buffer.alloc(300_000, 7)]);

/** A broker that answers like this. Resolves with what a backup from it does. */
const backup = async (t: Test, answer: (response: ServerResponse) => void, given: Given = {}) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    request.on('data', chunk => asked.push(String(chunk))).on('end', () => answer(response));
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = mkdtempSync(join(temporaryFolder(t), 'b-'));
  const file = join(folder, 'copy.db');
  const run = () => inside(['backup', file, '--reason', 'nightly', '--url', url], given);
  return { ...(await run()), run, asked, folder, file };
};

const sends =
  (bytes: Buffer, length: number | null = bytes.length) =>
  (response: ServerResponse): void => {
    response.writeHead(200, length === null ? {} : { 'content-length': length });
    response.write(bytes, () => (length === null || length <= bytes.length ? response.end() : response.destroy()));
  };

t.test('what is whole gets its name, for its owner alone; nothing is overwritten', async t => {
  const lines: string[] = [];
  const { status, stdout, run, asked, folder, file } = await backup(t, sends(WHOLE), {
    onProgress: line => lines.push(line),
  });
  t.strictSame([status, stdout], [0, `${file}: 293.0 KiB.\n`]);
  t.ok(readFileSync(file).equals(WHOLE));
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.strictSame(readdirSync(folder), ['copy.db']);
  t.strictSame(
    asked.map(text => JSON.parse(text)),
    [{ reason: 'nightly' }],
  );
  t.match(lines.at(-1), '293.0 KiB of 293.0 KiB');
  t.match(await run(), { status: 1, stderr: /copy\.db is there already, and is not overwritten\./ });
  t.ok(readFileSync(file).equals(WHOLE));
});

t.test('whatever is not whole leaves nothing', async t => {
  const cases: [(response: ServerResponse) => void, RegExp][] = [
    [sends(WHOLE, WHOLE.length + 1), /There is no answer from a broker/],
    [sends(WHOLE, null), /does not say how long the copy is/],
    [sends(Buffer.alloc(1_000, 'x')), /What came is no SQLite database/],
    [sends(HEADER.subarray(0, 5)), /What came is no SQLite database/],
    [response => response.writeHead(404).end('<html>'), /is no escrowmq broker: 404/],
    [response => response.destroy(), /There is no answer from a broker/],
  ];
  for (const [answer, sentence] of cases) {
    const { status, stdout, stderr, folder } = await backup(t, answer);
    t.match(stderr, sentence);
    t.strictSame([status, stdout, readdirSync(folder)], [1, '', []], String(sentence));
  }
});

t.test('interrupted, it leaves nothing', async t => {
  const controller = new AbortController();
  const given = { interrupted: controller.signal, onProgress: () => controller.abort() };
  const { status, stderr, folder } = await backup(
    t,
    response => response.writeHead(200, { 'content-length': 99 }).write(HEADER),
    given,
  );
  t.match(stderr, /it was interrupted/);
  t.strictSame([status, readdirSync(folder)], [1, []]);
});

t.test('where it cannot be written, and beside another one', async t => {
  const { run, file } = await backup(t, sends(Buffer.from('x')));
  writeFileSync(`${file}.part`, 'of another one');
  t.match(await run(), { status: 1, stderr: /copy\.db\.part is there: another backup is being written/ });
  t.equal(readFileSync(`${file}.part`, 'utf8'), 'of another one');
  const nowhere = await inside(['backup', join(file, 'x', 'y.db'), '--reason', 'r']);
  t.match(nowhere, { status: 1, stderr: /y\.db\.part cannot be written \(ENOENT\)/ });
  t.notOk(existsSync(file));
});
