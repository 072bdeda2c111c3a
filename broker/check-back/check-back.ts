/**
 * The check-back: asks producer groups what became of transactions that got no resolution in time.
 *
 *     store: what is due ──▶ pace: what to ask now ──▶ asker: one call ──▶ coordinator: answers, durable ──▶ again
 *
 * One loop looks after all groups and never waits for a call, so that no group waits for another. Every group has its
 * own calls in flight; there is no bound over all groups, because that one the slow groups would use up.
 */
import type { AnswerCommand, Command } from '../coordinator/commands.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import { Poller } from '../poller.ts';
import { type DueCheck, type ProducerGroup, StorageFullError, type Store } from '../store/store.ts';
import type { AddressPolicy } from './address-policy.ts';
import { type Asked, Asker, type AskerSettings } from './asker.ts';
import { CheckSpans } from './check-spans.ts';
import { GroupPace, type Turn } from './group-pace.ts';

/** Longest sleep: when somebody sets the clock, what is due by it now is seen after this. */
const MAX_SLEEP_MS = 1_000;
/** How long a group is left alone when its answers found no room on the disk. */
const STORAGE_PAUSE_MS = 1_000;
/** While too much waits for the disk, how long until it is looked at again. */
const OVERLOAD_PAUSE_MS = 100;
/** `lastAnswerAt` of a group that answers all the time is written this often. */
const HEALTH_EVERY_MS = 5_000;
/** Later than every planned check: the store is asked for the next checks, whether due or not. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

export type CheckResult = 'commit' | 'rollback' | 'unknown' | 'no_answer';

export interface CheckBackSettings extends Pick<AskerSettings, 'resolve' | 'deadlineMs'> {
  readonly coordinator: Pick<Coordinator, 'group' | 'groups' | 'submit'>;
  readonly store: Pick<Store, 'dueChecks'>;
  readonly policy: AddressPolicy;
  readonly clock: { now(): number; monotonic(): number };
  /** So much waits for the disk that no call is to start: each brings answers that wait there too. Default: never. */
  readonly isOverloaded?: () => boolean;
  /** So many checks ended like this; called once that is durable. */
  readonly onCheck?: (result: CheckResult, count: number) => void;
  /** A call ended after so long; `error` null: with an answer. */
  readonly onCall?: (group: string, tookMs: number, error: string | null) => void;
  /** The check-back cannot go on. The process must stop. */
  readonly onFatal: (error: Error) => void;
}

/** What the test question came to. `status` is the HTTP status, null where none came. */
export interface TestResult {
  readonly ok: boolean;
  readonly status: number | null;
  readonly tookMs: number;
  readonly error: string | null;
}

export class CheckBack {
  readonly #settings: CheckBackSettings;
  readonly #asker: Asker;
  readonly #poller: Poller;
  readonly #paces = new Map<string, GroupPace>();
  readonly #calls = new Set<Promise<void>>();
  /** How long the last call took, by group. */
  readonly #lastCallMs = new Map<string, number>();
  readonly #tests = new Map<ProducerGroup, Promise<TestResult>>();
  /** Ends of calls, for the next step: the paces must not change while a step waits for the store. */
  #ended: (() => void)[] = [];
  #sleepsUntil = 0;
  #stopping = false;

  constructor(settings: CheckBackSettings) {
    const { policy, clock, resolve, deadlineMs, onFatal } = settings;
    this.#settings = settings;
    this.#asker = new Asker({ policy, clock, resolve, deadlineMs });
    this.#poller = new Poller({ step: () => this.#step(), onFatal });
  }

  start(): void {
    this.#poller.start();
  }

  /** Calls about transactions whose answer is not durable yet. */
  get callsInFlight(): number {
    return this.#calls.size;
  }

