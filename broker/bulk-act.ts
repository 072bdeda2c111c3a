/**
 * One act on many transactions or parked messages: first the ids, oldest first, then batches one after another. Over any
 * way to call the broker, so that the command line and the console do the same.
 */
import { pause } from './pause.ts';
import type { BatchAnswer, BatchOperation, Problem } from './protocol/wire.ts';

/** One call of the HTTP interface; header names in lower case. Rejects where there is no answer. */
export type Call = (
  method: 'GET' | 'POST',
  path: string,
  body?: object,
) => Promise<{ readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly body: unknown }>;

/** `commit`, `rollback` and `check` are for transactions that are not decided, the others for parked messages. */
export type BulkAct = 'commit' | 'rollback' | 'check' | 'retry' | 'discard';

/** `filter`: query parameters of the list, without `state`, `limit` and `cursor`. */
export interface Selection {
  readonly act: BulkAct;
  readonly filter: Readonly<Record<string, string>>;
}

/** Ids in the order of arrival: transactions as they were prepared, messages as they were committed. */
export interface Targets {
  readonly ids: readonly string[];
  /** How many the filter fits. More than ids: these are the oldest, and the rest is for another time. */
  readonly found: number;
}

export interface Refusal {
  readonly id: string;
  readonly code: string;
  readonly detail: string;
}

export interface BulkProgress {
  readonly total: number;
  readonly done: number;
  readonly refused: number;
}

/** What became of them. Whoever is neither done nor refused was not tried, or nothing is known of it. */
export interface BulkOutcome {
  readonly total: number;
  readonly done: number;
  readonly refusals: readonly Refusal[];
  /** Why it ended before all were tried, a sentence; null: all were. */
  readonly stopped: string | null;
}

/** Acted on at once, at most. */
export const MAX_TARGETS = 100_000;
/** Operations of one request. */
const BATCH = 500;
const PAGE = 500;
/** How long the broker may keep us waiting, in sum, until one more thing is done. */
const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
const MS_PER_S = 1_000;

/** It cannot go on. The message is a sentence for people. */
export class BulkStop extends Error {
  override name = 'BulkStop';
}

const INTERRUPTED = 'It was interrupted.';
const NO_BROKER = 'What answers is no escrowmq broker.';

