/** Whether Kafka answers. A client that was told nothing, as it happens behind frozen brokers, does not know that it is dead. */
import type { Consumer } from 'kafkajs';
import { clock } from './clock.ts';
import { ConsumerError } from './consumer-errors.ts';

export class SilenceWatch {
  /** Monotonic: when Kafka last answered a fetch, a heartbeat or a join; at first, when the watch was made. */
  lastAnswerAt = clock.monotonic();
  readonly #timer: NodeJS.Timeout;

  /** `onSilent` may be called again and again, until `stop`. */
  constructor(consumer: Consumer, silentAfterMs: number, onSilent: (error: ConsumerError) => void) {
    const { events, on } = consumer;
    for (const event of [events.FETCH, events.HEARTBEAT, events.GROUP_JOIN]) {
      on(event as typeof events.FETCH, () => {
        this.lastAnswerAt = clock.monotonic();
      });
    }
    this.#timer = setInterval(() => {
      const silentMs = Math.round(clock.monotonic() - this.lastAnswerAt);
      if (silentMs >= silentAfterMs) onSilent(silence(silentMs));
    }, silentAfterMs / 4);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

export const silence = (silentMs: number): ConsumerError =>
  new ConsumerError('KAFKA_SILENT', `Kafka has answered nothing for ${silentMs} ms.`, true);
