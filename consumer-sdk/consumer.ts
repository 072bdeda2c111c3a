/** A member of a consumer group whose every message has its effect once. */
import { setMaxListeners } from 'node:events';
import { LocalTransactionError } from '../local-transaction/local-database.ts';
import { backOffMs, pause } from './back-off.ts';
import { clock } from './clock.ts';
import { ConsumerError, said } from './consumer-errors.ts';
import { type ConsumerOptions, type ConsumerSettings, consumerSettings } from './consumer-options.ts';
import { AcknowledgedSend } from './dead-letter/acknowledged-send.ts';
import { type ConsumerHealth, healthOf } from './health.ts';
import { isRefusal } from './kafka-refusal.ts';
import type { Handler } from './partition/handling.ts';
import type { Counts } from './partition/lane.ts';
import type { PartitionState } from './partition/partition-state.ts';
import { Turns } from './partition/turns.ts';
import { Session } from './session.ts';

/** Between connections that end by themselves. */
const RECONNECT = { initialMs: 500, maxMs: 30_000 };

/** What trying again cannot mend, as whoever waits for `run` is told; null: it can. */
const fatal = (error: unknown): ConsumerError | null => {
  if (error instanceof LocalTransactionError) {
    if (error.code === 'MISUSED_TRANSACTION') return new ConsumerError('HANDLER_MISUSED', error.message, false, error);
    if (error.code === 'DATABASE_NOT_READY')
      return new ConsumerError('DATABASE_NOT_READY', error.message, false, error);
  }
  return isRefusal(error) ? new ConsumerError('KAFKA_REFUSED', said(error), false, error) : null;
};

export class EscrowConsumer<Tx> {
  readonly #settings: ConsumerSettings<Tx>;
  readonly #send: AcknowledgedSend;
  readonly #turns: Turns;
  readonly #states = new Map<string, PartitionState>();
  readonly #counts: Counts = { handled: 0, repeats: 0, deadLettered: 0, skipped: 0 };
  /** Ends pauses; the consumer is to end. */
  readonly #closing = new AbortController();
  /** Ends transactions before their COMMIT. */
  readonly #abort = new AbortController();
  #session: Session<Tx> | null = null;
  #running: Promise<void> | null = null;
  #endTimer: NodeJS.Timeout | null = null;
  #isStopped = false;
  /** Monotonic. */
  #lastAnswerAt = 0;
  #restarts = 0;
  /** Connections in a row that ended by themselves, none but the first of them sound; `since` is monotonic. */
  #endings = { count: 0, since: 0 };
  #lastError: unknown = null;

