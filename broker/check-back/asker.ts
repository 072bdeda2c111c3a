/** One call to a producer group: asks, waits for no longer than the deadline, and reads the answer. */
import { randomUUID } from 'node:crypto';
import { Agent, type Dispatcher } from 'undici';
import { signatureHeaders } from '../protocol/signature.ts';
import { NO_TRACE, type TraceContext } from '../protocol/trace-context.ts';
import type { CheckRequest, Resolution } from '../protocol/wire.ts';
import type { DueCheck, ProducerGroup } from '../store/store.ts';
import { unobserved } from '../tracing.ts';
import type { AddressPolicy } from './address-policy.ts';
import { type Reading, readAnswer } from './answer.ts';
import { CallGivenUp, callFailure } from './call-failure.ts';
import { guardedLookup, type ResolveName, resolveName } from './guarded-lookup.ts';

/** Whole call: name, connection, headers and body. */
export const CALL_DEADLINE_MS = 5_000;
/** 100 ids of 64 characters need 12 KiB. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Shorter than the 5 s after which common servers close an idle connection, so that no call runs into that. */
const KEEP_ALIVE_MS = 4_000;

export interface AskerSettings {
  readonly policy: AddressPolicy;
  readonly clock: { now(): number; monotonic(): number };
  /** How names are resolved; the system's way by default. */
  readonly resolve?: ResolveName | undefined;
  /** `CALL_DEADLINE_MS` by default. */
  readonly deadlineMs?: number | undefined;
}

export interface Asked {
  /** By transaction id. An asked id that is missing got no answer. */
  readonly answers: ReadonlyMap<string, Resolution>;
  /** Why single ids got no answer; ids left out of the answer are not in it. */
  readonly faults: ReadonlyMap<string, string>;
  /** Why the whole call brought no answer, null where it brought one. */
  readonly error: string | null;
  /** With an error: whether smaller calls may do better. */
  readonly askSmaller: boolean;
  readonly timedOut: boolean;
  /** Given up because this side is stopping: it says nothing about the group. */
  readonly givenUp: boolean;
  /** HTTP status, null where none came. */
  readonly status: number | null;
  /** Whether the answer speaks of ids that were not asked. */
  readonly strangers: boolean;
  readonly tookMs: number;
}

interface Question {
  readonly group: ProducerGroup;
  readonly checks: readonly DueCheck[];
  readonly trace: TraceContext;
}

export class Asker {
  readonly #settings: AskerSettings;
  readonly #deadlineMs: number;
  readonly #agent: Agent;
  readonly #calls = new Set<AbortController>();
  #aborted = false;

  constructor(settings: AskerSettings) {
    this.#settings = settings;
    this.#deadlineMs = settings.deadlineMs ?? CALL_DEADLINE_MS;
    // The number of connections is left open: the calls in flight are bounded per group, and groups that share an
    // origin must not wait for each other's connections.
    this.#agent = new Agent({
      connect: {
        lookup: guardedLookup(settings.policy, settings.resolve ?? resolveName),
        timeout: this.#deadlineMs,
      },
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
  }

  /**
   * Asks about the checks (none: the test question), as part of the trace. Never rejects: whatever happens is in what it
   * resolves with.
   */
  async ask(group: ProducerGroup, checks: readonly DueCheck[], trace: TraceContext = NO_TRACE): Promise<Asked> {
    const { clock } = this.#settings;
    const started = clock.monotonic();
    const progress: { status: number | null } = { status: null };
    const nothing = { answers: new Map(), faults: new Map(), strangers: false, askSmaller: false };
    try {
      const reading = await this.#withinDeadline(signal => this.#exchange({ group, checks, trace }, signal, progress));
      const ending = { timedOut: false, givenUp: false, ...progress, tookMs: clock.monotonic() - started };
      return { ...nothing, ...reading, error: null, ...ending };
    } catch (failure) {
      const { error, askSmaller } = callFailure(failure);
      const ending = { timedOut: failure instanceof DeadlinePassed, givenUp: failure instanceof Stopping, ...progress };
      return { ...nothing, error, askSmaller, ...ending, tookMs: clock.monotonic() - started };
    }
  }

