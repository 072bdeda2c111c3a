/** Calls that are a request each: the few that are not made all the time. */

import { clock } from '../clock.ts';
import type { CallOptions } from './call.ts';
import { CallAbortedError, ClientClosedError, type EscrowError, NoAnswerError } from './client-errors.ts';
import type { Answer, Connections, Question } from './exchange.ts';
import { pauseMs } from './pause.ts';
import { type ClientSettings, wholeNumber } from './settings.ts';
import { judgeSingle } from './verdict.ts';

/** Timers are no finer. */
const SHORTEST_MS = 1;

type Told = [error: Error | null, answer: Answer | null];

export class SingleCalls {
  readonly #settings: ClientSettings;
  readonly #connections: Connections;
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(settings: ClientSettings, connections: Connections) {
    this.#settings = settings;
    this.#connections = connections;
  }

  /** The body of the answer. The call must bear repeats: it is made again until the deadline. */
  async make(question: Question, options: CallOptions, transactionId: string | null): Promise<object> {
    if (this.#isClosed) throw new ClientClosedError();
    const making = this.#make(question, options, transactionId);
    this.#underWay.add(making);
    try {
      return await making;
    } finally {
      this.#underWay.delete(making);
    }
  }

  /** Refuses further calls and resolves when those under way are over. */
  async drain(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#underWay);
  }

  async #make(question: Question, { signal, deadlineMs }: CallOptions, transactionId: string | null): Promise<object> {
    const allowedMs = wholeNumber('deadlineMs', deadlineMs ?? this.#settings.deadlineMs);
    const deadline = clock.monotonic() + allowedMs;
    let cause: EscrowError | undefined;
    let isOver = false;
    for (let attempts = 1; ; attempts += 1) {
      const left = deadline - clock.monotonic();
      if (signal?.aborted) throw new CallAbortedError({ cause: signal.reason, transactionId });
      if (isOver || left < SHORTEST_MS) throw new NoAnswerError(attempts - 1, allowedMs, { transactionId, cause });
      const verdict = judgeSingle(
        ...(await this.#ask(question, Math.min(left, this.#settings.requestTimeoutMs), signal)),
      );
      if (verdict.kind === 'answered') return verdict.results;
      if (verdict.kind === 'refused') throw verdict.errorFor(transactionId);
      cause = verdict.error;
      const pause = pauseMs(attempts, verdict.retryAfterMs);
      const rest = deadline - clock.monotonic();
      // Timers end a little early at times, and would leave room for an attempt that nobody asked for.
      isOver = pause >= rest;
      await this.#rest(Math.min(pause, rest), signal);
    }
  }

  #ask(question: Question, withinMs: number, signal: AbortSignal | undefined): Promise<Told> {
    return new Promise(resolve => {
      const giveUp = (): void => exchange.abandon(new Error('aborted'));
      const timer = setTimeout(() => exchange.abandon(new Error(`no answer within ${withinMs} ms`)), withinMs);
      const exchange = this.#connections.ask(question, (error, answer) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        resolve([error, answer]);
      });
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      if (signal?.aborted) done();
      else signal?.addEventListener('abort', done, { once: true });
    });
  }
}