  /** For the coordinator: a check of the group is planned for `at` (ms since 1970). Cheap: it comes with every prepare. */
  checkPlanned(group: string, at: number): void {
    this.#paces.get(group)?.planned(at);
    if (at >= this.#sleepsUntil) return;
    this.#sleepsUntil = at;
    this.#poller.wake();
  }

  /** How long the last call with checks to the group took; null: none ended since the start. */
  lastCallMs(group: string): number | null {
    return this.#lastCallMs.get(group) ?? null;
  }

  /** Asks the group the test question now. Tests of the same settings at the same time are one. */
  test(group: ProducerGroup): Promise<TestResult> {
    const underWay = this.#tests.get(group);
    if (underWay) return underWay;
    const test = this.#test(group).finally(() => this.#tests.delete(group));
    this.#tests.set(group, test);
    return test;
  }

  /**
   * No call starts any more. Those in flight may end within the deadline, and their answers are kept; then they are
   * given up and count as nothing. Resolves when nothing is under way.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    await this.#poller.stop();
    const deadline = setTimeout(() => this.#asker.abort(), deadlineMs);
    await Promise.all([...this.#calls, ...this.#tests.values()]);
    clearTimeout(deadline);
    await this.#asker.close();
  }

  /** One look at every group that may have something to ask; resolves with the time until the next. */
  async #step(): Promise<number> {
    // Whatever is planned from here on may be missed by this step, and must bring another.
    this.#sleepsUntil = Number.POSITIVE_INFINITY;
    for (const end of this.#ended.splice(0)) end();
    const { clock, coordinator, isOverloaded } = this.#settings;
    if (isOverloaded?.()) {
      // Nothing is lost: what is due stays so in the store, and no attempt is counted.
      this.#sleepsUntil = clock.now() + OVERLOAD_PAUSE_MS;
      return OVERLOAD_PAUSE_MS;
    }
    let wait = MAX_SLEEP_MS;
    for (const group of coordinator.groups()) {
      const pace = this.#pace(group);
      if (pace.waitMs(clock.now(), clock.monotonic()) <= 0) await this.#look(group.name, pace);
      wait = Math.min(wait, pace.waitMs(clock.now(), clock.monotonic()));
    }
    this.#sleepsUntil = clock.now() + wait;
    return wait;
  }

  async #look(name: string, pace: GroupPace): Promise<void> {
    const planned = await this.#settings.store.dueChecks(name, ANY_TIME, pace.beginLook());
    if (this.#stopping) return;
    for (const turn of pace.choose(planned, this.#settings.clock.now())) {
      const call = this.#call(name, pace, turn).finally(() => this.#calls.delete(call));
      this.#calls.add(call);
    }
  }

  /** One call and what comes of it. Its ids stay in flight until what was answered is durable. */
  async #call(name: string, pace: GroupPace, turn: Turn): Promise<void> {
    const { coordinator, clock } = this.#settings;
    let end = (): void => pace.dropped(turn, clock.monotonic(), 0);
    try {
      const group = coordinator.group(name)!;
      if (group.checkUrl === null) await coordinator.submit(turn.checks.map(nobody));
      else end = await this.#ask(group, pace, turn);
    } catch (error) {
      this.#notWritten(error as Error);
      // Nothing is lost with the answers: the checks are still due, and a producer's fence repeats what it said.
      end = () => pace.dropped(turn, clock.monotonic(), STORAGE_PAUSE_MS);
    }
    this.#ended.push(end);
    this.#poller.wake();
  }

  /** A full disk passes; whatever else keeps an answer from being stored ends the process. */
  #notWritten(error: Error): void {
    if (error instanceof StorageFullError) return;
    this.#stopping = true;
    this.#settings.onFatal(error);
  }

  /** Resolves with what the pace has to learn from it. */
  async #ask(group: ProducerGroup, pace: GroupPace, turn: Turn): Promise<() => void> {
    const { coordinator, clock, onCall } = this.#settings;
    const spans = new CheckSpans(group.name, turn.checks);
    const asked = await this.#asker.ask(group, turn.checks, spans.trace);
    spans.end(asked);
    const { error, askSmaller } = asked;
    if (asked.givenUp) return () => pace.dropped(turn, clock.monotonic(), 0);
    this.#lastCallMs.set(group.name, asked.tookMs);
    onCall?.(group.name, asked.tookMs, error);
    const answers = turn.checks.map(check => answerTo(check, asked));
    const health = pace.blamesIds(turn, askSmaller) ? [] : this.#health(group.name, error);
    await coordinator.submit([...answers, ...health]);
    this.#count(answers);
    if (error !== null) return () => pace.failed(turn, askSmaller, clock.monotonic());
    const unanswered = answers.filter(({ answer }) => answer === 'none').map(({ id }) => id);
    return () => pace.answered(turn, unanswered);
  }

  /** The change in the group's health, if there is one worth a write. */
  #health(name: string, error: string | null): Command[] {
    const group = this.#settings.coordinator.group(name)!;
    const age = Math.abs(this.#settings.clock.now() - (group.lastAnswerAt ?? 0));
    if (error === group.lastError && (error !== null || age < HEALTH_EVERY_MS)) return [];
    return [{ type: 'group_health', group: name, error }];
  }

  #count(answers: readonly AnswerCommand[]): void {
    for (const [result, same] of Map.groupBy(answers, ({ answer }) => answer)) {
      if (result !== 'nobody') this.#settings.onCheck?.(result === 'none' ? 'no_answer' : result, same.length);
    }
  }

  async #test(group: ProducerGroup): Promise<TestResult> {
    const asked = await this.#asker.ask(group, []);
    const error = asked.error ?? (asked.strangers ? 'answered about transactions that were not asked' : null);
    if (asked.error === null) {
      const pace = this.#paces.get(group.name);
      this.#ended.push(() => pace?.reached());
      this.#poller.wake();
    }
    const { coordinator } = this.#settings;
    // What a stop cut off, or was asked of an address that is not the group's any more, says nothing about the group.
    const counts = !asked.givenUp && coordinator.group(group.name)?.checkUrl === group.checkUrl;
    const health = counts ? this.#health(group.name, asked.error) : [];
    await coordinator.submit(health).catch((failure: Error) => this.#notWritten(failure));
    return { ok: error === null, status: asked.status, tookMs: Math.round(asked.tookMs), error };
  }

  #pace(group: ProducerGroup): GroupPace {
    let pace = this.#paces.get(group.name);
    if (!pace) {
      pace = new GroupPace(group.lastError !== null);
      this.#paces.set(group.name, pace);
    }
    return pace;
  }
}

const nobody = ({ transactionId }: DueCheck): AnswerCommand => ({
  type: 'answer',
  id: transactionId,
  answer: 'nobody',
  error: null,
});

const answerTo = ({ transactionId: id }: DueCheck, asked: Asked): AnswerCommand => {
  const answer = asked.answers.get(id);
  if (answer) return { type: 'answer', id, answer, error: null };
  return { type: 'answer', id, answer: 'none', error: asked.error ?? asked.faults.get(id) ?? 'left out of the answer' };
};
