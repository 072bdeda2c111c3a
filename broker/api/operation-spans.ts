/** A span for each prepare, commit and rollback that has come to its outcome. */
import type { Command, Outcome } from '../coordinator/commands.ts';
import { SPAN_KIND, type SpanAttributes } from '../protocol/spans.ts';
import type { TraceContext } from '../protocol/trace-context.ts';
import { isTraced, spanTimes, startSpan, subject } from '../tracing.ts';

/** The HTTP request that an operation came with. */
export interface OperationRequest {
  /** What its headers say. */
  readonly trace: TraceContext;
  /** From `spanStart`. */
  readonly startedAt: number;
}

/**
 * The span lies in the trace of the transaction, as it is stored: what a repeat says of a trace does not count, and the trace
 * of a commit's own request is linked. What was refused has a span only where the call itself says which trace it is in.
 */
export const recordOperation = (command: Command, outcome: Outcome, { trace, startedAt }: OperationRequest): void => {
  if (command.type !== 'prepare' && command.type !== 'resolve') return;
  const transaction = outcome.kind === 'done' ? outcome.transaction! : null;
  const own = transaction ?? (command.type === 'prepare' ? command : null);
  if (own === null || !isTraced(own)) return;
  const name = command.type === 'prepare' ? 'prepare' : command.resolution;
  const { startTime, endTime } = spanTimes(startedAt);
  const attributes: SpanAttributes = {
    'messaging.system': 'escrowmq',
    'messaging.operation.name': name,
    ...(command.type === 'prepare'
      ? { ...subject(command.id, command.group), 'messaging.batch.message_count': command.messages.length }
      : { ...subject(command.id, transaction!.group), 'escrowmq.resolved_by': transaction!.resolvedBy! }),
    ...(outcome.kind === 'done' && !outcome.changed ? { 'escrowmq.repeated': true } : {}),
  };
  const span = startSpan(name, { kind: SPAN_KIND.server, attributes, trace: own, request: trace, startTime });
  if (outcome.kind === 'refused') span?.failAs(outcome.refused.code, outcome.refused.detail);
  span?.end(endTime);
};
