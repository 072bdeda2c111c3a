/** The broker at a glance: counts, what happened since the start, the disk. */
import t from 'tap';
import type { StatusBody } from '../../broker/protocol/wire.ts';
import { VERSION } from '../../broker/version.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { openCoordinator, openStore, prepareCommand, producerGroup, temporaryFolder } from '../support/store.ts';

const statusOf = async (s: TestServer): Promise<StatusBody> => (await s.call('GET', '/v1/status')).json();

t.test('an empty broker', async t => {
  const s = await startServer(t);
  const { disk, ...status } = await statusOf(s);
  t.strictSame(status, {
    version: VERSION,
    startedAt: '2026-11-21T10:00:00.000Z',
    now: '2026-11-21T10:00:00.000Z',
    status: 'ok',
    checks: { store: { status: 'ok' } },
    publisher: 'memory',
    source: 'escrowmq',
    retentionMs: 259_200_000,
    transactions: { prepared: 0, committed: 0, rolled_back: 0, unresolved: 0, contradicted: 0 },
    messages: { held: 0, ready: 0, forwarded: 0, parked: 0, discarded: 0, dropped: 0 },
    sinceStart: { prepared: 0, committed: 0, rolledBack: 0, checks: 0, forwarded: 0, parked: 0 },
    oldest: { prepared: null, ready: null, parked: null },
    waitingCommands: 0,
  });
  t.ok(disk.freeBytes > 0);
  t.equal(disk.reserveBytes, 0);
  t.ok(disk.databaseBytes + disk.walBytes > 10_000, 'the tables are somewhere');
});

t.test('counts, and the oldest of each kind', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { check: { limit: 1 } });
  await s.prepare('t1');
  s.time.now += 1_000;
  await s.prepare('t2');
  await s.coordinator.submit([{ type: 'answer', id: 't2', answer: 'nobody', error: null }]);
  await s.park('t3');
  s.time.now += 1_000;
  await s.prepare('t4');
  await s.call('POST', '/v1/transactions/t4/commit');
  await s.call('POST', '/v1/transactions/t4/rollback');
  await s.prepare('t5');
  await s.call('POST', '/v1/transactions/t5/rollback');
  s.time.now += 3_000;
  t.match(await statusOf(s), {
    startedAt: '2026-11-21T10:00:00.000Z',
    now: '2026-11-21T10:00:05.000Z',
    transactions: { prepared: 2, committed: 2, rolled_back: 1, unresolved: 1, contradicted: 1 },
    messages: { held: 2, ready: 1, forwarded: 0, parked: 1, discarded: 0, dropped: 1 },
    sinceStart: { prepared: 5, committed: 2, rolledBack: 1 },
    oldest: {
      prepared: '2026-11-21T10:00:00.000Z',
      ready: '2026-11-21T10:00:02.000Z',
      parked: '2026-11-21T10:00:01.000Z',
    },
  });
});

t.test('what happened is counted by what happened, not by calls', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (let i = 0; i < 3; i++)
    await s.call('POST', '/v1/transactions', { id: 't1', group: 'g', messages: [{ topic: 'x', payload: 'x' }] });
  for (let i = 0; i < 3; i++) await s.call('POST', '/v1/transactions/t1/commit');
  s.metrics.onCheck('unknown', 2);
  s.metrics.onCheck('commit');
  s.metrics.onForwarded('x', 7, 5);
  s.metrics.onForwarded('y', 1, 5);
  s.metrics.onParked(2);
  t.same((await statusOf(s)).sinceStart, {
    prepared: 1,
    committed: 1,
    rolledBack: 0,
    checks: 3,
    forwarded: 8,
    parked: 2,
  });
});

t.test('what an earlier run did is in the counts, and not since the start', async t => {
  const dataDir = temporaryFolder(t);
  const earlier = openStore(t, dataDir);
  const before = await openCoordinator(earlier);
  await before.submit([{ type: 'put_group', group: producerGroup('g') }]);
  await before.submit([prepareCommand('t1', 'g')]);
  await earlier.close();
  const s = await startServer(t, {}, dataDir);
  await s.prepare('t2');
  t.match(await statusOf(s), { transactions: { prepared: 2 }, sinceStart: { prepared: 1 } });
});

t.test('what is wrong is told as /readyz tells it, and is no error', async t => {
  const s = await startServer(t);
  s.state.readiness = {
    status: 'unavailable',
    checks: { store: { status: 'unavailable', detail: 'there is no room' } },
  };
  const answer = await s.call('GET', '/v1/status');
  t.equal(answer.statusCode, 200);
  t.match(answer.json(), s.state.readiness);
  t.equal((await s.call('GET', '/v1/status?x=1')).statusCode, 400);
});
