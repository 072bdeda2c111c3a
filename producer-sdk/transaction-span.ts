/** The span around a transaction: what it does is traced below it, and its prepare carries it to the broker and the consumers. */
import { SPAN_KIND, type Spans } from '../broker/protocol/spans.ts';
import { NO_TRACE } from '../broker/protocol/trace-context.ts';
import { inTrace } from './client/draft-trace.ts';
import { newTransactionId } from './client/transaction-id.ts';
import type { TransactionOptions } from './execution.ts';
import type { Completed } from './outcome.ts';

/** Does the work with the options as they are in the trace. What it resolves or rejects with is passed on unchanged. */
export const inTransactionSpan = async <T>(
  spans: Spans | null,
  group: string,
  options: TransactionOptions,
  work: (options: TransactionOptions) => Promise<Completed<T>>,
): Promise<Completed<T>> => {
  if (spans === null) return work(options);
  const { id = newTransactionId() } = options;
  const span = spans.start('transaction', {
    kind: SPAN_KIND.producer,
    trace: NO_TRACE,
    attributes: {
      'messaging.system': 'escrowmq',
      'messaging.operation.name': 'transaction',
      'escrowmq.transaction.id': id,
      'escrowmq.group': group,
    },
  });
  const traced = inTrace({ ...options, id }, span.trace);
  return span.during(
    () => work(traced),
    ({ delivery, repeated }) => ({ 'escrowmq.delivery': delivery, ...(repeated ? { 'escrowmq.repeated': true } : {}) }),
  );
};
