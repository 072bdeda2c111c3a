/**
 * Packs the calls that wait into requests, a few at a time, until each has its one outcome.
 *
 * An id is held by one call at a time, from its arrival until it is settled and off the wire; later calls about the same
 * id queue behind it. So nothing about one id is ever under way twice, and lanes may overtake each other freely.
 */
import type { TransactionBody } from '../../broker/protocol/wire.ts';
import { clock } from '../clock.ts';
import { type Batch, batchQuestion, pack } from './batch.ts';
import type { Call } from './call.ts';
import { ClientClosedError, type EscrowError, QueueFullError } from './client-errors.ts';
import type { Answer, Connections } from './exchange.ts';
import { Lane } from './lane.ts';
import { pauseMs } from './pause.ts';
import type { ClientSettings } from './settings.ts';
import { judgeBatch, type Result, refusedBy, type Verdict, waitOf } from './verdict.ts';
import { WakeUp } from './wake-up.ts';

/** Room that commits and rollbacks have, as a multiple of what prepares have. */
const RESOLUTION_ROOM = 2;

/**
 * How long after it was first sent a prepare may be sent again. The machine may have slept in between, which no deadline
 * counts.
 */
export const PREPARE_WINDOW_MS = 60 * 60 * 1_000;

/** The brackets and commas around the largest batch. */
const ENVELOPE_BYTES = 2_048;

export class Dispatcher {
  readonly #settings: ClientSettings;
  readonly #connections: Connections;
  readonly #lanes = { resolution: new Lane(), prepare: new Lane() };
  /** The call that holds each id. */
  readonly #holders = new Map<string, Call>();
  readonly #batches = new Set<Batch>();
  /** Refused one by one for now: sent again in their time. */
  readonly #delayed = new Set<Call>();
  readonly #wakeUp = new WakeUp(() => this.#look());
  #maxBatchBytes: number;
  #unsettled = 0;
  #unsettledBytes = 0;
  #isFlushDue = false;
  /** Calls are held back until then for others to join them. */
  #lingerUntil = 0;
  #isTroubled = false;
  #isClosed = false;
  #onIdle: (() => void) | null = null;

  constructor(settings: ClientSettings, connections: Connections) {
    this.#settings = settings;
    this.#connections = connections;
    this.#maxBatchBytes = settings.maxBatchBytes;
  }

  /** Takes the call over: it will be settled, by its deadline at the latest. Throws where there is no room for it. */
  accept(call: Call): void {
    this.#judgeRoom(call);
    this.#unsettled += 1;
    this.#unsettledBytes += call.bytes;
    this.#wakeUp.isNeeded = true;
    this.#wakeUp.at(call.deadline);
    const holder = this.#holders.get(call.id);
    if (holder === undefined) {
      this.#holders.set(call.id, call);
      this.#wait(call);
    } else {
      let last = holder;
      while (last.follower !== null) last = last.follower;
      last.follower = call;
    }
  }

  /** Ends a call that was accepted, wherever it is. */
  abort(call: Call, error: EscrowError): void {
    call.fail(error);
    this.#settled(call);
  }

  /** Refuses further calls and resolves when all those accepted are settled. */
  async drain(): Promise<void> {
    this.#isClosed = true;
    this.#lingerUntil = 0;
    this.#flushSoon();
    if (this.#unsettled > 0) {
      await new Promise<void>(resolve => {
        this.#onIdle = resolve;
      });
    }
    this.#wakeUp.cancel();
  }

