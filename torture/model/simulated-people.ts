/** Who deals with the simulated broker: producers with their fences, check-back handlers, operators. */
import type { Asked } from '../../broker/check-back/asker.ts';
import type { Command, Outcome } from '../../broker/coordinator/commands.ts';
import type { DueCheck, ProducerGroup } from '../../broker/store/store.ts';
import type { Message } from '../../broker/transaction/transaction.ts';
import { halfMessage, prepareCommand, resolveCommand } from '../../test/support/store.ts';
import type { Random } from '../random.ts';
import type { SimulatedBroker } from './simulated-broker.ts';
import type { VirtualTime } from './virtual-time.ts';
import type { Manner, PlannedTransaction } from './world-plan.ts';

type Verdict = 'commit' | 'rollback';

/** What somebody was told, of one transaction. */
export interface Told {
  isPrepared: boolean;
  state: string | null;
  resolvedAt: number | null;
}

export interface Stage {
  readonly time: VirtualTime;
  readonly random: Random;
  /** Null while the power is off. */
  broker(): SimulatedBroker | null;
  isHealed(): boolean;
  mannerOf(group: string): Manner;
  /** Two systems disagree, or an answer cannot be. */
  wrong(sentence: string): void;
  note(line: string): void;
}

const NO_ANSWER_MS = 1_500;
const REPEAT_MS = 200;
/** Longest a check call takes before it is given up. */
const CALL_MS = 5_000;
const STATE_OF = { commit: 'committed', rollback: 'rolled_back' } as const;

export class SimulatedPeople {
  readonly told = new Map<string, Told>();
  /** The fence of all producers: what is decided, by the local transaction or by a check that came before. */
  readonly fence = new Map<string, Verdict>();
  asked = 0;
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** From the first prepare until nobody cares any more. */
  async produce({ id, group, life, localMs, messages }: PlannedTransaction): Promise<void> {
    const { time, random, note } = this.#stage;
    const contents = messages.map(({ topic, key, isPoison }, i) =>
      halfMessage({
        topic,
        key: key === null ? null : Buffer.from(key),
        payload: Buffer.from(isPoison ? 'poison' : `${id}.${i}`),
      }),
    );
    const prepared = await this.#insist([prepareCommand(id, group, contents)]);
    const told: Told = { isPrepared: true, state: null, resolvedAt: null };
    this.told.set(id, told);
    note(`${id} ${prepared.kind === 'done' && prepared.transaction?.state}`);
    // Only the answer `prepared` lets a local transaction begin.
    if (prepared.kind !== 'done' || prepared.transaction?.state !== 'prepared') return;
    if (life === 'vanish') return;
    await time.wait(localMs);
    const wanted = life === 'rollback' ? 'rollback' : 'commit';
    const verdict = this.fence.get(id) ?? wanted;
    this.fence.set(id, verdict);
    if (life === 'vanish_after') return;
    await this.#resolve(id, verdict);
    while (random.below(4) === 0) await this.#resolve(id, verdict);
  }

  async #resolve(id: string, verdict: Verdict): Promise<void> {
    const outcome = await this.#insist([resolveCommand(id, verdict)]);
    this.#hear(id, verdict, outcome);
  }

  #hear(id: string, verdict: Verdict, outcome: Outcome): void {
    const { wrong, note } = this.#stage;
    if (outcome.kind === 'refused') {
      // Of one that was resolved and purged nothing is known.
      if (outcome.refused.code === 'TRANSACTION_NOT_FOUND') return;
      wrong(`${id}: ${verdict} was refused with ${outcome.refused.code}, and nobody else decided`);
      return;
    }
    const { state, resolvedAt } = outcome.transaction!;
    const told = this.told.get(id)!;
    if (state !== STATE_OF[verdict]) wrong(`${id}: ${verdict} was told ${state}`);
    if (told.resolvedAt !== null && told.resolvedAt !== resolvedAt)
      wrong(`${id}: its resolution was told with two times`);
    Object.assign(told, { state, resolvedAt });
    note(`${id} told ${state}`);
  }

  /** Repeats the call until it is answered. */
  async #insist(commands: readonly Command[]): Promise<Outcome> {
    for (;;) {
      const outcome = await this.#call(commands);
      if (outcome !== null) return outcome;
      await this.#stage.time.wait(REPEAT_MS);
    }
  }

  /** One call over a network that loses some of the answers. Null: no answer. */
  async #call(commands: readonly Command[]): Promise<Outcome | null> {
    const { time, random } = this.#stage;
    await time.wait(random.next() * 5);
    const broker = this.#stage.broker();
    if (broker === null) return null;
    const outcomes = broker.coordinator.submit(commands).catch(() => null);
    const answered = await Promise.race([outcomes, time.wait(NO_ANSWER_MS)]);
    if (!answered || this.#stage.broker() !== broker || random.below(20) === 0) return null;
    return answered[0]!;
  }

  /** A producer group's check address. */
  async answer(group: ProducerGroup, checks: readonly DueCheck[]): Promise<Asked> {
    const { time, random, isHealed, mannerOf } = this.#stage;
    this.asked += checks.length;
    await time.wait(1 + random.next() * 20);
    const manner = mannerOf(group.name);
    if (manner === 'dead' && !isHealed()) return { ...NO_CALL, error: 'connection refused' };
    if (manner === 'flaky' && !isHealed()) {
      const failed = await this.#fail();
      if (failed !== null) return failed;
    }
    const answers = new Map<string, Verdict | 'unknown'>();
    for (const { transactionId: id } of checks) {
      const isLeftOut = manner === 'flaky' && !isHealed() && random.below(3) === 0;
      if (isLeftOut) continue;
      // A handler waits for the claim of a running local transaction, and gives up.
      const isLocked = !this.fence.has(id) && random.below(3) === 0 && !isHealed();
      if (manner === 'vague' || isLocked) answers.set(id, 'unknown');
      else {
        const verdict = this.fence.get(id) ?? 'rollback';
        this.fence.set(id, verdict);
        answers.set(id, verdict);
      }
    }
    return { ...NO_CALL, answers, error: null, status: 200 };
  }

  async #fail(): Promise<Asked | null> {
    const { time, random } = this.#stage;
    switch (random.below(5)) {
      case 0:
        return null;
      case 1:
        await time.wait(CALL_MS);
        return { ...NO_CALL, error: 'no answer within 5 s', askSmaller: true, timedOut: true };
      case 2:
        return { ...NO_CALL, error: 'answered 500', askSmaller: true, status: 500 };
      default:
        return { ...NO_CALL, error: 'connection refused' };
    }
  }

  /** By hand: a transaction that nobody else decides. */
  async decide(id: string): Promise<void> {
    const verdict = this.fence.get(id) ?? 'rollback';
    this.fence.set(id, verdict);
    if (!this.told.has(id)) this.told.set(id, { isPrepared: true, state: null, resolvedAt: null });
    const command = { ...resolveCommand(id, verdict), by: 'operator', reason: 'by hand' } as const;
    this.#hear(id, verdict, await this.#insist([command]));
  }

  /** By hand: a parked message once more, or never. */
  async settle(id: string, { index }: Message, type: 'retry' | 'discard'): Promise<void> {
    this.#stage.note(`${id}.${index} ${type}`);
    await this.#insist([{ type, messageId: `${id}.${index}`, reason: 'by hand' }]);
  }
}

const NO_CALL: Asked = {
  answers: new Map(),
  faults: new Map(),
  error: null,
  askSmaller: false,
  timedOut: false,
  givenUp: false,
  status: null,
  strangers: false,
  tookMs: 1,
};