  /** Gives up every call under way; a later one is given up at once. */
  abort(): void {
    this.#aborted = true;
    for (const call of this.#calls) call.abort(new Stopping());
  }

  async close(): Promise<void> {
    this.abort();
    await this.#agent.destroy();
  }

  /** The client forgets to look at its signal while it connects, so the deadline ends the wait by itself. */
  #withinDeadline<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const call = new AbortController();
    call.signal.addEventListener('abort', () => reject(call.signal.reason));
    const timer = setTimeout(() => call.abort(new DeadlinePassed(this.#deadlineMs)), this.#deadlineMs);
    this.#calls.add(call);
    if (this.#aborted) call.abort(new Stopping());
    else work(call.signal).then(resolve, reject);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#calls.delete(call);
    });
  }

  async #exchange(
    { group, checks, trace }: Question,
    signal: AbortSignal,
    progress: { status: number | null },
  ): Promise<Reading> {
    if (group.checkUrl === null) throw new CallGivenUp('has no check address', false);
    // Judged again at each call: the allow-list may have changed since the PUT, and a literal is never looked up.
    if (this.#settings.policy.judgeUrl(group.checkUrl) !== null)
      throw new CallGivenUp('its address is not allowed', false);
    const url = new URL(group.checkUrl);
    const body = question(group.name, checks);
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'escrowmq',
      ...traceHeaders(trace),
      ...this.#signature(group, body),
    };
    const request = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'POST',
      headers,
      body,
      signal,
    } as const;
    const response = await unobserved(() => this.#agent.request(request));
    progress.status = response.statusCode;
    if (response.statusCode !== 200) {
      // Nobody reads that body; destroying it ends an answer that has no end, and its error has told nothing new.
      response.body.on('error', () => {}).destroy();
      const redirect = response.statusCode >= 300 && response.statusCode < 400;
      const what = redirect ? `redirect refused (${response.statusCode})` : `answered ${response.statusCode}`;
      throw new CallGivenUp(what, !redirect);
    }
    const asked = new Set(checks.map(check => check.transactionId));
    const reading = readAnswer(await readBody(response.body), group.name, asked);
    if (typeof reading === 'string') throw new CallGivenUp(reading, true);
    return reading;
  }

  /** A replaced secret goes on signing beside its successor, so that the handler may change at any moment of a day. */
  #signature({ checkSecret, previousSecrets }: ProducerGroup, body: string): Record<string, string> {
    const now = this.#settings.clock.now();
    const previous = previousSecrets.filter(({ until }) => until > now).map(({ secret }) => secret);
    const secrets = checkSecret === null ? previous : [checkSecret, ...previous];
    return secrets.length === 0 ? {} : signatureHeaders(secrets, `msg_${randomUUID()}`, now, body);
  }
}

class DeadlinePassed extends CallGivenUp {
  constructor(deadlineMs: number) {
    super(`no answer within ${deadlineMs / 1000} s`, true);
  }
}

class Stopping extends CallGivenUp {
  constructor() {
    super('the broker is stopping', false);
  }
}

const traceHeaders = ({ traceparent, tracestate }: TraceContext): Record<string, string> => ({
  ...(traceparent === null ? {} : { traceparent }),
  ...(tracestate === null ? {} : { tracestate }),
});

const question = (group: string, checks: readonly DueCheck[]): string =>
  JSON.stringify({
    group,
    checks: checks.map(({ transactionId, checkAttempts, preparedAt }) => ({
      transactionId,
      attempt: checkAttempts + 1,
      preparedAt: new Date(preparedAt).toISOString(),
    })),
  } satisfies CheckRequest);

const readBody = async (body: Dispatcher.ResponseData['body']): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop destroys the body, and with it the connection that would go on sending.
    if (bytes > MAX_ANSWER_BYTES) throw new CallGivenUp('answered more than 64 KiB', true);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};
