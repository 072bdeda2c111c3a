/** A span for each traced message of a send that Kafka has answered, or has not. */
import { SPAN_KIND } from '../protocol/spans.ts';
import type { ReadyMessage } from '../store/store.ts';
import { isTraced, spanTimes, startOwnSpan, subject } from '../tracing.ts';
import { messageId } from '../transaction/transaction.ts';
import type { PublishError } from './publisher.ts';

export interface FinishedSend {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly ReadyMessage[];
  /** From `spanStart`. */
  readonly startedAt: number;
  /** The offset of the first message, or why there is none. */
  readonly outcome: number | PublishError;
}

/**
 * Each in the trace of its own transaction, so that one trace shows the whole way of its message. What that costs grows with
 * the messages whose producers record their traces, and not with the others.
 */
export const recordSend = ({ topic, partition, messages, startedAt, outcome }: FinishedSend): void => {
  for (const [i, message] of messages.entries()) {
    if (!isTraced(message)) continue;
    const { startTime, endTime } = spanTimes(startedAt);
    const span = startOwnSpan(`forward ${topic}`, {
      kind: SPAN_KIND.client,
      trace: message,
      startTime,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'forward',
        'messaging.operation.type': 'send',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
        'messaging.message.id': messageId(message.transactionId, message.index),
        ...subject(message.transactionId, message.group),
        'escrowmq.send.messages': messages.length,
        ...(typeof outcome === 'number' ? { 'messaging.kafka.offset': outcome + i } : {}),
      },
    });
    if (typeof outcome !== 'number') span?.failAs(outcome.fault, outcome.message);
    span?.end(endTime);
  }
};
