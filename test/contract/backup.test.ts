/** A copy of the store over HTTP: whole, by one operator at a time, and nothing of it is left behind. */
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { DiskRoom } from '../../broker/store/disk-room.ts';
import { CopyGivenUpError, StoreCopies, type StoreCopy } from '../../broker/store/store-copies.ts';
import { isProblem, startServer, type TestServer } from '../support/http-server.ts';
import { openCoordinator, openStore, temporaryFolder } from '../support/store.ts';
import { until } from '../support/until.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const REASON = { reason: 'nightly' };
const MIB = 1024 * 1024;

/** Transactions with 900 KB each, more than the buffers of a connection hold. */
const fill = async (s: TestServer, transactions: number): Promise<void> => {
  await s.createGroup('g');
  for (let i = 0; i < transactions; i++) {
    await s.prepare(`t${i}`, { messages: [{ topic: 'transfers', key: `k${i}`, payload: 'x'.repeat(900_000) }] });
  }
};

const begun = (s: TestServer): StoreCopy => {
  const copy = s.store.copies.begin();
  if (typeof copy === 'string') throw new Error(copy);
  return copy;
};

/** Looks in every turn of the event loop: what is made in several of them is seen. */
const appears = async (path: string): Promise<void> => {
  while (!existsSync(path)) await nextTurn();
};

t.test('the copy is a store with everything that was acknowledged, and with the act itself', async t => {
  const s = await startServer(t);
  await fill(s, 3);
  await s.call('POST', '/v1/transactions/t1/commit');
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/', check: { limit: 7 } });
  const answer = await s.call('POST', '/v1/backup', REASON);
  t.equal(answer.statusCode, 200);
  t.equal(answer.headers['content-type'], 'application/vnd.sqlite3');
  t.equal(answer.headers['content-length'], String(answer.rawPayload.length));
  t.equal(answer.headers['content-disposition'], 'attachment; filename="escrowmq-20261121T100000Z.db"');
  t.equal(answer.headers['cache-control'], 'no-store');
  const scrape = await s.call('GET', '/metrics');
  t.match(scrape.body, `\nescrowmq_last_backup_timestamp_seconds ${s.time.now / 1_000}\n`);
  await s.prepare('later');

  const dataDir = temporaryFolder(t);
  writeFileSync(join(dataDir, 'escrowmq.db'), answer.rawPayload);
  const store = openStore(t, dataDir);
  for (const id of ['t0', 't1', 't2']) {
    t.same(await store.transaction(id), await s.store.transaction(id), id);
    t.same(await store.contents(id), await s.store.contents(id), `${id}: contents`);
  }
  t.equal(await store.transaction('later'), null);
  t.same(await store.groups(), await s.store.groups());
  t.match((await store.acts({}, 10, null)).items, [{ act: 'backup', by: 'operator', target: null, reason: 'nightly' }]);
  const coordinator = await openCoordinator(store);
  t.equal(coordinator.counters().get('lastBackupAt'), s.time.now, 'it knows how old it is');
  const resolve = { type: 'resolve', id: 't0', resolution: 'commit', by: 'producer', reason: null } as const;
  t.match(await coordinator.submit([resolve]), [{ kind: 'done', changed: true }]);
});

t.test('who asks is written down, with a reason', async t => {
  const s = await startServer(t, { operatorKey: KEY });
  const headers = { authorization: `Bearer ${KEY}` };
  for (const body of [{}, { reason: '' }, { reason: 'x', to: '/etc' }]) {
    isProblem(t, await s.call('POST', '/v1/backup', body, headers), 'VALIDATION_FAILED', JSON.stringify(body));
  }
  isProblem(t, await s.call('POST', '/v1/backup', undefined, headers), 'VALIDATION_FAILED', 'no body');
  isProblem(t, await s.call('POST', '/v1/backup', REASON), 'UNAUTHENTICATED');
  t.equal((await s.call('POST', '/v1/backup', REASON, headers)).statusCode, 200);
  const { items } = (await s.call('GET', '/v1/acts?act=backup', undefined, headers)).json();
  t.match(items, [{ id: 1, by: 'operator', target: null, group: null, reason: 'nightly' }]);
  t.equal(items.length, 1);
});

t.test('one at a time: the place is free when the other was read or given up', async t => {
  const s = await startServer(t);
  const first = begun(s);
  isProblem(t, await s.call('POST', '/v1/backup', REASON), 'BACKUP_RUNNING', 'while it is made');
  const { bytes, content } = await first.make();
  isProblem(t, await s.call('POST', '/v1/backup', REASON), 'BACKUP_RUNNING', 'while it is read');
  let read = 0;
  for await (const chunk of content) read += chunk.length;
  t.equal(read, bytes);
  t.equal((await s.call('POST', '/v1/backup', REASON)).statusCode, 200);
  t.same((await s.call('GET', '/v1/acts')).json().items.length, 1, 'what was refused is no act');
});

t.test('while it is made it is private, and as soon as it is whole it has no name', async t => {
  const dataDir = temporaryFolder(t);
  const s = await startServer(t, {}, dataDir);
  await fill(s, 10);
  const folder = join(dataDir, 'copy');
  const file = join(folder, 'escrowmq.db');
  const making = begun(s).make();
  await appears(file);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const { content } = await making;
  t.notOk(existsSync(folder));
  content.destroy();
});

