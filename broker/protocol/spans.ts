/**
 * Spans through OpenTelemetry's API, as the broker and both SDKs make them. The API is handed in: the SDKs use the module of
 * their user and depend on none. Whatever fails in it fails here and not in what is watched.
 */
import { NO_TRACE, type TraceContext, traceContext, traceParts } from './trace-context.ts';

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** What vendors say of a trace, kept as it is. */
export interface TraceState {
  get(key: string): string | undefined;
  set(key: string, value: string): TraceState;
  unset(key: string): TraceState;
  serialize(): string;
}

/** By what a span is known to others. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote?: boolean;
  readonly traceState?: TraceState;
}

/** What is used of a span. */
export interface ApiSpan {
  spanContext(): SpanContext;
  setAttributes(attributes: SpanAttributes): unknown;
  addEvent(name: string, attributes?: SpanAttributes): unknown;
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  end(endTime?: number): void;
}

/** What is used of a tracer. */
export interface ApiTracer {
  startSpan(
    name: string,
    options: {
      readonly kind: number;
      readonly attributes: SpanAttributes;
      readonly links: { readonly context: SpanContext }[];
      readonly startTime?: number;
    },
    context?: object,
  ): ApiSpan;
}

/** What is used of `@opentelemetry/api`: `import * as opentelemetry from '@opentelemetry/api'` fits, of any version 1. */
export interface OpenTelemetry {
  readonly trace: {
    getTracer(name: string): ApiTracer;
    isSpanContextValid(spanContext: SpanContext): boolean;
    getSpanContext(context: object): SpanContext | undefined;
    setSpanContext(context: object, spanContext: SpanContext): object;
    setSpan(context: object, span: ApiSpan): object;
  };
  readonly context: {
    active(): object;
    with<T>(context: object, work: () => T): T;
  };
  /** Without it a span does not know the `tracestate` of its trace. */
  createTraceState?(text: string): TraceState;
}

/** OpenTelemetry's numbers for kinds of spans. */
export const SPAN_KIND = { server: 1, client: 2, producer: 3, consumer: 4 } as const;
const STATUS_ERROR = 2;

export interface SpanOptions {
  readonly kind: number;
  readonly attributes: SpanAttributes;
  /** The trace that the span belongs to. Without one it belongs where its caller is. */
  readonly trace: TraceContext;
  /** The trace of the request that brought it about, where that may be another one. */
  readonly request?: TraceContext;
  /** The context of its caller; the active one by default. */
  readonly from?: object;
  /** Milliseconds since 1970; now by default. */
  readonly startTime?: number;
}

/** What an error is called in `error.type`: its code, or its name. */
const typeOf = (error: unknown): string => {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : '_OTHER';
};

/** Telemetry that fails must not fail what it tells of: neither a transaction nor a send. */
export const quietly = <T>(work: () => T): T | null => {
  try {
    return work();
  } catch {
    return null;
  }
};

const attempt = <T>(work: () => T): { readonly value: T } | { readonly error: unknown } => {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
};

/** Does the work in the context, and once, whatever becomes of the context: work that was begun must not seem to have failed. */
export const inContext = <T>({ context }: Pick<OpenTelemetry, 'context'>, inside: object, work: () => T): T => {
  let outcome: ReturnType<typeof attempt<T>> | null = null;
  const once = (): T => {
    outcome ??= attempt(work);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  };
  quietly(() => context.with(inside, once));
  return once();
};

export class Span {
  readonly #api: OpenTelemetry;
  /** Null: it could not be started. */
  readonly #span: ApiSpan | null;
  readonly #from: object;
  #hasEnded = false;

  constructor(api: OpenTelemetry, span: ApiSpan | null, from: object) {
    this.#api = api;
    this.#span = span;
    this.#from = from;
  }

