/** The trace that a prepare carries. */
import type { Spans } from '../../broker/protocol/spans.ts';
import type { TraceContext } from '../../broker/protocol/trace-context.ts';

interface Traceable {
  traceparent?: string;
  tracestate?: string;
}

/** The draft in that trace, unless it names one itself. */
export const inTrace = <Draft extends Traceable>(draft: Draft, { traceparent, tracestate }: TraceContext): Draft => {
  if (draft.traceparent !== undefined || traceparent === null) return draft;
  const { tracestate: _, ...rest } = draft;
  return { ...rest, traceparent, ...(tracestate === null ? {} : { tracestate }) } as Draft;
};

/** The draft in the trace that its caller is in. */
export const inActiveTrace = <Draft extends Traceable>(draft: Draft, spans: Spans | null): Draft =>
  spans === null ? draft : inTrace(draft, spans.active());
