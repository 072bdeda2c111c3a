/** A backup of a broker at work: another broker started on it knows what was acknowledged before, and goes on with it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(115_000);

const BATCH = 100;
/** A Kafka that is away: what is committed waits. */
const AWAY = ['--kafka-brokers', '127.0.0.1:1'];

/** Stores a batch of transactions and commits all but every tenth. Resolves with the acknowledged ids. */
const work = async (broker: BrokerProcess, name: string, payloadBytes: number): Promise<string[]> => {
  const ids = Array.from({ length: BATCH }, (_, i) => `${name}-${i}`);
  const payload = 'x'.repeat(payloadBytes);
  const messages = [{ topic: 'transfers', payload }];
  const prepares = ids.map(id => ({ op: 'prepare', id, group: 'g', messages, check: { afterMs: 100 } }));
  const commits = ids.filter((_, i) => i % 10 !== 0).map(id => ({ op: 'commit', id }));
  for (const operations of [prepares, commits]) {
    const { results } = (await broker.post('/v1/batch', { operations })).body;
    const refused = results.find(({ status }: { status: number }) => status >= 400);
    if (refused) throw new Error(JSON.stringify(refused));
  }
  return ids;
};

/** `ce_id` of every record that the memory publisher has. */
const forwarded = async (broker: BrokerProcess): Promise<string[]> => {
  const found: string[] = [];
  let after = 0;
  for (;;) {
    const { items, next } = (await broker.get(`/v1/memory/records?limit=500&after=${after}`)).body;
    if (items.length === 0) return found;
    found.push(...items.map(({ headers }: { headers: Record<string, string> }) => headers.ce_id));
    after = next;
  }
};

t.test('a copy made under load is a data folder: all is there, asked again, forwarded again', async t => {
  let doesAnswer = false;
  const handler = await startCheckHandler(t, () => (doesAnswer ? 'commit' : undefined));
  const dataDir = temporaryFolder(t);
  mkdirSync(join(dataDir, 'copy'), { mode: 0o700 });
  writeFileSync(join(dataDir, 'copy', 'escrowmq.db'), 'half a copy');
  const broker = await startBrokerProcess(t, { args: AWAY, dataDir });
  t.notOk(existsSync(join(dataDir, 'copy')), 'what was left of a copy is gone');
  await broker.put('/v1/producer-groups/g', { checkUrl: handler.url });
  const acknowledged: string[] = [];
  for (let i = 0; i < 4; i++) acknowledged.push(...(await work(broker, `before-${i}`, 100_000)));

  let isMade = false;
  let meanwhile = 0;
  const load = (async () => {
    for (let i = 0; !isMade; i++) meanwhile += (await work(broker, `meanwhile-${i}`, 100)).length;
  })();
  const lives: number[] = [];
  const liveness = (async () => {
    while (!isMade) lives.push((await broker.get('/livez')).status);
  })();
  const response = await fetch(`${broker.url}/v1/backup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'nightly' }),
  });
  t.equal(response.status, 200);
  const copy = Buffer.from(await response.arrayBuffer());
  isMade = true;
  await Promise.all([load, liveness]);
  t.equal(copy.length, Number(response.headers.get('content-length')));
  t.ok(meanwhile > 0, `${meanwhile} transactions were acknowledged meanwhile`);
  t.ok(lives.length > 0 && lives.every(status => status === 200), `/livez answered ${lives.length} times`);
  t.match((await broker.get('/v1/acts')).body.items, [{ act: 'backup', reason: 'nightly' }]);
  await broker.kill();
  const askedBefore = handler.asked.length;

  const restored = temporaryFolder(t);
  writeFileSync(join(restored, 'escrowmq.db'), copy, { mode: 0o600 });
  doesAnswer = true;
  const second = await startBrokerProcess(t, { args: ['--publisher', 'memory'], dataDir: restored });
  t.match((await second.get('/v1/acts')).body.items, [{ act: 'backup' }], 'also the act itself');
  await eventually('everything to be decided and forwarded', async () => {
    const { transactions, messages } = (await second.get('/v1/status')).body;
    return transactions.prepared === 0 && messages.ready === 0;
  });
  const records = new Set(await forwarded(second));
  const missing = acknowledged.filter(id => !records.has(`${id}.0`));
  t.same(missing, [], `${acknowledged.length} acknowledged before the call`);
  const undecided = acknowledged.filter((_, i) => i % 10 === 0);
  t.ok(
    undecided.every(id => handler.asked.includes(id, askedBefore)),
    `${undecided.length} undecided ones were asked about again`,
  );
  for (const id of undecided.slice(0, 3)) {
    t.match((await second.get(`/v1/transactions/${id}`)).body, { state: 'committed', resolvedBy: 'check' });
  }
  t.equal(await second.stop(), 0);
});

t.test('a broker that is to stop does not wait for a copy', async t => {
  const broker = await startBrokerProcess(t, { args: AWAY });
  await broker.put('/v1/producer-groups/g', {});
  for (let i = 0; i < 4; i++) await work(broker, `t${i}`, 100_000);
  const response = await fetch(`${broker.url}/v1/backup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'nightly' }),
  });
  t.equal(response.status, 200);
  // Nobody reads it.
  t.equal(await broker.stop(), 0);
  t.notOk(existsSync(join(broker.dataDir, 'copy')));
  await response.body?.cancel().catch(() => {});
});
