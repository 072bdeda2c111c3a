/** Acts on many at once: counted, confirmed, carried out and reported. A job belongs to a session and outlives its page. */
import { actOnAll, type BulkAct, type BulkOutcome, type BulkProgress, collectTargets } from '../bulk-act.ts';
import type { Rest } from './rest.ts';
import { newToken, type Visitor } from './sessions.ts';

/** Of one session; of more, the oldest that is over is forgotten. */
const MAX_JOBS = 20;
/** That count or act at the same moment, of all sessions. */
const MAX_BUSY = 4;
/** Ids that jobs of all sessions wait with; of more, those that wait longest to be confirmed are given up. */
const MAX_HELD_IDS = 500_000;
/** Of the refused, told one by one. */
const MAX_REFUSALS = 100;
/** Sessions whose jobs are kept. */
const MAX_OWNERS = 1_000;
/** From so many targets on, their number must be typed to confirm. */
const TYPED_BEYOND = 10;

export type Phase =
  | { readonly name: 'counting'; readonly found: number }
  /** Nothing happens until somebody confirms. `found`: more than ids where there are too many for one job. */
  | { readonly name: 'counted'; readonly found: number }
  | { readonly name: 'acting'; readonly progress: BulkProgress }
  /** Of `refused` the first stand in the outcome. */
  | { readonly name: 'over'; readonly outcome: BulkOutcome; readonly refused: number }
  /** It ended before it did anything. */
  | { readonly name: 'given up'; readonly why: string };

export interface Job {
  readonly id: string;
  readonly act: BulkAct;
  /** What is acted on, in words. */
  readonly subject: string;
  /** ms since 1970. */
  readonly begunAt: number;
  readonly phase: Phase;
  readonly ids: readonly string[];
  readonly reason: string;
}

interface Kept extends Job {
  phase: Phase;
  ids: readonly string[];
  reason: string;
  readonly rest: Rest;
  readonly abort: AbortController;
  readonly listeners: Set<() => void>;
}

/** The ids that somebody chose, or the query of a list of which all are meant. */
export type Wanted = { readonly ids: readonly string[] } | { readonly filter: Readonly<Record<string, string>> };

/** What is wrong with a confirmation, as a sentence. */
export class NotConfirmed extends Error {
  override name = 'NotConfirmed';
}

export const mustBeTyped = ({ ids }: Job): boolean => ids.length > TYPED_BEYOND;

const isBusy = ({ phase }: Job): boolean => phase.name === 'counting' || phase.name === 'acting';