  #judgeRoom(call: Call): void {
    if (this.#isClosed) throw new ClientClosedError();
    const { maxWaiting, maxWaitingBytes } = this.#settings;
    const room = call.kind === 'resolution' ? RESOLUTION_ROOM : 1;
    const hasRoom = this.#unsettled < maxWaiting * room && this.#unsettledBytes + call.bytes <= maxWaitingBytes * room;
    if (hasRoom || this.#unsettled === 0) return;
    const message = `${this.#unsettled} operations with ${this.#unsettledBytes} bytes wait for the broker already.`;
    throw new QueueFullError(message, { transactionId: call.id });
  }

  #wait(call: Call): void {
    const { resolution, prepare } = this.#lanes;
    const { lingerMs } = this.#settings;
    if (lingerMs > 0 && resolution.waiting.size + prepare.waiting.size === 0 && !this.#isClosed) {
      this.#lingerUntil = clock.monotonic() + lingerMs;
      this.#wakeUp.at(this.#lingerUntil);
    }
    const lane = this.#lanes[call.kind];
    lane.waiting.add(call);
    if (lane.closedUntil > 0) this.#wakeUp.at(lane.closedUntil);
    this.#flushSoon();
  }

  /** Once per turn of the event loop: whoever calls in this turn, or goes on after an answer of it, shares a request. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush(clock.monotonic());
    });
  }

  #flush(now: number): void {
    const { resolution, prepare } = this.#lanes;
    const { maxInFlight, maxBatch } = this.#settings;
    if (now < this.#lingerUntil && resolution.waiting.size + prepare.waiting.size < maxBatch) return;
    const limits = { operations: maxBatch, bytes: this.#maxBatchBytes };
    while (this.#batches.size < maxInFlight) {
      const calls = pack(this.#lanes, limits, now);
      if (calls.length === 0) return;
      const timely = calls.filter(call => !this.#isTooLate(call));
      if (timely.length > 0) this.#send(timely, now);
    }
  }

  /** A prepare that came so late might meet a broker that has forgotten how its transaction ended. */
  #isTooLate(call: Call): boolean {
    if (call.kind !== 'prepare' || call.firstSentAt === null) return false;
    if (clock.ageMs(call.firstSentAt) <= PREPARE_WINDOW_MS) return false;
    this.abort(call, call.noAnswer());
    return true;
  }

  #send(calls: readonly Call[], sentAt: number): void {
    const moment = clock.moment();
    const lanes = Object.values(this.#lanes).filter(lane => calls.some(call => this.#lanes[call.kind] === lane));
    const batch: Batch = { calls, lanes, sentAt, exchange: null };
    for (const call of calls) {
      call.isInFlight = true;
      call.attempts += 1;
      call.firstSentAt ??= moment;
    }
    for (const lane of lanes) lane.inFlight += 1;
    this.#batches.add(batch);
    this.#wakeUp.at(sentAt + this.#settings.requestTimeoutMs);
    batch.exchange = this.#connections.ask(batchQuestion(calls), (error, answer) =>
      this.#returned(batch, error, answer),
    );
  }

  #returned(batch: Batch, error: Error | null, answer: Answer | null): void {
    const now = clock.monotonic();
    this.#batches.delete(batch);
    for (const lane of batch.lanes) lane.inFlight -= 1;
    for (const call of batch.calls) call.isInFlight = false;
    const verdict = judgeBatch(error, answer, batch.calls.length);
    if (verdict.kind === 'answered') this.#conclude(batch, verdict.results, now);
    else if (verdict.kind === 'unavailable') this.#giveTime(batch, verdict, now);
    else this.#refuse(batch, verdict);
    this.#flushSoon();
  }

  #conclude({ calls, lanes }: Batch, results: readonly Result[], now: number): void {
    // Whoever answers one kind can be reached by the other too; whether it takes the other is another question.
    for (const lane of Object.values(this.#lanes)) if (lanes.includes(lane) || !lane.isRefused) lane.reopen();
    if (this.#isTroubled && this.#lanes.prepare.isHealthy && this.#lanes.resolution.isHealthy) {
      this.#isTroubled = false;
      this.#settings.logger?.info({ event: 'broker_back' }, 'the broker answers again');
    }
    for (const [index, call] of calls.entries()) {
      const { status, body } = results[index]!;
      if (call.isSettled) this.#release(call);
      else if (status < 300) {
        call.succeed({ status, body: body as TransactionBody });
        this.#settled(call);
      } else {
        const refusal = refusedBy(body, status, call.id);
        if (refusal.retryable) this.#delay(call, refusal, now + pauseMs(call.attempts, waitOf(body)));
        else this.abort(call, refusal);
      }
    }
  }

  #delay(call: Call, fault: EscrowError, until: number): void {
    call.lastFault = fault;
    call.notBefore = until;
    this.#delayed.add(call);
    this.#wakeUp.at(until);
  }

  /** Nothing is known of any of them. They go again, with the same ids. */
  #giveTime(batch: Batch, verdict: Extract<Verdict, { kind: 'unavailable' }>, now: number): void {
    const { resolution, prepare } = this.#lanes;
    const { error, isOverload, retryAfterMs } = verdict;
    // Brokers under load refuse prepares first; whether resolutions pass, the next request of them alone will say.
    const isOnlyPrepares = isOverload && batch.lanes.includes(prepare);
    const closing = isOnlyPrepares ? [prepare] : [resolution, prepare];
    for (const lane of closing) {
      lane.pause(now, batch.sentAt, isOverload, retryAfterMs);
      this.#wakeUp.at(lane.closedUntil);
    }
    if (!this.#isTroubled) {
      this.#isTroubled = true;
      this.#settings.logger?.warn({ event: 'broker_away', err: error }, 'the broker gives no answer; trying again');
    }
    this.#putBack(batch, error);
  }

  /** Something in the request cannot be read, or it is too large: only one alone can tell whose fault that is. */
  #refuse(batch: Batch, { errorFor, isEveryones, limitBytes }: Extract<Verdict, { kind: 'refused' }>): void {
    const { calls } = batch;
    if (isEveryones || calls.length === 1) {
      for (const call of calls) {
        if (call.isSettled) this.#release(call);
        else this.abort(call, errorFor(call.id));
      }
      return;
    }
    if (limitBytes === null) for (const call of calls) call.isAlone = true;
    else this.#maxBatchBytes = Math.max(1, Math.min(this.#maxBatchBytes / 2, limitBytes - ENVELOPE_BYTES));
    this.#putBack(batch, errorFor(null));
  }

  #putBack({ calls, lanes }: Batch, fault: unknown): void {
    for (const call of calls) {
      call.lastFault = fault;
      if (call.isSettled) this.#release(call);
    }
    for (const lane of lanes) {
      lane.putBack(calls.filter(call => !call.isSettled && this.#lanes[call.kind] === lane));
    }
  }

  #settled(call: Call): void {
    this.#unsettled -= 1;
    this.#unsettledBytes -= call.bytes;
    this.#lanes[call.kind].waiting.delete(call);
    this.#delayed.delete(call);
    if (!call.isInFlight) this.#release(call);
    if (this.#unsettled > 0) return;
    this.#wakeUp.isNeeded = false;
    this.#onIdle?.();
  }

  /** The id goes to the next call about it. */
  #release(call: Call): void {
    if (this.#holders.get(call.id) !== call) return;
    let next = call.follower;
    while (next?.isSettled) next = next.follower;
    if (next === null) {
      this.#holders.delete(call.id);
      return;
    }
    this.#holders.set(call.id, next);
    this.#wait(next);
  }

  /** Everything whose time has come; returns when to look again. */
  #look(): number {
    const now = clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    const isDue = (time: number): boolean => {
      if (time > now) next = Math.min(next, time);
      return time <= now;
    };
    for (const holder of [...this.#holders.values()]) {
      for (let call: Call | null = holder; call !== null; call = call.follower) {
        if (!call.isSettled && isDue(call.deadline)) this.abort(call, call.noAnswer());
      }
    }
    const { requestTimeoutMs } = this.#settings;
    for (const { sentAt, exchange } of this.#batches) {
      if (isDue(sentAt + requestTimeoutMs)) exchange!.abandon(new Error(`no answer within ${requestTimeoutMs} ms`));
    }
    for (const call of this.#delayed) {
      if (!isDue(call.notBefore)) continue;
      this.#delayed.delete(call);
      this.#wait(call);
    }
    for (const lane of Object.values(this.#lanes)) if (lane.waiting.size > 0) isDue(lane.closedUntil);
    isDue(this.#lingerUntil);
    this.#flush(now);
    return next;
  }
}
