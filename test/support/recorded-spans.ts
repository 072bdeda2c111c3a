/** OpenTelemetry in the process of a test: every span that ends is kept. */
import { context, type Link, type SpanContext, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/** A span as the tests look at it, whatever process it came from. */
export interface RecordedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** Null: it is the first of its trace. */
  readonly parentId: string | null;
  readonly attributes: Record<string, unknown>;
  readonly events: readonly { readonly name: string; readonly attributes: Record<string, unknown> }[];
  /** Ids of the spans that it links to. */
  readonly links: readonly string[];
  /** What is said of its failure; null: it did not fail. */
  readonly failure: string | null;
  readonly startMs: number;
  readonly endMs: number;
}

type Ended = ReturnType<InMemorySpanExporter['getFinishedSpans']>[number];

const ERROR = 2;
const milliseconds = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1e3 + nanoseconds / 1e6;

export const recorded = (span: Ended): RecordedSpan => ({
  name: span.name,
  kind: span.kind,
  traceId: span.spanContext().traceId,
  spanId: span.spanContext().spanId,
  parentId: span.parentSpanContext?.spanId ?? null,
  attributes: span.attributes,
  events: span.events.map(({ name, attributes = {} }) => ({ name, attributes })),
  links: span.links.map(({ context: { spanId } }: Link) => spanId),
  failure: span.status.code === ERROR ? (span.status.message ?? '') : null,
  startMs: milliseconds(span.startTime),
  endMs: milliseconds(span.endTime),
});

export interface RecordedSpans {
  /** In the order of their ends; of that name. */
  named(name: string): RecordedSpan[];
  all(): RecordedSpan[];
  forget(): void;
}

/** Once in a process, before anything is traced there. */
export const recordSpans = (): RecordedSpans => {
  const exporter = new InMemorySpanExporter();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  const all = (): RecordedSpan[] => exporter.getFinishedSpans().map(recorded);
  return { all, named: name => all().filter(span => span.name === name), forget: () => exporter.reset() };
};

/** Does the work where an instrumentation would have put it: inside a span of that context. */
export const inside = <T>(spanContext: SpanContext, work: () => T): T =>
  context.with(trace.setSpanContext(context.active(), spanContext), work);
