/** The broker's spans, where an SDK is loaded: one for each step of a traced transaction, in the trace that its prepare carried. */
import { subscribe } from 'node:diagnostics_channel';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import t, { type Test } from 'tap';
import type { CheckBackBench } from '../support/check-back.ts';
import { ids, openCheckBack } from '../support/check-back.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { openForwarding } from '../support/forwarding.ts';
import { startServer } from '../support/http-server.ts';
import { failure } from '../support/publisher-double.ts';
import { inside, type RecordedSpan, recordSpans } from '../support/recorded-spans.ts';
import { halfMessage, prepareCommand, resolveCommand } from '../support/store.ts';
import { until } from '../support/until.ts';

const spans = recordSpans();
t.beforeEach(() => spans.forget());

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE_ID}-${PARENT_ID}-01`;
const OTHER_ID = '00f067aa0ba902b7';
const OTHER = `00-4bf92f3577b34da6a3ce929d0e0e4736-${OTHER_ID}-01`;
const SERVER = 1;
const CLIENT = 2;

const message = { topic: 'transfers', key: 'k', payload: 'x' };
const place = ({ traceId, parentId, links }: RecordedSpan) => [traceId, parentId, ...links];

t.test('prepare, commit and rollback lie in the trace of the prepare', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const body = (id: string) => ({ id, group: 'g', messages: [message, message] });
  const traced = { traceparent: TRACEPARENT, tracestate: 'a=1' };
  await s.call('POST', '/v1/transactions', body('t1'), traced);
  await s.call('POST', '/v1/transactions', body('t1'), { traceparent: OTHER });
  await s.call('POST', '/v1/transactions/t1/commit', undefined, { traceparent: OTHER });
  await s.call('POST', '/v1/transactions/t1/commit', undefined, traced);
  await s.call('POST', '/v1/transactions', body('t2'), traced);
  await s.call('POST', '/v1/transactions/t2/rollback');
  const [first, repeat, commit, again, , rollback] = spans.all();
  t.same(
    spans.all().map(({ name, kind }) => [name, kind]),
    ['prepare', 'prepare', 'commit', 'commit', 'prepare', 'rollback'].map(name => [name, SERVER]),
  );
  t.same(place(first!), [TRACE_ID, PARENT_ID], 'its own request is its parent, and needs no link');
  t.same(first!.attributes, {
    'messaging.system': 'escrowmq',
    'messaging.operation.name': 'prepare',
    'messaging.batch.message_count': 2,
    'escrowmq.transaction.id': 't1',
    'escrowmq.group': 'g',
  });
  t.ok(first!.endMs > first!.startMs && first!.endMs - first!.startMs < 10_000, 'as long as it took');
  t.same(place(repeat!), [TRACE_ID, PARENT_ID, OTHER_ID], 'the first trace stands, the other is linked');
  t.match(repeat!.attributes, { 'escrowmq.repeated': true });
  t.same(place(commit!), [TRACE_ID, PARENT_ID, OTHER_ID], 'linked, not moved');
  t.match(commit!.attributes, { 'escrowmq.transaction.id': 't1', 'escrowmq.resolved_by': 'producer' });
  t.same(place(again!), [TRACE_ID, PARENT_ID]);
  t.match(again!.attributes, { 'escrowmq.repeated': true });
  t.same(place(rollback!), [TRACE_ID, PARENT_ID]);
});

t.test('a batch: each operation in the trace of its own transaction', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const prepare = (id: string, more: object) => ({ op: 'prepare', group: 'g', id, messages: [message], ...more });
  const operations = [
    prepare('own', { traceparent: OTHER }),
    prepare('of-the-request', {}),
    prepare('unsampled', { traceparent: OTHER.replace(/-01$/, '-00') }),
    prepare('later-flags', { traceparent: OTHER.replace(/-01$/, '-0b') }),
    prepare('refused', { traceparent: OTHER, messages: [{ ...message, topic: 'missing' }] }),
    { op: 'commit', id: 'own' },
    { op: 'commit', id: 'unsampled' },
    { op: 'commit', id: 'nobody-knows-it' },
  ];
  await s.call('POST', '/v1/batch', { operations }, { traceparent: TRACEPARENT });
  t.same(
    spans.all().map(span => [span.name, span.attributes['escrowmq.transaction.id'], span.parentId, ...span.links]),
    [
      ['prepare', 'own', OTHER_ID, PARENT_ID],
      ['prepare', 'of-the-request', PARENT_ID],
      ['prepare', 'later-flags', OTHER_ID, PARENT_ID],
      ['prepare', 'refused', OTHER_ID, PARENT_ID],
      ['commit', 'own', OTHER_ID, PARENT_ID],
    ],
  );
  const refused = spans.all()[3]!;
  t.equal(refused.failure, 'Kafka has no topic missing.');
  t.equal(refused.attributes['error.type'], 'TOPIC_NOT_FOUND');
});

t.test('inside the span of an instrumented server: below it, where it is in the same trace', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const server = { traceId: TRACE_ID, spanId: 'aaaaaaaaaaaaaaaa', traceFlags: 1 };
  const body = (id: string) => ({ id, group: 'g', messages: [message] });
  const call = (id: string, traceparent: string) =>
    inside(server, async () => await s.call('POST', '/v1/transactions', body(id), { traceparent }));
  await call('t1', TRACEPARENT);
  await call('t2', OTHER);
  t.same(spans.all().map(place), [
    [TRACE_ID, server.spanId],
    [OTHER.slice(3, 35), OTHER_ID, server.spanId],
  ]);
});

t.test('hostile traces make no span, and are not stored', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const hostile = [
    'junk',
    TRACEPARENT.toUpperCase(),
    `${TRACEPARENT}-x`,
    TRACEPARENT.replace(TRACE_ID, '0'.repeat(32)),
    TRACEPARENT.replace('00-', 'ff-'),
    `01${TRACEPARENT.slice(2)}-é`,
    `01${TRACEPARENT.slice(2)}-\r\nx: y`,
    `01${TRACEPARENT.slice(2)}-${'x'.repeat(1_000)}`,
  ];
  const operations = hostile.map((traceparent, i) => {
    return { op: 'prepare', group: 'g', id: `t${i}`, messages: [message], traceparent };
  });
  const { results } = (await s.call('POST', '/v1/batch', { operations })).json();
  for (const [i, result] of results.entries()) {
    t.equal(result.status, 201, hostile[i]!);
    t.equal((await s.store.transaction(`t${i}`))!.traceparent, null);
  }
  await s.call('POST', '/v1/batch', { operations: operations.map(({ id }) => ({ op: 'commit', id })) });
  t.same(spans.all(), []);
});

t.test('forward: a span for each traced message, and none for the others', async t => {
  const { publisher, submit, count } = await openForwarding(t);
  const message = halfMessage({ partition: 1, headers: [['token', Buffer.from('s3cret')]] });
  const both = [message, message];
  publisher.behave = () => {
    if (publisher.sends.length === 1) throw failure('unknown');
  };
  const looked: boolean[] = [];
  const instrumentation = trace.getTracer('a library that looks at sends');
  const send = publisher.send.bind(publisher);
  publisher.send = (...given) => {
    const span = instrumentation.startSpan('send');
    looked.push(trace.isSpanContextValid(span.spanContext()));
    span.end();
    return send(...given);
  };
  await submit(
    prepareCommand('traced', 'bank-a', both, { traceparent: TRACEPARENT }),
    prepareCommand('plain', 'bank-a', both),
    prepareCommand('unsampled', 'bank-a', both, { traceparent: OTHER.replace(/-01$/, '-00') }),
    ...['traced', 'plain', 'unsampled'].map(id => resolveCommand(id)),
  );
  await until('all are marked', () => count('forwarded') === 6);
  const [failed, again, ...rest] = spans.all().filter(span => span.failure !== null);
  t.same(rest, []);
  t.same(
    [failed, again].map(span => span!.attributes['messaging.message.id']),
    ['traced.0', 'traced.1'],
  );
  t.match(failed, { failure: 'It failed by fault of: unknown.', attributes: { 'error.type': 'unknown' } });
  const sent = spans.all().filter(span => span.failure === null);
  t.same(
    sent.map(span => [span.name, span.kind, ...place(span)]),
    Array(2).fill(['forward transfers', CLIENT, TRACE_ID, PARENT_ID]),
  );
  t.match(sent[1]!.attributes, {
    'messaging.system': 'kafka',
    'messaging.operation.name': 'forward',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'transfers',
    'messaging.destination.partition.id': '1',
    'messaging.kafka.offset': 1,
    'messaging.message.id': 'traced.1',
    'escrowmq.transaction.id': 'traced',
    'escrowmq.group': 'bank-a',
  });
  t.notMatch(JSON.stringify(spans.all()), /account-17|amount|s3cret/, 'neither key, payload nor headers');
  t.same(
    looked,
    publisher.sends.map(() => false),
    'no instrumentation of the client has a trace of its own to write over the record’s',
  );
});

/** What the handler was told of a trace in each call, by the ids asked about. */
const toldBy = async (t: Test, bench: CheckBackBench, asked: Record<string, string | null>) => {
  const handler = await startCheckHandler(t, id => (id.startsWith('unsaid') ? undefined : 'commit'));
  await bench.putGroup('bank-a', { checkUrl: handler.url });
  const commands = Object.entries(asked).map(([id, traceparent]) =>
    prepareCommand(id, 'bank-a', undefined, { traceparent, tracestate: traceparent && 'a=1', afterMs: 0 }),
  );
  await bench.coordinator.submit(commands);
  await bench.checkBack.start();
  await until('all are asked', () => Object.keys(asked).every(id => handler.asked.includes(id)));
  return handler.calls;
};

// As an instrumentation of undici does it. It would make the header come twice, and then it is none.
subscribe('undici:request:create', message => {
  const { request } = message as { request: { addHeader(name: string, value: string): void } };
  const span = trace.getTracer('a library that looks at requests').startSpan('POST');
  if (trace.isSpanContextValid(span.spanContext())) request.addHeader('traceparent', OTHER);
});

t.test('check: a span for each transaction asked about; a call about one says its trace', async t => {
  const [call] = await toldBy(t, await openCheckBack(t), { t1: TRACEPARENT });
  await until('it is answered', () => spans.named('check').length === 1);
  const [span] = spans.named('check');
  t.same([span!.kind, ...place(span!)], [CLIENT, TRACE_ID, PARENT_ID]);
  t.equal(span!.failure, null);
  t.match(span!.attributes, {
    'messaging.system': 'escrowmq',
    'messaging.operation.name': 'check',
    'escrowmq.transaction.id': 't1',
    'escrowmq.group': 'bank-a',
    'escrowmq.check.attempt': 1,
    'escrowmq.check.asked': 1,
    'escrowmq.check.answer': 'commit',
    'http.response.status_code': 200,
  });
  t.equal(call!.headers.traceparent, `00-${TRACE_ID}-${span!.spanId}-01`, 'the handler goes on from it');
  t.equal(call!.headers.tracestate, 'a=1');
});

t.test('check: what is not recorded here is told on as it came', async t => {
  const unsampled = OTHER.replace(/-01$/, '-00');
  const [call] = await toldBy(t, await openCheckBack(t), { t1: unsampled });
  t.equal(call!.headers.traceparent, unsampled);
  t.same(spans.named('check'), []);
});

t.test('check: a call about several says no trace, each still has its span', async t => {
  const asked = Object.fromEntries([...ids('said', 2), 'unsaid'].map(id => [id, TRACEPARENT]));
  const calls = await toldBy(t, await openCheckBack(t), { ...asked, untraced: null });
  const [call] = calls;
  t.equal(call!.body.checks.length, 4);
  t.notOk('traceparent' in call!.headers || 'tracestate' in call!.headers);
  await until('they are answered', () => spans.named('check').length >= 3);
  const first = spans.named('check').slice(0, 3);
  t.same(
    first.map(({ attributes, failure }) => [attributes['escrowmq.check.answer'], failure]),
    [
      ['commit', null],
      ['commit', null],
      ['none', 'left out of the answer'],
    ],
  );
  t.same(context.active(), ROOT_CONTEXT);
});