t.test('a copy that is given up leaves nothing, whenever that is', async t => {
  const dataDir = temporaryFolder(t);
  const s = await startServer(t, {}, dataDir);
  await fill(s, 10);
  const never = begun(s);
  never.giveUp();
  await t.rejects(never.make(), CopyGivenUpError);
  for (const when of [async () => {}, nextTurn, () => appears(join(dataDir, 'copy'))]) {
    const copy = begun(s);
    const making = copy.make();
    await when();
    copy.giveUp();
    // It may have been made by then: what is read from it ends at once.
    await making.then(
      ({ content }) => t.ok(content.destroyed),
      error => t.equal(error.name, 'CopyGivenUpError'),
    );
    await until('its place is free', () => s.store.copies.begin() !== 'busy').catch(() => t.fail('the place is taken'));
    await s.store.copies.close();
    t.notOk(existsSync(join(dataDir, 'copy')));
  }
  t.equal((await s.call('POST', '/v1/backup', REASON)).statusCode, 200);
});

t.test('a client that goes away in the middle frees the place', async t => {
  const dataDir = temporaryFolder(t);
  const s = await startServer(t, {}, dataDir);
  await fill(s, 20);
  await s.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = s.app.server.address() as AddressInfo;
  const body = JSON.stringify(REASON);
  const head = `POST /v1/backup HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  const socket = connect(port, '127.0.0.1');
  socket.write(`${head}\r\n\r\n${body}`);
  const [chunk] = await once(socket, 'data');
  t.match(String(chunk), /^HTTP\/1\.1 200 /);
  socket.pause();
  t.equal(s.store.copies.begin(), 'busy');
  socket.destroy();
  let copy = s.store.copies.begin();
  await until('its place is free', () => {
    copy = s.store.copies.begin();
    return copy !== 'busy';
  });
  t.notOk(existsSync(join(dataDir, 'copy')));
  (copy as StoreCopy).giveUp();
  t.same(s.errors, []);
});

t.test('without room for it beside the reserve nothing is begun', async t => {
  const s = await startServer(t);
  const { space } = DiskRoom.prototype;
  t.teardown(() => {
    DiskRoom.prototype.space = space;
  });
  DiskRoom.prototype.space = () => ({ freeBytes: 64 * MIB + 4_096, reserveBytes: 64 * MIB });
  const problem = isProblem(t, await s.call('POST', '/v1/backup', REASON), 'STORAGE_FULL');
  t.match(problem.detail, /reserve/);
  t.same((await s.call('GET', '/v1/acts')).json().items, []);
  DiskRoom.prototype.space = space;
  t.equal((await s.call('POST', '/v1/backup', REASON)).statusCode, 200);
});

t.test('room that runs out while it is made is told, and nothing is left', async t => {
  const dataDir = temporaryFolder(t);
  const s = await startServer(t, {}, dataDir);
  await fill(s, 10);
  const { space } = DiskRoom.prototype;
  t.teardown(() => {
    DiskRoom.prototype.space = space;
  });
  // The thread looks at the disk itself, and finds less than it is told to leave.
  DiskRoom.prototype.space = () => ({ freeBytes: Number.MAX_SAFE_INTEGER, reserveBytes: Number.MAX_SAFE_INTEGER / 2 });
  isProblem(t, await s.call('POST', '/v1/backup', REASON), 'STORAGE_FULL');
  t.notOk(existsSync(join(dataDir, 'copy')));
  DiskRoom.prototype.space = space;
  t.equal((await s.call('POST', '/v1/backup', REASON)).statusCode, 200);
});

t.test('a copy that is read slowly gives its room back when only the reserve is left', async t => {
  const s = await startServer(t);
  const { content } = await begun(s).make();
  const isShort = Object.getOwnPropertyDescriptor(DiskRoom.prototype, 'isShort')!;
  t.teardown(() => Object.defineProperty(DiskRoom.prototype, 'isShort', isShort));
  t.equal(content.destroyed, false);
  Object.defineProperty(DiskRoom.prototype, 'isShort', { get: () => true, configurable: true });
  await once(content, 'close');
  t.ok(content.destroyed);
  t.not(s.store.copies.begin(), 'busy');
});

t.test('what a killed process left behind is swept away', async t => {
  const dataDir = temporaryFolder(t);
  mkdirSync(join(dataDir, 'copy'));
  writeFileSync(join(dataDir, 'copy', 'escrowmq.db'), 'half a copy');
  const store = openStore(t, dataDir);
  await store.copies.sweep();
  t.notOk(existsSync(join(dataDir, 'copy')));
  await store.copies.sweep();
});

t.test('a copy whose rest cannot even be removed is over, and stands in nobody’s way', async t => {
  const folder = temporaryFolder(t);
  // No system call takes such a path.
  const copies = new StoreCopies(`${folder}\0`, join(folder, 'escrowmq.db'), new DiskRoom(folder, 0), () => 0);
  for (const _ of [1, 2]) {
    const copy = copies.begin();
    if (typeof copy === 'string') throw new Error(copy);
    await t.rejects(copy.make(), { code: 'ERR_INVALID_ARG_VALUE' });
  }
  await copies.close();
});
