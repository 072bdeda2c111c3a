/**
 * How fast one producer group is asked, and about what next. In memory only: after a restart the store still knows
 * what is due. Without I/O; times are arguments, `now` on the clock of the store, `mono` on one that never jumps.
 *
 * - Calls in flight are bounded. A group whose last call failed gets one at a time, each after a longer pause, until
 *   any answer comes: then at full speed, and what waits in a long back-off because of the failure is asked early.
 * - A failed call may be the fault of single ids. Those of such a call become *suspects*: they are asked in calls of a
 *   tenth of its size, down to one, and one call at a time, so that their neighbours go on. New ids start with smaller
 *   calls too, which grow with every answer: the handler may just be slow.
 */
import type { DueCheck } from '../store/store.ts';

export const MAX_CHECKS_PER_CALL = 100;
export const MAX_CALLS_IN_FLIGHT = 4;
const SMALLER = 10;
/** Suspects remembered. One that is forgotten costs a failed call more. */
const MAX_SUSPECTS = 1_000;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;
/** Checks that are not due yet, looked through for those that a failure put off. */
const CATCH_UP_ROWS = 1_000;
/** Ids that got no answer when they were asked early, after which nothing more is asked early. */
const MAX_CATCH_UP_MISSES = 1_000;

/** The content of one call. */
export interface Turn {
  readonly checks: readonly DueCheck[];
  readonly suspects: boolean;
}

export class GroupPace {
  readonly #inFlight = new Set<string>();
  #calls = 0;
  #suspectsInFlight = false;
  #callSize = MAX_CHECKS_PER_CALL;
  /** By id: in calls of how many it is to be asked. The longest known first. */
  readonly #suspects = new Map<string, number>();
  #failures: number;
  #pausedUntil = 0;
  #lookAt = 0;
  /** While catching up: the ids that were asked early in vain. */
  #catchUp: Set<string> | null = null;

  /** `failing`: the last call before the restart failed. */
  constructor(failing: boolean) {
    this.#failures = failing ? 1 : 0;
  }

  get failing(): boolean {
    return this.#failures > 0;
  }

  /** A check is planned for `at`. */
  planned(at: number): void {
    this.#lookAt = Math.min(this.#lookAt, at);
  }

  /** Milliseconds until there may be something to ask; Infinity while only the end of a call can change that. */
  waitMs(now: number, mono: number): number {
    return this.#free() <= 0 ? Number.POSITIVE_INFINITY : Math.max(this.#lookAt - now, this.#pausedUntil - mono, 0);
  }

  /**
   * How many of the group's planned checks, the earliest first and whether due or not, `choose` must see: enough to
   * get past those that it will leave out.
   */
  beginLook(): number {
    this.#lookAt = Number.POSITIVE_INFINITY;
    const catchUpRows = this.#catchUp ? CATCH_UP_ROWS + this.#catchUp.size : 0;
    return this.#inFlight.size + this.#suspects.size + this.#free() * this.#callSize + 1 + catchUpRows;
  }