/** Waits between two tries: as long as the broker asks for, else longer each time. */
class Patience {
  readonly #signal: AbortSignal | undefined;
  #leftMs = PATIENCE_MS;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  renew(): void {
    this.#leftMs = PATIENCE_MS;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  /** `why` begins a sentence. */
  async wait(askedMs: number | null, why: string): Promise<void> {
    const ms = askedMs ?? this.#pauseMs;
    if (ms > this.#leftMs) throw new BulkStop(`${why}. It was tried again for as long as is sensible.`);
    this.#leftMs -= ms;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    await pause(ms, this.#signal);
    if (this.#signal?.aborted) throw new BulkStop(INTERRUPTED);
  }
}

const problemIn = (body: unknown): Problem | null => {
  const problem = body as Partial<Problem> | null;
  return typeof problem?.code === 'string' && typeof problem.detail === 'string' ? (problem as Problem) : null;
};

const askedPause = (body: unknown, headers: Readonly<Record<string, unknown>>): number | null => {
  const { retryAfterMs } = (body ?? {}) as { retryAfterMs?: unknown };
  if (typeof retryAfterMs === 'number') return retryAfterMs;
  const seconds = headers['retry-after'];
  return /^\d+$/.test(String(seconds)) ? Number(seconds) * MS_PER_S : null;
};

/** Whether the same again can help: the broker says so, or something between us and it has failed. */
const mayRepeat = (status: number, problem: Problem | null): boolean =>
  problem === null ? status === 429 || status >= 500 : problem.retryable;

interface Answered {
  readonly body: unknown;
  /** An earlier try may have been carried out all the same. */
  readonly isRepeat: boolean;
}

/** Calls until there is an answer that says more than "later". Throws BulkStop. */
const insist = async (patience: Patience, send: () => ReturnType<Call>): Promise<Answered> => {
  let isRepeat = false;
  for (;;) {
    let why: string;
    let askedMs: number | null = null;
    try {
      const { status, headers, body } = await send();
      if (status === 200) return { body, isRepeat };
      const problem = problemIn(body);
      why = problem === null ? `What answers is no escrowmq broker (${status})` : `${problem.detail} (${problem.code})`;
      if (!mayRepeat(status, problem)) throw new BulkStop(`${why}.`);
      askedMs = askedPause(body, headers);
      isRepeat ||= problem === null || problem.code === 'INTERNAL';
    } catch (error) {
      if (error instanceof BulkStop) throw error;
      why = (error as Error).message.replace(/\.$/, '');
      isRepeat = true;
    }
    await patience.wait(askedMs, why);
  }
};

interface Found {
  readonly id: string;
  readonly transactionId?: string;
  readonly committedAt?: string;
}

const isForMessages = (act: BulkAct): act is 'retry' | 'discard' => act === 'retry' || act === 'discard';

const indexOf = ({ id }: Found): number => Number(id.slice(id.lastIndexOf('.') + 1));

/** The lists begin with the newest. The messages of one transaction go in their own order. */
const oldestFirst = (found: readonly Found[], act: BulkAct): string[] => {
  const order = found.toReversed();
  if (!isForMessages(act)) return order.map(({ id }) => id);
  const arrival = new Map<string, number>();
  for (const { transactionId } of order) if (!arrival.has(transactionId!)) arrival.set(transactionId!, arrival.size);
  order.sort((a, b) => {
    if (a.committedAt !== b.committedAt) return a.committedAt! < b.committedAt! ? -1 : 1;
    return arrival.get(a.transactionId!)! - arrival.get(b.transactionId!)! || indexOf(a) - indexOf(b);
  });
  return order.map(({ id }) => id);
};

/**
 * Everything that the filter fits, or the oldest `MAX_TARGETS` of it. `onFound` hears how many there are so far. Rejects
 * with a BulkStop where the broker refuses or is silent for long.
 */
export const collectTargets = async (
  call: Call,
  { act, filter }: Selection,
  onFound: (count: number) => void = () => {},
  signal?: AbortSignal,
): Promise<Targets> => {
  const [path, state] = isForMessages(act) ? ['/v1/messages', 'parked'] : ['/v1/transactions', 'prepared'];
  const patience = new Patience(signal);
  let kept: Found[] = [];
  let found = 0;
  let cursor: string | null = null;
  do {
    if (signal?.aborted) throw new BulkStop(INTERRUPTED);
    const query: URLSearchParams = new URLSearchParams({ ...filter, state, limit: String(PAGE) });
    if (cursor !== null) query.set('cursor', cursor);
    const { body } = await insist(patience, () => call('GET', `${path}?${query}`));
    const page = body as { items: Found[]; nextCursor: string | null };
    if (!Array.isArray(page?.items)) throw new BulkStop(NO_BROKER);
    patience.renew();
    found += page.items.length;
    for (const { id, transactionId, committedAt } of page.items) {
      kept.push(isForMessages(act) ? { id, transactionId: transactionId!, committedAt: committedAt! } : { id });
    }
    if (kept.length > 2 * MAX_TARGETS) kept = kept.slice(-MAX_TARGETS);
    cursor = page.nextCursor;
    onFound(found);
  } while (cursor !== null);
  return { ids: oldestFirst(kept.slice(-MAX_TARGETS), act), found };
};

const operation = (act: BulkAct, id: string, reason: string): BatchOperation =>
  isForMessages(act) ? { op: act, messageId: id, reason } : { op: act, id, reason };

interface Later {
  readonly ids: string[];
  askedMs: number | null;
  isUnsure: boolean;
  why: string;
}

/**
 * Acts on the ids in their order. A batch that got no answer is sent again: the acts may be repeated, and a message that
 * is no longer parked then counts as done. `signal` ends it between two batches. Never rejects for what the broker does.
 */
export const actOnAll = async (
  call: Call,
  act: BulkAct,
  targets: readonly string[],
  reason: string,
  onProgress: (progress: BulkProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<BulkOutcome> => {
  const total = targets.length;
  const patience = new Patience(signal);
  const refusals: Refusal[] = [];
  let done = 0;

  /** Those of them that are to be sent again. `isUnsure`: they may have been carried out before. */
  const send = async (ids: readonly string[], isUnsure: boolean): Promise<Later> => {
    const operations = ids.map(id => operation(act, id, reason));
    const { body, isRepeat } = await insist(patience, () => call('POST', '/v1/batch', { operations }));
    const { results } = body as BatchAnswer;
    if (results?.length !== ids.length) throw new BulkStop(NO_BROKER);
    const later: Later = { ids: [], askedMs: null, isUnsure: isUnsure || isRepeat, why: '' };
    for (const [i, result] of results.entries()) {
      const problem = problemIn(result.body);
      const isDone = problem?.code === 'NOT_PARKED' && (isUnsure || isRepeat);
      if (problem === null || isDone) done++;
      else if (!problem.retryable) refusals.push({ id: ids[i]!, code: problem.code, detail: problem.detail });
      else {
        later.ids.push(ids[i]!);
        later.askedMs = Math.max(later.askedMs ?? 0, problem.retryAfterMs ?? FIRST_PAUSE_MS);
        later.isUnsure ||= problem.code === 'INTERNAL';
        later.why = `${problem.detail} (${problem.code})`;
      }
    }
    return later;
  };

  try {
    for (let from = 0; from < total; from += BATCH) {
      if (signal?.aborted) throw new BulkStop(INTERRUPTED);
      let left = targets.slice(from, from + BATCH);
      let isUnsure = false;
      while (left.length > 0) {
        const later = await send(left, isUnsure);
        if (later.ids.length < left.length) patience.renew();
        onProgress({ total, done, refused: refusals.length });
        if (later.ids.length > 0) await patience.wait(later.askedMs, later.why);
        left = later.ids;
        isUnsure = later.isUnsure;
      }
    }
    return { total, done, refusals, stopped: null };
  } catch (error) {
    if (!(error instanceof BulkStop)) throw error;
    return { total, done, refusals, stopped: error.message };
  }
};