  /** By what others go on from it; of a span that is not recorded whatever it stands for. */
  get trace(): TraceContext {
    return (this.#span && quietly(() => traceText(this.#api, this.#span!.spanContext()))) ?? NO_TRACE;
  }

  /** Calls the work inside the span: what is traced there hangs below it. */
  run<T>(work: () => T): T {
    const span = this.#span;
    const inside = span && quietly(() => this.#api.trace.setSpan(this.#from, span));
    return inside ? inContext(this.#api, inside, work) : work();
  }

  set(attributes: SpanAttributes): void {
    quietly(() => this.#span?.setAttributes(attributes));
  }

  event(name: string, attributes: SpanAttributes = {}): void {
    quietly(() => this.#span?.addEvent(name, attributes));
  }

  /**
   * As `run`, and ends with what the work resolves or rejects with, which is passed on unchanged. `result`: what the span says
   * of a success.
   */
  async during<T>(work: () => Promise<T>, result: (value: T) => SpanAttributes): Promise<T> {
    try {
      const value = await this.run(work);
      this.set(result(value));
      return value;
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.end();
    }
  }

  /** Whatever is thrown. */
  fail(error: unknown): void {
    quietly(() => this.failAs(typeOf(error), error instanceof Error ? error.message : String(error)));
  }

  /** `type` comes from a small set, `message` is for people. */
  failAs(type: string, message: string): void {
    quietly(() => {
      this.#span?.setAttributes({ 'error.type': type });
      this.#span?.setStatus({ code: STATUS_ERROR, message });
    });
  }

  /** Only the first one counts. */
  end(endTime?: number): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    quietly(() => this.#span?.end(endTime));
  }
}

const traceText = ({ trace }: OpenTelemetry, spanContext: SpanContext): TraceContext => {
  if (!trace.isSpanContextValid(spanContext)) return NO_TRACE;
  const { traceId, spanId, traceFlags, traceState } = spanContext;
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0');
  return traceContext(`00-${traceId}-${spanId}-${flags}`, traceState?.serialize());
};

export class Spans {
  readonly #api: OpenTelemetry;
  readonly #tracer: ApiTracer;

  constructor(api: OpenTelemetry, tracer: ApiTracer) {
    this.#api = api;
    this.#tracer = tracer;
  }

  /** The trace that the caller is in. */
  active(): TraceContext {
    return quietly(() => this.#contextText(this.#api.context.active())) ?? NO_TRACE;
  }

  /** Never throws. Whoever starts a span ends it. */
  start(name: string, options: SpanOptions): Span {
    const from = options.from ?? quietly(() => this.#api.context.active()) ?? {};
    const span = quietly(() => {
      const { kind, attributes, startTime } = options;
      const { context, links } = this.#placed(from, options);
      const when = startTime === undefined ? {} : { startTime };
      return this.#tracer.startSpan(name, { kind, attributes, links, ...when }, context);
    });
    return new Span(this.#api, span, from);
  }

  /**
   * A span stays where its caller is if that is in the trace already, as inside the span of an HTTP server. Else it goes
   * into the trace, and a link leads back to where its caller, or its caller's request, is.
   */
  #placed(from: object, options: SpanOptions): { context: object; links: { context: SpanContext }[] } {
    const { trace } = this.#api;
    const own = this.#remote(options.trace);
    const around = trace.getSpanContext(from);
    const caller = around && trace.isSpanContextValid(around) ? around : this.#remote(options.request ?? NO_TRACE);
    if (own === null || (caller === around && caller?.traceId === own.traceId)) return { context: from, links: [] };
    const isElsewhere = caller && (caller.traceId !== own.traceId || caller.spanId !== own.spanId);
    return { context: trace.setSpanContext(from, own), links: isElsewhere ? [{ context: caller }] : [] };
  }

  #remote({ traceparent, tracestate }: TraceContext): SpanContext | null {
    if (traceparent === null) return null;
    const traceState = tracestate === null ? undefined : this.#api.createTraceState?.(tracestate);
    return { ...traceParts(traceparent), isRemote: true, ...(traceState && { traceState }) };
  }

  #contextText(context: object): TraceContext {
    const spanContext = this.#api.trace.getSpanContext(context);
    return spanContext === undefined ? NO_TRACE : traceText(this.#api, spanContext);
  }
}

/** Null without an API. Throws the error of that class where it is none. */
export const spansThrough = (
  api: OpenTelemetry | undefined,
  name: string,
  Refusal: new (message: string) => Error,
): Spans | null => {
  if (api === undefined) return null;
  if (typeof api?.trace?.getTracer !== 'function' || typeof api?.context?.with !== 'function') {
    throw new Refusal("opentelemetry must be the whole module: import * as opentelemetry from '@opentelemetry/api'.");
  }
  return new Spans(api, api.trace.getTracer(name));
};
