/** W3C Trace Context (https://www.w3.org/TR/trace-context/). What is not in its form is ignored: it must never refuse a message. */

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?<rest>-.*)?$/;
const MAX_TRACESTATE_LENGTH = 512;
const PRINTABLE = /^[\x20-\x7e]+$/;

export interface TraceContext {
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

export const NO_TRACE: TraceContext = { traceparent: null, tracestate: null };

/** The pair as it is stored; `tracestate` means nothing without a valid `traceparent`. */
export const traceContext = (traceparent: unknown, tracestate: unknown): TraceContext => {
  if (typeof traceparent !== 'string') return NO_TRACE;
  const form = TRACEPARENT.exec(traceparent);
  // Version 00 ends here; later ones may go on.
  if (form === null || (form.groups!.rest !== undefined && traceparent.startsWith('00'))) return NO_TRACE;
  const isUsable =
    typeof tracestate === 'string' && tracestate.length <= MAX_TRACESTATE_LENGTH && PRINTABLE.test(tracestate);
  return { traceparent, tracestate: isUsable ? tracestate : null };
};
