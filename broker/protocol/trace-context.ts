/** W3C Trace Context (https://www.w3.org/TR/trace-context/). What is not in its form is ignored: it must never refuse a message. */

const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?<rest>-[\x20-\x7e]*)?$/;
/** Of either; they travel on as headers. */
const MAX_LENGTH = 512;
const PRINTABLE = /^[\x20-\x7e]+$/;
/** Where the flags of a valid `traceparent` begin. */
const FLAGS_AT = 53;
const SAMPLED = 1;

export interface TraceContext {
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

export const NO_TRACE: TraceContext = { traceparent: null, tracestate: null };

/** The pair as it is stored; `tracestate` means nothing without a valid `traceparent`. */
export const traceContext = (traceparent: unknown, tracestate: unknown): TraceContext => {
  if (typeof traceparent !== 'string' || traceparent.length > MAX_LENGTH) return NO_TRACE;
  const form = TRACEPARENT.exec(traceparent);
  // Version 00 ends here; later ones may go on.
  if (form === null || (form.groups!.rest !== undefined && traceparent.startsWith('00'))) return NO_TRACE;
  const isUsable = typeof tracestate === 'string' && tracestate.length <= MAX_LENGTH && PRINTABLE.test(tracestate);
  return { traceparent, tracestate: isUsable ? tracestate : null };
};

/** The parts of a valid `traceparent`. */
export const traceParts = (traceparent: string): { traceId: string; spanId: string; traceFlags: number } => ({
  traceId: traceparent.slice(3, 35),
  spanId: traceparent.slice(36, 52),
  traceFlags: Number.parseInt(traceparent.slice(FLAGS_AT, FLAGS_AT + 2), 16),
});

/** Whether whoever began the trace records it: only then others have anything to add. */
export const isSampled = ({ traceparent }: TraceContext): boolean =>
  traceparent !== null && (Number.parseInt(traceparent.charAt(FLAGS_AT + 1), 16) & SAMPLED) === SAMPLED;
