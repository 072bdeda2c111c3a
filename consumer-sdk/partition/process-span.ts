/** The span of one try to handle one message, in the trace that the record carries. */
import { SPAN_KIND, type Span } from '../../broker/protocol/spans.ts';
import { traceContext } from '../../broker/protocol/trace-context.ts';
import type { ConsumerSettings } from '../consumer-options.ts';
import type { ConsumedMessage } from '../record/message.ts';
import type { Outcome } from './handling.ts';

export class ProcessSpan {
  readonly #span: Span;

  private constructor(span: Span) {
    this.#span = span;
  }

  /** Null: nobody wants it. */
  static start(
    { spans, groupId }: Pick<ConsumerSettings<never>, 'spans' | 'groupId'>,
    message: ConsumedMessage,
  ): ProcessSpan | null {
    if (spans === null) return null;
    const { topic, partition, offset, id, source } = message;
    const span = spans.start(`process ${topic}`, {
      kind: SPAN_KIND.consumer,
      trace: traceContext(message.traceparent, message.tracestate),
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
        'messaging.kafka.offset': Number(offset),
        'messaging.consumer.group.name': groupId,
        'messaging.message.id': id,
        'escrowmq.source': source,
      },
    });
    return new ProcessSpan(span);
  }

  /** What the handler traces hangs below it. */
  async handle(work: () => Promise<Outcome>): Promise<Outcome> {
    const outcome = await this.#span.run(work);
    this.#span.set({ 'escrowmq.outcome': outcome.kind });
    if (outcome.kind === 'failed' || outcome.kind === 'fatal') this.#span.fail(outcome.error);
    return outcome;
  }

  /** It is tried again after that time, in a span of its own. */
  retry(waitMs: number, attempts: number): void {
    this.#span.event('retry', { 'escrowmq.wait_ms': Math.round(waitMs), 'escrowmq.attempts': attempts });
    this.end();
  }

  /** It is in the dead-letter topic. */
  deadLetter(topic: string, attempts: number): void {
    this.#span.event('dead_letter', { 'messaging.destination.name': topic, 'escrowmq.attempts': attempts });
  }

  end(): void {
    this.#span.end();
  }
}