  constructor(options: ConsumerOptions<Tx>) {
    this.#settings = consumerSettings(options);
    // Every transaction listens to it, and Node 20 warns from eleven on.
    setMaxListeners(0, this.#abort.signal);
    this.#send = new AcknowledgedSend(this.#settings.kafka);
    this.#turns = new Turns(this.#settings.concurrency);
  }

  /**
   * Joins the group and calls the handler with each message, within a transaction that also holds the message's inbox
   * row. Messages of a partition come one after the other in their order, those of different partitions side by side.
   * Resolves after `close()`. Connections that break are replaced, an unreachable Kafka or database is waited for;
   * rejects with a ConsumerError where that cannot help: `HANDLER_MISUSED`, `DATABASE_NOT_READY`, `KAFKA_REFUSED`. A
   * rejection that nobody handles ends the process, as it should.
   */
  run(handler: Handler<Tx>): Promise<void> {
    if (this.#running !== null || this.#closing.signal.aborted) {
      return Promise.reject(
        new ConsumerError('NOT_RUNNABLE', 'A consumer runs once: it runs already, or is closed.', false),
      );
    }
    this.#lastAnswerAt = clock.monotonic();
    this.#running = this.#run(handler).finally(() => {
      this.#isStopped = true;
    });
    return this.#running;
  }

  /**
   * Begins nothing more, lets the handlers in hand finish (for `closeTimeoutMs`, then their transactions are rolled
   * back), commits the offsets and leaves the group. Idempotent, never rejects. The database stays open: it is yours.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#session?.end(null);
    this.#limitEnd();
    await this.#running?.catch(() => {});
    this.#isStopped = true;
  }

  /** Costs nothing, touches neither Kafka nor the database. */
  health(): ConsumerHealth {
    return healthOf({
      phase: this.#isStopped ? 'stopped' : this.#running === null ? 'idle' : 'running',
      session: this.#session,
      states: this.#states,
      counts: this.#counts,
      restarts: this.#restarts,
      lastError: this.#lastError,
      stuckAfterMs: this.#settings.stuckAfterMs,
      lastAnswerAt: this.#lastAnswerAt,
      // One alone may happen to anybody.
      failingSince: this.#endings.count > 1 ? this.#endings.since : null,
    });
  }

  async #run(handler: Handler<Tx>): Promise<void> {
    const { logger } = this.#settings;
    try {
      await this.#untilReady();
      for (let failures = 1; !this.#closing.signal.aborted; failures++) {
        const { error, isSound } = await this.#oneSession(handler);
        if (error === null) return;
        this.#lastError = error;
        const end = fatal(error);
        if (end !== null) throw end;
        if (isSound) {
          failures = 1;
          this.#endings.count = 0;
        }
        this.#endings.count += 1;
        if (this.#endings.count === 1) this.#endings.since = clock.monotonic();
        this.#restarts += 1;
        const waitMs = backOffMs(RECONNECT, failures);
        logger.warn(
          { error: said(error), waitMs: Math.round(waitMs) },
          'the connection to Kafka ended; a new one is made',
        );
        await pause(waitMs, this.#closing.signal);
      }
    } catch (error) {
      this.#lastError = error;
      logger.error({ error: said(error) }, 'the consumer has ended');
      throw error;
    } finally {
      if (this.#endTimer !== null) clearTimeout(this.#endTimer);
      await this.#send.close();
    }
  }

  /** From here on the handlers in hand have so much time. */
  #limitEnd(): void {
    if (this.#running === null || this.#isStopped) return;
    this.#endTimer ??= setTimeout(() => this.#abort.abort(), this.#settings.closeTimeoutMs);
  }

  /** The table is looked at once; a database that cannot be reached is waited for. */
  async #untilReady(): Promise<void> {
    for (let failures = 1; !this.#closing.signal.aborted; failures++) {
      try {
        await this.#settings.inbox.assertReady();
        this.#lastError = null;
        return;
      } catch (error) {
        const end = fatal(error);
        if (end !== null) throw end;
        this.#lastError = error;
        const waitMs = backOffMs(RECONNECT, failures);
        this.#settings.logger.warn({ error: said(error), waitMs: Math.round(waitMs) }, 'the database does not answer');
        await pause(waitMs, this.#closing.signal);
      }
    }
  }

  /** Resolves with what ended it, null if that was `close`, after everything of it has come to its end. */
  async #oneSession(handler: Handler<Tx>): Promise<{ error: unknown; isSound: boolean }> {
    const session: Session<Tx> = new Session(
      {
        settings: this.#settings,
        handler,
        turns: this.#turns,
        send: this.#send,
        counts: this.#counts,
        abort: this.#abort.signal,
        onFatal: error => session.end(error),
      },
      this.#states,
    );
    this.#session = session;
    // Closed while the one before was coming to its end.
    if (this.#closing.signal.aborted) session.end(null);
    void session.start();
    const error = await session.ended;
    if (error !== null && fatal(error) !== null) this.#limitEnd();
    if (session.hasJoined) this.#lastAnswerAt = session.lastAnswerAt;
    await session.stop();
    return { error, isSound: session.isSound };
  }
}

/** Throws an InvalidOptionError where an option cannot be used. Connects when it is run. */
export const createConsumer = <Tx>(options: ConsumerOptions<Tx>): EscrowConsumer<Tx> => new EscrowConsumer(options);
