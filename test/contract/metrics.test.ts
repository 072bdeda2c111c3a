/** What can be scraped, and that docs/metrics.md says the same. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Metrics } from '../../broker/api/metrics.ts';
import { startServer, transaction } from '../support/http-server.ts';
import { readScrape } from '../support/metrics.ts';

const DOCUMENT = 'docs/metrics.md';

/** Of everything at least one, so that each label is seen. */
const makeSomethingOfAll = (metrics: Metrics): void => {
  metrics.onResolution('committed', 'producer');
  metrics.onForwarded('transfers', 1, 1);
  metrics.onCall('g', 1, null);
  metrics.onCommit(1, 1);
  metrics.onRequest('/livez', 'GET', 200, 1);
};

t.test('docs/metrics.md and a scrape say the same, both ways', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  makeSomethingOfAll(s.metrics);
  const scrape = readScrape((await s.call('GET', '/metrics')).body);
  const documented = new Map<string, { type: string; labels: string; unit: string }>();
  for (const line of readFileSync(DOCUMENT, 'utf8').split('\n')) {
    const [, name, type, labels, unit] =
      /^\| `([a-z0-9_]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|/.exec(line)?.map(cell => cell.trim()) ?? [];
    if (name === undefined) continue;
    t.notOk(documented.has(name), `${name} is explained once`);
    documented.set(name, { type: type!, labels: labels!, unit: unit! });
  }
  for (const [name, type] of scrape.types) t.equal(documented.get(name)?.type, type, `${name} in ${DOCUMENT}`);
  for (const [name, { labels, unit }] of documented) {
    t.ok(scrape.types.has(name), `${name} can be scraped`);
    // What keeps a process alive, and its garbage, are the runtime's: there need not be any.
    if (name.startsWith('nodejs_')) continue;
    const shown = [...(scrape.labels.get(name) ?? [])].map(label => `\`${label}\``).join(', ');
    t.equal(labels, shown === '' ? '–' : shown, `labels of ${name}`);
    if (/_seconds(_total)?$/.test(name)) t.match(unit, /^seconds/, `${name} has its unit in its name`);
    if (/_bytes$/.test(name)) t.equal(unit, 'bytes', name);
  }
  t.ok(documented.size > 50);
});

t.test('a hundred topics more than there are labels: what is left over is put together', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const topics = Array.from({ length: 300 }, (_, i) => `topic-${i}`);
  for (const [i, topic] of topics.entries()) {
    await s.call('POST', '/v1/transactions', transaction(`t${i}`, { topic }));
    s.time.now += 1_000;
    await s.call('POST', `/v1/transactions/t${i}/commit`);
  }
  await s.coordinator.submit([{ type: 'park', transactionId: 't299', index: 0, error: 'too large' }]);
  s.time.now += 1_000;
  s.metrics.onForwarded('topic-299', 1, 1);
  const { values } = readScrape((await s.call('GET', '/metrics')).body);
  const of = (name: string, topic: string) => values.get(`escrowmq_topic_${name}{topic="${topic}"}`);
  t.equal([...values.keys()].filter(series => series.startsWith('escrowmq_topic_waiting_messages')).length, 201);
  t.equal(of('waiting_messages', 'topic-0'), 1);
  t.equal(of('oldest_waiting_age_seconds', 'topic-0'), 300);
  t.equal(of('parked_messages', 'topic-299'), 1, 'whatever has a label keeps it');
  t.equal(of('waiting_messages', 'topic-299'), 0);
  t.equal(of('waiting_messages', 'other'), 100, 'sums');
  t.equal(of('oldest_waiting_age_seconds', 'other'), 101, 'the oldest of them');
  t.equal(values.get('escrowmq_forwarded_messages_total{topic="topic-299"}'), 1);
});

t.test('what is refused is counted by its code, in batches too, from 0 on', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  const refusals = async () => {
    const { values } = readScrape((await s.call('GET', '/metrics')).body);
    return (code: string) => values.get(`escrowmq_refusals_total{code="${code}"}`);
  };
  t.equal((await refusals())('OVERLOADED'), 0, 'a rate sees the first one');
  await s.call('POST', '/v1/transactions/none/commit');
  await s.call('POST', '/v1/transactions/t1/commit');
  await s.call('POST', '/v1/transactions/t1/rollback');
  await s.call('GET', '/nowhere');
  const operations = [
    { op: 'rollback', id: 't1' },
    { op: 'commit', id: 't1' },
    { op: 'commit', id: 'none' },
    { op: 'dance' },
  ];
  t.equal((await s.call('POST', '/v1/batch', { operations })).statusCode, 200);
  s.state.accepting = false;
  await s.call('POST', '/v1/transactions/t1/commit');
  const of = await refusals();
  t.equal(of('TRANSACTION_NOT_FOUND'), 2);
  t.equal(of('ALREADY_COMMITTED'), 2);
  t.equal(of('NOT_FOUND'), 1);
  t.equal(of('VALIDATION_FAILED'), 1);
  t.equal(of('SHUTTING_DOWN'), 1);
  t.equal(of('INTERNAL'), 0);
});
