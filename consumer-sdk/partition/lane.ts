/**
 * The records of one partition that were fetched together, one after the other.
 *
 *   identity ─▶ handle ─▶ handled, or before ─▶ next record
 *                 │
 *                 ├─ failed: pause, longer each time, and again
 *                 ├─ poison ─▶ dead letter, acknowledged ─▶ next record
 *                 │      └─ no such topic given: pause, and again, for ever
 *                 └─ the program is wrong: the consumer ends
 */
import type { KafkaMessage } from 'kafkajs';
import { backOffMs, pause } from '../back-off.ts';
import { clock } from '../clock.ts';
import { PoisonError, said } from '../consumer-errors.ts';
import type { ConsumerSettings } from '../consumer-options.ts';
import type { AcknowledgedSend } from '../dead-letter/acknowledged-send.ts';
import { deadLetterRecord } from '../dead-letter/dead-letter.ts';
import { type Identity, objection, ownIdentity, positionIdentity } from '../record/identity.ts';
import { messageOf } from '../record/message.ts';
import { type Handler, handleOnce, type Outcome } from './handling.ts';
import type { PartitionState } from './partition-state.ts';
import { ProcessSpan } from './process-span.ts';
import type { Turns } from './turns.ts';

/** How often what became of messages, since the consumer was made. */
export interface Counts {
  handled: number;
  /** Deliveries of messages that were handled before. */
  repeats: number;
  deadLettered: number;
  skipped: number;
}

export interface LaneParts<Tx> {
  readonly settings: ConsumerSettings<Tx>;
  readonly handler: Handler<Tx>;
  readonly turns: Turns;
  readonly send: AcknowledgedSend;
  readonly counts: Counts;
  /** Ends transactions before their COMMIT, when there is no more time. */
  readonly abort: AbortSignal;
  onFatal(error: unknown): void;
  /** Everything before this offset is done with. */
  onPassed(state: PartitionState, nextOffset: string): void;
}

export interface Fetched {
  readonly messages: readonly KafkaMessage[];
  /** The offset after all of them, and after what is no message behind the last one. */
  readonly nextOffset: string;
}

export const after = (offset: string): string => String(BigInt(offset) + 1n);

/** What to do with a record before anybody handles it. */
type Admission = { readonly identity: Identity; readonly poison?: PoisonError } | 'skip';

interface Tried {
  readonly outcome: Outcome;
  /** Null: none is wanted. */
  readonly span: ProcessSpan | null;
}

export class Lane<Tx> {
  readonly state: PartitionState;
  /** Resolves with the offset to go on from, once the lane does nothing any more; null: it did not get any further. */
  readonly done: Promise<string | null>;
  readonly #parts: LaneParts<Tx>;
  readonly #stop = new AbortController();
  #isRevoked = false;