export class BulkJobs {
  readonly #now: () => number;
  /** By the visitor's id, the oldest first. */
  readonly #jobs = new Map<string, Kept[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The newest first. */
  of({ id }: Visitor): readonly Job[] {
    return [...(this.#jobs.get(id) ?? [])].reverse();
  }

  find({ id }: Visitor, jobId: string): Job | null {
    return this.#kept(id, jobId);
  }

  #kept(owner: string, jobId: string): Kept | null {
    return this.#jobs.get(owner)?.find(job => job.id === jobId) ?? null;
  }

  /** Begins to count. Null where too many are busy. */
  begin({ id: owner }: Visitor, rest: Rest, act: BulkAct, subject: string, wanted: Wanted): Job | null {
    const own = this.#ownersJobs(owner);
    if (own === null || this.#busy() >= MAX_BUSY) return null;
    this.#makeRoom();
    const isChosen = 'ids' in wanted;
    const job: Kept = {
      id: newToken().slice(0, 16),
      act,
      subject,
      begunAt: this.#now(),
      phase: isChosen ? { name: 'counted', found: wanted.ids.length } : { name: 'counting', found: 0 },
      ids: isChosen ? wanted.ids : [],
      reason: '',
      rest,
      abort: new AbortController(),
      listeners: new Set(),
    };
    own.push(job);
    if (!isChosen) void this.#count(job, wanted.filter);
    return job;
  }

  /** Throws NotConfirmed. */
  confirm({ id: owner }: Visitor, jobId: string, reason: string, typed: string): void {
    const job = this.#kept(owner, jobId);
    if (job?.phase.name !== 'counted') throw new NotConfirmed('It is not waiting to be confirmed.');
    if (reason.trim() === '') throw new NotConfirmed('Give a reason: it stands in the history of each of them.');
    if (mustBeTyped(job) && typed.replace(/[\s,.]/g, '') !== String(job.ids.length))
      throw new NotConfirmed(`Type the number ${job.ids.length} to confirm.`);
    if (this.#busy() >= MAX_BUSY)
      throw new NotConfirmed('Too many of these run at this moment. Try again in a moment.');
    job.reason = reason;
    void this.#act(job);
  }

  /** What is done stays done. */
  stop({ id: owner }: Visitor, jobId: string): void {
    const job = this.#kept(owner, jobId);
    if (job === null) return;
    job.abort.abort();
    if (job.phase.name === 'counted') this.#giveUp(job, 'It was not confirmed.');
  }

  /** `onChange` until the result is called. */
  watch({ id: owner }: Visitor, jobId: string, onChange: () => void): () => void {
    const listeners = this.#kept(owner, jobId)?.listeners;
    listeners?.add(onChange);
    return () => void listeners?.delete(onChange);
  }

  /** Of a visitor who has left. */
  forget({ id }: Visitor): void {
    for (const job of this.#jobs.get(id) ?? []) job.abort.abort();
    this.#jobs.delete(id);
  }

  stopAll(): void {
    for (const jobs of this.#jobs.values()) for (const job of jobs) job.abort.abort();
  }

  async #count(job: Kept, filter: Readonly<Record<string, string>>): Promise<void> {
    try {
      const onFound = (found: number): void => this.#move(job, { name: 'counting', found });
      const { ids, found } = await collectTargets(job.rest.call, { act: job.act, filter }, onFound, job.abort.signal);
      job.ids = ids;
      this.#move(job, ids.length === 0 ? { name: 'given up', why: 'There is none left.' } : { name: 'counted', found });
    } catch (error) {
      this.#move(job, { name: 'given up', why: (error as Error).message });
    }
  }

  async #act(job: Kept): Promise<void> {
    this.#move(job, { name: 'acting', progress: { total: job.ids.length, done: 0, refused: 0 } });
    const onProgress = (progress: BulkProgress): void => this.#move(job, { name: 'acting', progress });
    try {
      const outcome = await actOnAll(job.rest.call, job.act, job.ids, job.reason, onProgress, job.abort.signal);
      this.#end(job, outcome);
    } catch (error) {
      // Nobody waits for this promise: what it fails with is told by the job.
      const done = job.phase.name === 'acting' ? job.phase.progress.done : 0;
      this.#end(job, { total: job.ids.length, done, refusals: [], stopped: (error as Error).message });
    }
  }

  /** What is told of it stays; its ids would be too much. */
  #end(job: Kept, outcome: BulkOutcome): void {
    const refusals = outcome.refusals.slice(0, MAX_REFUSALS);
    job.ids = [];
    this.#move(job, { name: 'over', outcome: { ...outcome, refusals }, refused: outcome.refusals.length });
  }

  #move(job: Kept, phase: Phase): void {
    job.phase = phase;
    for (const onChange of job.listeners) onChange();
  }

  #giveUp(job: Kept, why: string): void {
    job.ids = [];
    this.#move(job, { name: 'given up', why });
  }

  /** Whose session is over confirms nothing any more, and must not keep others from their work. */
  #makeRoom(): void {
    const jobs = [...this.#jobs.values()].flat();
    const counted = jobs.filter(({ phase }) => phase.name === 'counted').sort((a, b) => a.begunAt - b.begunAt);
    let held = jobs.reduce((sum, { ids }) => sum + ids.length, 0);
    for (const job of counted) {
      if (held < MAX_HELD_IDS) return;
      held -= job.ids.length;
      this.#giveUp(job, 'It was not confirmed, and others needed its room. Count them again.');
    }
  }

  #busy(): number {
    return [...this.#jobs.values()].flat().filter(isBusy).length;
  }

  /** Null where there is no room. */
  #ownersJobs(owner: string): Kept[] | null {
    const own = this.#jobs.get(owner) ?? [];
    if (own.length >= MAX_JOBS) {
      const over = own.findIndex(job => !isBusy(job));
      if (over < 0) return null;
      own.splice(over, 1);
    }
    this.#jobs.delete(owner);
    if (this.#jobs.size >= MAX_OWNERS) {
      const idle = [...this.#jobs].find(([, jobs]) => !jobs.some(isBusy));
      if (idle === undefined) return null;
      this.#jobs.delete(idle[0]);
    }
    this.#jobs.set(owner, own);
    return own;
  }
}
