/** Telemetry that fails in every way it can, in the broker: messages are stored, asked about and forwarded all the same, and once. */
import { type ContextManager, context, type Tracer, trace } from '@opentelemetry/api';
import t from 'tap';
import { openCheckBack } from '../support/check-back.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { openForwarding } from '../support/forwarding.ts';
import { startServer } from '../support/http-server.ts';
import { halfMessage, prepareCommand, resolveCommand } from '../support/store.ts';
import { until } from '../support/until.ts';

t.setTimeout(30_000);

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const fail = (): never => {
  throw new Error('telemetry is broken');
};

/** What may become of work that is to be done in a context. */
const WAYS: Record<string, (work: () => unknown) => unknown> = {
  'is done, and then something fails': work => {
    work();
    return fail();
  },
  'is never done': fail,
  'is done twice': work => {
    work();
    return work();
  },
  'is done, and its result is lost': work => void work(),
};

let keep: (work: () => unknown) => unknown = fail;

const contexts = {
  active: fail,
  with: (_: unknown, work: () => unknown) => keep(work),
  bind: fail,
  enable: fail,
  disable: fail,
} as unknown as ContextManager;

const SPANS: Record<string, () => unknown> = {
  'none can be started': fail,
  'nothing can be said of them': () => ({
    spanContext: fail,
    setAttributes: fail,
    addEvent: fail,
    setStatus: fail,
    end: fail,
  }),
  'there are none': () => undefined,
};

let start: () => unknown = fail;

context.setGlobalContextManager(contexts);
trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: () => start() }) as unknown as Tracer });

const cases = Object.entries(WAYS).flatMap(([way, keeping]) =>
  Object.entries(SPANS).map(([kind, starting]) => [`work ${way}; of spans ${kind}`, keeping, starting] as const),
);

for (const [name, keeping, starting] of cases) {
  t.test(name, async t => {
    keep = keeping;
    start = starting;

    const s = await startServer(t);
    await s.createGroup('g');
    const traced = { traceparent: TRACEPARENT, tracestate: 'a=1' };
    const body = { id: 't1', group: 'g', messages: [{ topic: 'transfers', key: 'k', payload: 'x' }] };
    t.equal((await s.call('POST', '/v1/transactions', body, traced)).statusCode, 201);
    t.equal((await s.call('POST', '/v1/transactions/t1/commit', undefined, traced)).statusCode, 200);
    t.equal((await s.call('POST', '/v1/transactions/t1/rollback', undefined, traced)).statusCode, 409);

    const { publisher, submit, count, fatal } = await openForwarding(t);
    const prepare = prepareCommand('t1', 'bank-a', [halfMessage({ partition: 1 })], { traceparent: TRACEPARENT });
    await submit(prepare, resolveCommand('t1'));
    await until('it is marked', () => count('forwarded') === 1);
    t.equal(publisher.sends.length, 1);
    t.same(fatal, []);

    const bench = await openCheckBack(t);
    const handler = await startCheckHandler(t, () => 'commit');
    await bench.putGroup('g', { checkUrl: handler.url });
    await bench.coordinator.submit([prepareCommand('t1', 'g', [halfMessage()], { ...traced, afterMs: 0 })]);
    bench.checkBack.start();
    await until('it is decided', async () => (await bench.transaction('t1')).state === 'committed');
    t.equal(handler.calls.length, 1);
    t.same(handler.calls[0]!.headers.traceparent, TRACEPARENT, 'told on as it came');
    t.same(bench.fatal, []);
  });
}

t.test('whoever cannot even have a tracer has no spans', async t => {
  trace.disable();
  trace.setGlobalTracerProvider({ getTracer: fail });
  const address = '../../broker/tracing.ts?anew';
  const tracing = (await import(address)) as typeof import('../../broker/tracing.ts');
  t.equal(
    tracing.unobserved(() => 5),
    5,
  );
  t.notOk(tracing.isTraced({ traceparent: TRACEPARENT, tracestate: null }));
});