  constructor(parts: LaneParts<Tx>, state: PartitionState, fetched: Fetched) {
    this.#parts = parts;
    this.state = state;
    // What nobody foresaw, like a logger that throws, ends the session and not the process.
    this.done = this.#run(fetched).catch(error => {
      parts.onFatal(error);
      return null;
    });
  }

  /** Nothing is begun any more; what is in hand comes to its end. */
  stop(): void {
    this.#stop.abort();
  }

  /** As `stop`, and nothing is told about it: others may have the partition. */
  revoke(): void {
    this.#isRevoked = true;
    this.stop();
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run({ messages, nextOffset }: Fetched): Promise<string | null> {
    let reached: string | null = null;
    for (const [index, message] of messages.entries()) {
      this.state.begin(message.offset);
      if (!(await this.#settle(message))) {
        this.state.putDown();
        break;
      }
      reached = index === messages.length - 1 ? nextOffset : after(message.offset);
      this.state.pass(reached);
      if (!this.#isRevoked) this.#parts.onPassed(this.state, reached);
    }
    return reached;
  }

  /** Resolves with whether the record is done with; it is not where the lane was stopped. */
  async #settle(message: KafkaMessage): Promise<boolean> {
    const { counts } = this.#parts;
    const admission = this.#admit(message);
    if (admission === 'skip') {
      counts.skipped += 1;
      return true;
    }
    while (!this.isStopped) {
      const tried: Tried | null =
        admission.poison !== undefined
          ? { outcome: { kind: 'failed', error: admission.poison, fault: 'poison' }, span: null }
          : await this.#handle(message, admission.identity);
      if (tried === null) return false;
      const { outcome, span } = tried;
      try {
        if (outcome.kind === 'fatal') {
          this.stop();
          this.#parts.onFatal(outcome.error);
          return false;
        }
        if (outcome.kind !== 'failed') {
          counts[outcome.kind === 'handled' ? 'handled' : 'repeats'] += 1;
          return true;
        }
        if (await this.#failed(message, admission.identity, outcome, span)) return true;
      } finally {
        span?.end();
      }
    }
    return false;
  }

  #admit(message: KafkaMessage): Admission {
    const { unidentified } = this.#parts.settings;
    const { topic, partition } = this.state;
    const own = ownIdentity(message.headers);
    if (own === null && unidentified === 'skip') return 'skip';
    // Also for one that nobody handles here: when it comes back, it is the message that it was to other groups.
    const identity = own ?? positionIdentity(topic, partition, message);
    if (own === null && unidentified === 'deadLetter') {
      return { poison: new PoisonError('The record says no ce_source and ce_id.'), identity };
    }
    const fault = objection(identity);
    return fault === null
      ? { identity }
      : { poison: new PoisonError(`The record cannot be remembered: ${fault}.`), identity };
  }

  /** Null: stopped before it began. */
  #handle(record: KafkaMessage, identity: Identity): Promise<Tried | null> {
    const { settings, handler, turns, abort } = this.#parts;
    const { topic, partition } = this.state;
    return turns.take(async () => {
      if (this.isStopped) return null;
      const message = messageOf(topic, partition, record, identity);
      const once = (): Promise<Outcome> =>
        handleOnce({
          inbox: settings.inbox,
          key: {
            consumer_group: settings.storedGroup,
            source: identity.storedSource,
            message_id: identity.storedId,
          },
          message,
          handler,
          timeoutMs: settings.handlerTimeoutMs,
          signal: abort,
        });
      const span = ProcessSpan.start(settings, message);
      return { outcome: await (span === null ? once() : span.handle(once)), span };
    });
  }

  /** Resolves with whether the record is done with, after as long a pause as is due if it is not. */
  async #failed(
    message: KafkaMessage,
    identity: Identity,
    { error, fault }: Extract<Outcome, { kind: 'failed' }>,
    span: ProcessSpan | null,
  ): Promise<boolean> {
    const { settings, counts } = this.#parts;
    const { topic, partition } = this.state;
    const where = { topic, partition, offset: message.offset, id: identity.id };
    const setback = this.state.fail(message.offset, error, fault !== 'circumstances');
    if (fault === 'poison' || setback.attempts >= settings.attempts) setback.isPoison = true;
    if (!setback.isPoison || settings.deadLetterTopic === null) {
      const { attempts, failures } = setback;
      const waitMs = setback.isPoison
        ? backOffMs({ ...settings.backOff, initialMs: settings.backOff.maxMs }, 1)
        : backOffMs(settings.backOff, failures);
      const say = setback.isPoison ? 'error' : 'warn';
      const next = setback.isPoison ? 'poison without a dead-letter topic: the partition waits' : 'tried again';
      settings.logger[say]({ ...where, attempts, failures, waitMs: Math.round(waitMs), error: setback.error }, next);
      span?.retry(waitMs, attempts);
      await pause(waitMs, this.#stop.signal);
      return false;
    }
    if (!(await this.#bury(message, identity, error, where))) return false;
    span?.deadLetter(settings.deadLetterTopic, setback.attempts);
    counts.deadLettered += 1;
    return true;
  }

  /** Sends it until Kafka has acknowledged it. Resolves with false where the lane was stopped before. */
  async #bury(message: KafkaMessage, identity: Identity, cause: unknown, where: object): Promise<boolean> {
    const { settings, send } = this.#parts;
    const { topic, partition, setback } = this.state;
    const attempts = setback!.attempts;
    const letter = { topic, partition, record: message, identity, group: settings.groupId, cause, attempts };
    for (let failures = 1; ; failures++) {
      try {
        await send.send(settings.deadLetterTopic!, deadLetterRecord({ ...letter, at: clock.now() }));
        settings.logger.warn({ ...where, attempts, error: said(cause) }, `moved to ${settings.deadLetterTopic}`);
        return true;
      } catch (error) {
        const waitMs = backOffMs(settings.backOff, failures);
        setback!.error = `${said(cause)}; ${settings.deadLetterTopic} does not take it: ${said(error)}`;
        settings.logger.error(
          { ...where, waitMs: Math.round(waitMs), error: setback!.error },
          'not moved, tried again',
        );
        await pause(waitMs, this.#stop.signal);
        if (this.isStopped) return false;
      }
    }
  }
}
