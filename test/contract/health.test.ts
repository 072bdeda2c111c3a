/** Liveness, readiness and metrics. */
import t from 'tap';
import { Metrics } from '../../broker/api/metrics.ts';
import { VERSION } from '../../broker/version.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { readScrape } from '../support/metrics.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';

t.test('readiness: degraded is ready, unavailable is a 503', async t => {
  const s = await startServer(t);
  t.strictSame((await s.call('GET', '/livez')).json(), { status: 'ok' });
  t.strictSame((await s.call('GET', '/readyz')).json(), { status: 'ok', checks: { store: { status: 'ok' } } });
  s.state.readiness = { status: 'degraded', checks: { kafka: { status: 'down', detail: 'no broker answers' } } };
  const degraded = await s.call('GET', '/readyz');
  t.equal(degraded.statusCode, 200);
  t.strictSame(degraded.json(), s.state.readiness);
  s.state.readiness = { status: 'unavailable', checks: { store: { status: 'full' } } };
  const unavailable = await s.call('GET', '/readyz');
  t.equal(unavailable.statusCode, 503);
  t.ok(unavailable.headers['retry-after']);
  t.equal(unavailable.json().status, 'unavailable');
});

t.test('with keys, detail is for those who have one', async t => {
  const s = await startServer(t, { operatorKey: KEY });
  t.strictSame((await s.call('GET', '/readyz')).json(), { status: 'ok' });
  const headers = { authorization: `Bearer ${KEY}` };
  t.ok((await s.call('GET', '/readyz', undefined, headers)).json().checks);
  t.strictSame((await s.call('GET', '/readyz', undefined, { authorization: 'Bearer wrong' })).json(), { status: 'ok' });
});

const figures = async (s: TestServer): Promise<ReadonlyMap<string, number>> => {
  const answer = await s.call('GET', '/metrics');
  t.match(answer.headers['content-type'], /^text\/plain/);
  return readScrape(answer.body).values;
};

t.test('gauges say what is in the store (I28)', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { check: { limit: 1 } });
  await s.prepare('t1');
  await s.prepare('t2');
  await s.coordinator.submit([{ type: 'answer', id: 't2', answer: 'nobody', error: null }]);
  s.time.now += 2_000;
  await s.park('t3');
  await s.prepare('t4');
  await s.createGroup('silent');
  await s.coordinator.submit([
    { type: 'answer', id: 't1', answer: 'none', error: 'no connection' },
    { type: 'group_health', group: 'silent', error: 'no connection' },
  ]);
  s.state.readiness = { status: 'degraded', checks: { store: { status: 'ok' }, kafka: { status: 'degraded' } } };
  for (let i = 0; i < 2; i++) await s.call('POST', '/v1/transactions/t4/commit');
  await s.call('POST', '/v1/transactions/t4/rollback');
  s.time.now += 3_000;
  const found = await figures(s);
  const expected: [string, number][] = [
    ['transactions{state="prepared"}', 2],
    ['transactions{state="committed"}', 2],
    ['transactions{state="rolled_back"}', 0],
    ['messages{state="held"}', 2],
    ['messages{state="ready"}', 1],
    ['messages{state="parked"}', 1],
    ['messages{state="forwarded"}', 0],
    ['transactions_unresolved', 1],
    ['transactions_contradicted', 1],
    ['accepted_messages_total', 4],
    ['accepted_transactions_total', 4],
    ['purged_messages_total', 0],
    ['transactions_overdue', 1],
    ['topic_waiting_messages{topic="transfers"}', 1],
    ['topic_parked_messages{topic="transfers"}', 1],
    ['topic_oldest_waiting_age_seconds{topic="transfers"}', 3],
    ['producer_groups', 2],
    ['producer_groups_silent', 1],
    ['check_calls_in_flight', 0],
    ['queue_waiting_bytes', 0],
    ['status{status="ok"}', 0],
    ['status{status="degraded"}', 1],
    ['status{status="unavailable"}', 0],
    ['part_ok{part="store"}', 1],
    ['part_ok{part="kafka"}', 0],
    [`build_info{version="${VERSION}",publisher="kafka"}`, 1],
    ['oldest_age_seconds{state="prepared"}', 5],
    ['oldest_age_seconds{state="ready"}', 3],
    ['oldest_age_seconds{state="parked"}', 3],
    ['queue_waiting_commands', 0],
    ['kafka_up', 1],
    ['resolutions_total{state="committed",by="producer"}', 2],
    ['contradictions_total{by="producer"}', 1],
  ];
  for (const [name, value] of expected) t.equal(found.get(`escrowmq_${name}`), value, name);
  const space = await s.store.space();
  t.equal(found.get('escrowmq_disk_reserve_bytes'), space.reserveBytes);
  t.equal(found.get('escrowmq_database_bytes'), space.databaseBytes);
  t.equal(found.get('escrowmq_wal_bytes'), space.walBytes);
  t.ok(space.walBytes > 0 && found.get('escrowmq_disk_free_bytes')! > 0);
  t.ok(found.get('escrowmq_commit_commands_count')! > 0);
  t.ok(found.get('escrowmq_commit_duration_seconds_count')! > 0);
  t.ok(found.has('process_cpu_seconds_total'), 'and those of the process');
});

t.test('requests are counted by route, never by path', async t => {
  const s = await startServer(t);
  for (const id of ['a', 'b', 'c']) await s.call('POST', `/v1/transactions/${id}/commit`);
  await s.call('GET', '/nothing/a');
  await s.call('GET', '/nothing/b');
  const found = await figures(s);
  const count = (labels: string) => found.get(`escrowmq_http_request_duration_seconds_count{${labels}}`);
  t.equal(count('route="/v1/transactions/:id/commit",method="POST",status="404"'), 3);
  t.equal(count('route="unmatched",method="GET",status="404"'), 2);
});

t.test('what the other parts tell is counted, with bounded labels', async t => {
  const metrics = new Metrics();
  metrics.onCheck('unknown');
  metrics.onCheck('commit', 3);
  metrics.onCall('g', 20, null);
  metrics.onCall('g', 5_000, 'timed out');
  metrics.onParked(2);
  metrics.onSendFailed('topic');
  for (let i = 0; i < 300; i++) metrics.onForwarded(`topic-${i}`, 2, 8);
  metrics.onForwarded('topic-0', 1, 8);
  const text = await metrics.text();
  for (const line of [
    'checks_total{result="unknown"} 1',
    'checks_total{result="commit"} 3',
    'check_call_duration_seconds_count{outcome="answer"} 1',
    'check_call_duration_seconds_count{outcome="no_answer"} 1',
    'parked_messages_total 2',
    'send_failures_total{fault="topic"} 1',
    'forwarded_messages_total{topic="topic-0"} 3',
    'forwarded_messages_total{topic="other"} 200',
  ]) {
    t.match(text, `escrowmq_${line}\n`, line);
  }
  t.equal(text.match(/^escrowmq_forwarded_messages_total\{/gm)?.length, 201);
  for (const [, name] of text.matchAll(/^# TYPE (escrowmq_\S+)/gm))
    t.match(text, new RegExp(`# HELP ${name} \\S+ \\S+`));
});
