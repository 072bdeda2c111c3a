/** The SDKs' `opentelemetry` option, where nobody has registered a provider and where what was given misbehaves. */
import * as opentelemetry from '@opentelemetry/api';
import { Kafka } from 'kafkajs';
import t from 'tap';
import { type ApiSpan, SPAN_KIND, Spans } from '../../broker/protocol/spans.ts';
import { NO_TRACE } from '../../broker/protocol/trace-context.ts';
import { createConsumer } from '../../consumer-sdk/index.ts';
import { createClient, createProducer, type OpenTelemetry, type SpanContext } from '../../producer-sdk/index.ts';
import { startBatchDouble } from '../support/batch-double.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const messages = [{ topic: 't', payload: 'x' }];

/** No more than the SDKs say they use; the caller is always in a span of that context. */
const within = (active: SpanContext): OpenTelemetry => ({
  trace: {
    getTracer: () => ({ startSpan: () => fail() }),
    isSpanContextValid: ({ traceId }) => !/^0+$/.test(traceId),
    getSpanContext: () => active,
    setSpanContext: context => context,
    setSpan: context => context,
  },
  context: { active: () => ({}), with: (_, work) => work() },
  createTraceState: opentelemetry.createTraceState,
});

const fail = (): never => {
  throw new Error('telemetry is broken');
};

const broken = (): OpenTelemetry => ({
  trace: {
    getTracer: () => ({
      startSpan: () => ({ spanContext: fail, setAttributes: fail, addEvent: fail, setStatus: fail, end: fail }),
    }),
    isSpanContextValid: fail,
    getSpanContext: fail,
    setSpanContext: fail,
    setSpan: fail,
  },
  context: { active: fail, with: (_, work) => work() },
  createTraceState: fail,
});

t.test('a prepare carries the trace that its caller is in', async t => {
  const double = await startBatchDouble(t);
  const traceState = opentelemetry.createTraceState('a=1,b=2');
  const [, traceId, spanId] = TRACEPARENT.split('-') as [string, string, string, string];
  const client = createClient({
    ...{ url: double.url, group: 'g' },
    opentelemetry: within({ traceId, spanId, traceFlags: 1, traceState }),
  });
  t.teardown(() => client.close());
  const other = TRACEPARENT.replace('b7ad', 'aaaa');
  await client.prepare({ id: 'a', messages });
  await client.prepare({ id: 'b', messages, traceparent: other });
  await client.commit('a');
  const { createTraceState: _, ...older } = within({ traceId, spanId, traceFlags: 0 });
  const plain = createClient({ url: double.url, group: 'g', opentelemetry: older });
  t.teardown(() => plain.close());
  await plain.prepare({ id: 'c', messages, tracestate: 'z=9' });
  const [a, b, commit, c] = double.requests.flatMap(({ operations }) => operations);
  t.match(a, { id: 'a', traceparent: TRACEPARENT, tracestate: 'a=1,b=2' });
  t.match(b, { id: 'b', traceparent: other });
  t.notOk('tracestate' in b!, 'it belongs to the other trace');
  t.notOk('traceparent' in commit!);
  t.match(c, { id: 'c', traceparent: TRACEPARENT.replace(/-01$/, '-00') });
  t.notOk('tracestate' in c!, 'nobody knows of which trace it was');
});

t.test('without a provider nothing is told and everything works', async t => {
  const double = await startBatchDouble(t);
  double.single = () => ({ status: 200, body: {} });
  const producer = createProducer({ url: double.url, group: 'g', check: () => 'unknown', opentelemetry });
  const { value, delivery } = await producer.transaction({ id: 'a', messages }, () => 5);
  t.same([value, delivery], [5, 'acknowledged']);
  const prepare = double.requests.flatMap(({ operations }) => operations)[0]!;
  t.notOk('traceparent' in prepare || 'tracestate' in prepare);
  await producer.close();
});

t.test('telemetry that fails fails nothing else', async t => {
  const double = await startBatchDouble(t);
  double.single = () => ({ status: 200, body: {} });
  const nobody = within({ traceId: '0', spanId: '0', traceFlags: 0 });
  const losing = (way: (work: () => unknown) => unknown): OpenTelemetry => ({
    ...{ trace: { ...nobody.trace, getTracer: () => ({ startSpan: () => ({}) as ApiSpan }) } },
    context: { active: () => ({}), with: (_, work) => way(work) as never },
  });
  const contexts = [
    losing(fail),
    losing(work => work() && fail()),
    losing(work => work() && work()),
    losing(work => void work()),
  ];
  for (const api of [broken(), nobody, ...contexts]) {
    const producer = createProducer({ url: double.url, group: 'g', check: () => 'rollback', opentelemetry: api });
    let done = 0;
    const { value } = await producer.transaction({ messages }, () => {
      done++;
      return 5;
    });
    t.same([value, done], [5, 1]);
    const failing = producer.transaction({ messages }, () => {
      throw new Error('own');
    });
    await t.rejects(failing, { message: 'own' });
    await producer.close();
  }
  const span = new Spans(broken(), broken().trace.getTracer('')).start('x', {
    ...{ kind: SPAN_KIND.consumer, attributes: {}, trace: { traceparent: TRACEPARENT, tracestate: 'a=1' } },
  });
  t.equal(
    span.run(() => 5),
    5,
  );
  span.event('y');
  // Nothing can be said of it, not even as text.
  span.fail({ toString: fail });
  span.end();
  t.same(span.trace, NO_TRACE);
});

t.test('what is no such module is refused', async t => {
  const kafka = new Kafka({ brokers: ['127.0.0.1:1'] });
  const inbox = { claim: () => {} } as never;
  for (const wrong of [null, {}, { trace: opentelemetry.trace }, 'api']) {
    const given = { opentelemetry: wrong as never };
    const message = /import \* as opentelemetry/;
    t.throws(() => createClient({ url: 'http://127.0.0.1:1', ...given }), { code: 'INVALID_CALL', message });
    t.throws(() => createConsumer({ kafka, groupId: 'g', topics: ['t'], inbox, ...given }), {
      code: 'INVALID_OPTION',
      message,
    });
  }
});
