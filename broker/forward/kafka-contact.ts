/** Whether Kafka answers, as seen by the calls made to it anyway. */
import { clock } from '../clock.ts';
import type { PublisherState } from './publisher.ts';

/** The part of a pino logger that is used. */
export interface ForwardLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export class KafkaContact {
  readonly #logger: ForwardLog;
  #state: PublisherState = { status: 'down', since: clock.now(), lastError: null };
  /** When Kafka last answered anything, on the monotonic clock. */
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(logger: ForwardLog) {
    this.#logger = logger;
  }

  /** Down until the first answer. */
  get state(): PublisherState {
    return this.#state;
  }

  answered(): void {
    this.#answeredAt = clock.monotonic();
    if (this.#state.status === 'up') return;
    this.#state = { ...this.#state, status: 'up', since: clock.now() };
    this.#logger.info({ event: 'kafka_up' }, 'Kafka answers');
  }

  /**
   * A call got no answer. Kafka is away only if nothing has been answered since that call began (`startedAt`,
   * monotonic): one broker of several may be down.
   */
  noAnswer(startedAt: number, lastError: string): void {
    const isNews = this.#state.status === 'up' || this.#state.lastError === null;
    if (this.#answeredAt > startedAt || !isNews) {
      this.#state = { ...this.#state, lastError };
      return;
    }
    this.#state = { status: 'down', since: clock.now(), lastError };
    this.#logger.warn({ event: 'kafka_down', error: lastError }, 'Kafka does not answer; messages wait');
  }
}
