/** A broker that was put back to a copy of its database: what docs/operating.md says that it does not know, and does again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { temporaryFolder } from '../support/store.ts';

const OPERATOR_KEY = 'an-operator-key-of-at-least-32-characters';
const SETTINGS = { args: ['--publisher', 'memory'], env: { ESCROWMQ_OPERATOR_KEY: OPERATOR_KEY } };

/** With an operator's key, or another one. */
const as =
  (broker: BrokerProcess, key = OPERATOR_KEY) =>
  (method: string, path: string, body?: unknown) =>
    broker.call(method, path, body, { authorization: `Bearer ${key}` });

const records = async (broker: BrokerProcess): Promise<{ id: string; source: string; payload: string }[]> => {
  const { body } = await as(broker)('GET', '/v1/memory/records');
  return body.items.map((item: { headers: Record<string, string>; payload: string }) => ({
    id: item.headers.ce_id,
    source: item.headers.ce_source,
    payload: item.payload,
  }));
};

const backup = async ({ url }: BrokerProcess): Promise<Buffer> => {
  const response = await fetch(`${url}/v1/backup`, {
    method: 'POST',
    headers: { authorization: `Bearer ${OPERATOR_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'nightly' }),
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
};

t.setTimeout(60_000);

t.test('a restored broker asks again, sends again under the same identity, and knows nothing younger', async t => {
  const first = await startBrokerProcess(t, SETTINGS);
  const checker = await startCheckHandler(t);
  const call = as(first);
  const later = { afterMs: 600_000 };
  await call('PUT', '/v1/producer-groups/bank', { checkUrl: checker.url, check: later });
  const prepare = (id: string) =>
    call('POST', '/v1/transactions', { id, group: 'bank', messages: [{ topic: 'transfers', payload: id }] });
  for (const id of ['sent', 'committed-later', 'rolled-back-later']) t.equal((await prepare(id)).status, 201);
  t.equal((await call('POST', '/v1/transactions/sent/commit', { reason: 'test' })).status, 200);
  const inTime = (await call('POST', '/v1/keys', { role: 'viewer' })).body;
  await eventually('the first record', async () => (await records(first)).length === 1);

  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'escrowmq.db'), await backup(first));

  await call('POST', '/v1/transactions/committed-later/commit', { reason: 'test' });
  await call('POST', '/v1/transactions/rolled-back-later/rollback', { reason: 'test' });
  await prepare('begun-later');
  await call('DELETE', `/v1/keys/${inTime.prefix}`, { reason: 'test' });
  const late = (await call('POST', '/v1/keys', { role: 'viewer' })).body;
  const [before] = await eventually('the record of the second', async () => {
    const seen = await records(first);
    return seen.length === 2 && seen.slice(1);
  });
  t.equal(await first.stop(), 0);

  const restored = new BrokerProcess(folder, SETTINGS);
  t.teardown(() => restored.kill());
  await restored.start();
  const state = async (id: string) => (await as(restored)('GET', `/v1/transactions/${id}`)).body;
  t.match(await state('sent'), { state: 'committed', messageStates: { forwarded: 1 } }, 'as it was');
  t.match(await state('committed-later'), { state: 'prepared' }, 'undecided again');
  t.match(await state('rolled-back-later'), { state: 'prepared' }, 'undecided again');
  t.equal((await state('begun-later')).code, 'TRANSACTION_NOT_FOUND');
  t.equal(
    (await as(restored, inTime.key)('GET', '/v1/topics')).status,
    200,
    'a key that was revoked later is good again',
  );
  t.equal((await as(restored, late.key)('GET', '/v1/topics')).status, 401, 'one that was made later is unknown');

  // The producer says what its fence says.
  checker.answer(id => (id === 'committed-later' ? 'commit' : 'rollback'));
  for (const id of ['committed-later', 'rolled-back-later'])
    t.equal((await as(restored)('POST', `/v1/transactions/${id}/check`, { reason: 'restored' })).status, 202);
  await eventually('the same decisions', async () => {
    const states = [await state('committed-later'), await state('rolled-back-later')].map(one => one.state);
    return states.join() === 'committed,rolled_back';
  });
  const [again] = await eventually('the record once more', async () => {
    const seen = await records(restored);
    return seen.length === 1 && seen;
  });
  t.same(again, before, 'under the same identity');
  t.equal(await restored.stop(), 0);
});
