/** The spans of one call to a producer group: one for each transaction asked about that is traced. */
import { SPAN_KIND, type Span } from '../protocol/spans.ts';
import { NO_TRACE, type TraceContext } from '../protocol/trace-context.ts';
import type { DueCheck } from '../store/store.ts';
import { isTraced, startOwnSpan, subject } from '../tracing.ts';
import type { Asked } from './asker.ts';

export class CheckSpans {
  /** What the call says of its trace. One about several transactions belongs to none of their traces. */
  readonly trace: TraceContext;
  readonly #spans = new Map<string, Span>();

  constructor(group: string, checks: readonly DueCheck[]) {
    for (const check of checks) {
      const span = startCheck(group, check, checks.length);
      if (span !== null) this.#spans.set(check.transactionId, span);
    }
    const [first] = checks;
    const isAlone = first !== undefined && checks.length === 1;
    const own = isAlone ? this.#spans.get(first.transactionId)?.trace : undefined;
    // Of a span that cannot be told on, the trace goes on as it came.
    this.trace = own?.traceparent ? own : isAlone ? first : NO_TRACE;
  }

  end({ answers, faults, error, status }: Asked): void {
    for (const [id, span] of this.#spans) {
      const answer = answers.get(id);
      span.set({
        'escrowmq.check.answer': answer ?? 'none',
        ...(status === null ? {} : { 'http.response.status_code': status }),
      });
      if (answer === undefined) span.failAs('no_answer', error ?? faults.get(id) ?? 'left out of the answer');
      span.end();
    }
  }
}

const startCheck = (group: string, check: DueCheck, asked: number): Span | null => {
  if (!isTraced(check)) return null;
  return startOwnSpan('check', {
    kind: SPAN_KIND.client,
    trace: check,
    attributes: {
      'messaging.system': 'escrowmq',
      'messaging.operation.name': 'check',
      ...subject(check.transactionId, group),
      'escrowmq.check.attempt': check.checkAttempts + 1,
      'escrowmq.check.asked': asked,
    },
  });
};