  /** The calls to make now. What is chosen is in flight until its end (`answered`, `failed`, `dropped`) is told. */
  choose(planned: readonly DueCheck[], now: number): Turn[] {
    const fresh: DueCheck[] = [];
    const suspects: DueCheck[] = [];
    for (const check of planned) {
      if (this.#inFlight.has(check.transactionId)) continue;
      if (check.nextCheckAt > now && !this.#putOff(check)) this.planned(check.nextCheckAt);
      else (this.#suspects.has(check.transactionId) ? suspects : fresh).push(check);
    }
    if (fresh.length === 0 && suspects.length === 0) this.#catchUp = null;
    return this.#deal(fresh, suspects);
  }

  /** The call brought an answer, though perhaps not for all ids. */
  answered(turn: Turn, unanswered: readonly string[]): void {
    this.#end(turn);
    for (const { transactionId } of turn.checks) this.#suspects.delete(transactionId);
    if (!turn.suspects && turn.checks.length >= this.#callSize) {
      this.#callSize = Math.min(this.#callSize + 1, MAX_CHECKS_PER_CALL);
    }
    this.reached();
    this.#missed(unanswered);
  }

  /** The group answers, whatever it was asked: an end to failures. */
  reached(): void {
    if (this.failing) this.#catchUp = new Set();
    this.#failures = 0;
    this.#pausedUntil = 0;
    this.#lookAt = 0;
  }

  /** Whether a failure of this call says something about its ids rather than about a group that else answers. */
  blamesIds(turn: Turn, askSmaller: boolean): boolean {
    return turn.suspects && askSmaller && !this.failing;
  }

  /** The call brought no answer for any id. */
  failed(turn: Turn, askSmaller: boolean, mono: number): void {
    this.#end(turn);
    const blamesIds = this.blamesIds(turn, askSmaller);
    if (askSmaller) this.#suspect(turn);
    if (blamesIds) {
      this.#missed(turn.checks.map(check => check.transactionId));
      return;
    }
    this.#catchUp = null;
    // Calls that fail together are one failure.
    if (this.failing && mono < this.#pausedUntil) return;
    this.#failures++;
    this.#pausedUntil = mono + Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 20), MAX_PAUSE_MS);
  }

  /** The call counts for nothing; the same may be asked again after the pause. */
  dropped(turn: Turn, mono: number, pauseMs: number): void {
    this.#end(turn);
    this.#pausedUntil = Math.max(this.#pausedUntil, mono + pauseMs);
  }

  #free(): number {
    return (this.failing ? 1 : MAX_CALLS_IN_FLIGHT) - this.#calls;
  }

  /** Whether it waits in a back-off that the group's recovery has made pointless. */
  #putOff({ transactionId, checkFailures }: DueCheck): boolean {
    return this.#catchUp !== null && checkFailures > 0 && !this.#catchUp.has(transactionId);
  }

  /** Asked early in vain: from here on their own back-off counts again. */
  #missed(ids: readonly string[]): void {
    for (const id of ids) this.#catchUp?.add(id);
    if (this.#catchUp && this.#catchUp.size > MAX_CATCH_UP_MISSES) this.#catchUp = null;
  }

  /** Suspects first, but never in more than one call, and behind the others while the group gets one call at a time. */
  #deal(fresh: DueCheck[], suspects: DueCheck[]): Turn[] {
    const turns: Turn[] = [];
    const suspectsMay = suspects.length > 0 && !this.#suspectsInFlight && (!this.failing || fresh.length === 0);
    if (suspectsMay && this.#free() > 0) turns.push(this.#begin({ checks: this.#together(suspects), suspects: true }));
    while (fresh.length > 0 && this.#free() > 0) {
      turns.push(this.#begin({ checks: fresh.splice(0, this.#callSize), suspects: false }));
    }
    return turns;
  }

  /** As many of the first suspects as may share a call with each other. */
  #together(suspects: readonly DueCheck[]): DueCheck[] {
    let size = MAX_CHECKS_PER_CALL;
    let count = 0;
    for (const { transactionId } of suspects) {
      size = Math.min(size, this.#suspects.get(transactionId)!);
      if (count >= size) break;
      count++;
    }
    return suspects.slice(0, count);
  }

  #begin(turn: Turn): Turn {
    this.#calls++;
    if (turn.suspects) this.#suspectsInFlight = true;
    for (const { transactionId } of turn.checks) this.#inFlight.add(transactionId);
    return turn;
  }

  #end(turn: Turn): void {
    this.#calls--;
    if (turn.suspects) this.#suspectsInFlight = false;
    for (const { transactionId } of turn.checks) this.#inFlight.delete(transactionId);
    this.#lookAt = 0;
  }

  #suspect({ checks, suspects }: Turn): void {
    const size = Math.max(1, Math.floor(checks.length / SMALLER));
    if (!suspects) this.#callSize = Math.min(this.#callSize, size);
    for (const { transactionId } of checks) {
      this.#suspects.delete(transactionId);
      this.#suspects.set(transactionId, size);
      if (this.#suspects.size > MAX_SUSPECTS) this.#suspects.delete(this.#suspects.keys().next().value!);
    }
  }
}
