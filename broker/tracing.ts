/**
 * The broker's spans, by OpenTelemetry's API alone: whoever wants them loads an SDK into the process before it starts. Without
 * one nothing is made. There are spans only for transactions whose prepare carried a sampled `traceparent`, and they lie in
 * that trace.
 */
import * as api from '@opentelemetry/api';
import { clock } from './clock.ts';
import { inContext, quietly, type Span, type SpanOptions, Spans } from './protocol/spans.ts';
import { isSampled, type TraceContext } from './protocol/trace-context.ts';
import { VERSION } from './version.ts';

/** What every span says of whom it is about. */
export const subject = (transactionId: string, group: string): { [name: string]: string } => ({
  'escrowmq.transaction.id': transactionId,
  'escrowmq.group': group,
});

/** OpenTelemetry's own mark for work that no instrumentation looks at; its propagators keep still then, too. */
const SUPPRESSED = api.createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const UNOBSERVED = api.ROOT_CONTEXT.setValue(SUPPRESSED, true);

/** Null: nobody is there to take spans. Looked for at first use, which no message comes before. */
let spans: Spans | null | undefined;

const provided = (): Spans | null => {
  if (spans === undefined) {
    const tracer = quietly(() => api.trace.getTracer('escrowmq', VERSION));
    // Where nobody has registered, a stand-in is given that waits for somebody.
    spans = tracer === null || tracer instanceof api.ProxyTracer ? null : new Spans(api, tracer);
  }
  return spans;
};

/** Null: there is no span. */
export const startSpan = (name: string, options: SpanOptions): Span | null =>
  isSampled(options.trace) ? (provided()?.start(name, options) ?? null) : null;

/** As `startSpan`, for work that belongs to no request: whatever is going on around it has nothing to do with it. */
export const startOwnSpan = (name: string, options: SpanOptions): Span | null =>
  startSpan(name, { ...options, from: api.ROOT_CONTEXT });

export const isTraced = (trace: TraceContext): boolean => isSampled(trace) && provided() !== null;

/** When something begins that a span may tell of once it is known in which trace; for `spanTimes`. */
export const spanStart = (): number => clock.monotonic();

/** Start and end of what began at that `spanStart` and ends now, in milliseconds since 1970. */
export const spanTimes = (startedAt: number): { startTime: number; endTime: number } => {
  const endTime = clock.now();
  return { startTime: endTime - (clock.monotonic() - startedAt), endTime };
};

/**
 * Does the work where instrumentations of libraries see nothing. They would write headers of their own over those that are
 * promised.
 */
export const unobserved = <T>(work: () => T): T => (provided() === null ? work() : inContext(api, UNOBSERVED, work));
