/** One simulated world from its beginning until all is settled: the same seed, the same life, to the letter. */
import type { Transaction } from '../../broker/transaction/transaction.ts';
import { parseMessageId } from '../../broker/transaction/transaction.ts';
import { producerGroup } from '../../test/support/store.ts';
import { Random } from '../random.ts';
import { MemoryDisk } from './memory-disk.ts';
import { type Fate, MovingKafka, type Written } from './moving-kafka.ts';
import { unaccounted } from './resolution-laws.ts';
import { SimulatedBroker } from './simulated-broker.ts';
import { SimulatedPeople } from './simulated-people.ts';
import { VirtualTime } from './virtual-time.ts';
import { judgeWorld, nameOf } from './world-judge.ts';
import type { Trouble, WorldPlan } from './world-plan.ts';

/** Time enough for everything to be decided and sent once nothing is wrong any more. */
const SETTLED_WITHIN_MS = 900_000;
const LOOK_MS = 1_000;
/** A check that is due is asked within this time, where its group answers and there is a broker with a disk. */
const ASKED_WITHIN_MS = 2_000;
/** One whose group fails waits for its turn among the others of the group, and is never given up. */
const TRIED_WITHIN_MS = 20 * 60_000;
const FAILURES: readonly Fate[] = ['refused', 'unanswered', 'late', 'hanging'];
const MOST_OFF_MS = 2_000;

export interface Lived {
  readonly anomalies: readonly string[];
  /** Of all that was seen to happen. */
  readonly digest: string;
  readonly virtualMs: number;
  readonly counts: {
    readonly looks: number;
    readonly powerCuts: number;
    readonly asked: number;
    readonly records: number;
    readonly accepted: number;
  };
}

class World {
  readonly #plan: WorldPlan;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #disk = new MemoryDisk();
  readonly #kafka: MovingKafka;
  readonly #people: SimulatedPeople;
  readonly #written: Written[] = [];
  readonly #anomalies: string[] = [];
  #broker: SimulatedBroker | null = null;
  #digest = 0;
  #looks = 0;
  #cuts = 0;
  #diskFullAt = Number.NEGATIVE_INFINITY;

  constructor(plan: WorldPlan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed ^ 0x5eed);
    const random = (): number => this.#random.next();
    this.#kafka = new MovingKafka(
      {
        wait: ms => this.#time.wait(ms),
        random,
        fate: () => this.#fate(),
        isPoison: ({ value }) => value?.toString() === 'poison',
        onWrite: written => this.#onWrite(written),
      },
      plan.topics,
    );
    const manners = new Map(plan.groups.map(({ name, manner }) => [name, manner]));
    this.#people = new SimulatedPeople({
      time: this.#time,
      random: this.#random,
      broker: () => this.#broker,
      isHealed: () => this.#isHealed(),
      mannerOf: group => manners.get(group)!,
      wrong: sentence => this.#wrong(sentence),
      note: line => this.#note(line),
    });
  }

  async live(): Promise<Lived> {
    const putBack = this.#time.install();
    try {
      await this.#time.until(this.#life());
    } catch (error) {
      this.#wrong(`the world ended: ${(error as Error).stack}`);
    } finally {
      this.#time.die();
      putBack();
    }
    return {
      anomalies: this.#anomalies,
      digest: (this.#digest >>> 0).toString(16),
      virtualMs: this.#time.ms,
      counts: {
        looks: this.#looks,
        powerCuts: this.#cuts,
        asked: this.#people.asked,
        records: this.#written.length,
        accepted: this.#disk.counters.get('accepted') ?? 0,
      },
    };
  }

  async #life(): Promise<void> {
    const { groups, transactions, powerCuts, growth, topics } = this.#plan;
    await this.#start();
    await this.#broker!.coordinator.submit([
      ...groups.map(({ name, manner, check }) => {
        const checkUrl = manner === 'none' ? null : 'http://127.0.0.1:9/check';
        return { type: 'put_group', group: producerGroup(name, { checkUrl, check }) } as const;
      }),
      ...Object.entries(topics).map(([topic, partitions]) => ({ type: 'topic_seen', topic, partitions }) as const),
    ]);
    for (const one of transactions) this.#time.after(one.at, () => void this.#people.produce(one));
    for (const at of powerCuts) this.#time.after(at, () => this.#cutPower());
    if (growth) this.#time.after(growth.at, () => this.#kafka.topics.set(growth.topic, growth.partitions));
    while (!this.#isSettled()) {
      await this.#time.wait(LOOK_MS);
      this.#look();
      if (this.#anomalies.length > 0) return;
      if (this.#time.ms > this.#plan.healedAt + SETTLED_WITHIN_MS) return this.#wrong(this.#unsettled());
    }
    const evidence = { disk: this.#disk, told: this.#people.told, fence: this.#people.fence, written: this.#written };
    for (const sentence of judgeWorld({ ...evidence, plan: this.#plan })) this.#wrong(sentence);
  }

  async #start(): Promise<void> {
    this.#broker = await SimulatedBroker.start({
      time: this.#time,
      disk: this.#disk,
      kafka: this.#kafka,
      random: () => this.#random.next(),
      retentionMs: this.#plan.retentionMs,
      parkAfterMs: this.#plan.parkAfterMs,
      flushMs: () => 0.1 + this.#random.next() ** 4 * 20,
      isDiskFull: () => this.#isDiskFull(),
      ask: (group, checks) => {
        for (const { transactionId: id } of checks) this.#onAsked(id);
        return this.#people.answer(group, checks);
      },
      onFatal: error => this.#wrong(`the broker stopped: ${error.stack}`),
    });
  }

  #cutPower(): void {
    if (this.#broker === null) return;
    this.#broker.cutPower();
    this.#broker = null;
    this.#cuts++;
    this.#note('power cut');
    this.#time.after(this.#random.below(MOST_OFF_MS), () => void this.#start());
  }

  #isHealed(): boolean {
    return this.#time.ms >= this.#plan.healedAt;
  }

  #trouble(what: Trouble['what']): Trouble | undefined {
    const { ms } = this.#time;
    return this.#plan.troubles.find(one => one.what === what && one.from <= ms && ms < one.to);
  }

  #isDiskFull(): boolean {
    const trouble = this.#trouble('disk full');
    const isFull = trouble !== undefined && this.#random.next() < trouble.share;
    if (isFull) this.#diskFullAt = this.#time.ms;
    return isFull;
  }

  #fate(): Fate {
    const trouble = this.#trouble('sends');
    if (trouble === undefined || this.#random.next() >= trouble.share) return 'written';
    return FAILURES[this.#random.below(FAILURES.length)]!;
  }

  #onWrite(written: Written): void {
    const id = nameOf(written);
    this.#note(`${id} in ${written.topic}/${written.partition}`);
    this.#written.push(written);
    const state = this.#disk.transactions.get(parseMessageId(id)!.transactionId)?.state;
    // A send that was given up may be written when all is long over and purged.
    const isPossible = state === 'committed' || (state === undefined && this.#plan.retentionMs < this.#time.ms);
    if (!isPossible) this.#wrong(`${id} came into Kafka, and its transaction is ${state ?? 'not durable'}`);
  }

  #onAsked(id: string): void {
    this.#note(`${id} asked`);
    const state = this.#disk.transactions.get(id)?.state;
    if (state !== 'prepared') this.#wrong(`${id} was asked about, and is ${state}`);
  }

  /** What must be so at every moment. */
  #look(): void {
    this.#looks++;
    const { transactions, counters, prepared } = this.#disk;
    const { ms, clock } = this.#time;
    this.#kafka.isAway = this.#trouble('kafka away') !== undefined;
    if (this.#trouble('topic missing')) this.#kafka.topics.delete('audit');
    else if (!this.#kafka.topics.has('audit')) this.#kafka.topics.set('audit', this.#plan.topics.audit!);
    const sentence = unaccounted(counters) ?? (this.#broker && unaccounted(this.#broker.coordinator.counters()));
    if (sentence !== null) this.#wrong(sentence);
    const upMs = this.#broker === null ? 0 : ms - this.#broker.upSince;
    const wasAble = upMs > ASKED_WITHIN_MS && ms - this.#diskFullAt > 2 * ASKED_WITHIN_MS;
    for (const { name, manner } of this.#plan.groups) {
      const isAnswering = manner !== 'flaky' && manner !== 'dead';
      const withinMs = isAnswering ? ASKED_WITHIN_MS : TRIED_WITHIN_MS;
      for (const id of prepared.get(name) ?? []) {
        const lateMs = clock.now() - transactions.get(id)!.nextCheckAt!;
        if (wasAble && lateMs > withinMs) this.#wrong(`${id} of ${name} is due since ${lateMs} ms and was not asked`);
      }
    }
    if (this.#isHealed()) this.#tidyUp();
  }

  /** What waits for a person gets one. */
  #tidyUp(): void {
    for (const one of this.#disk.transactions.values()) {
      if (one.unresolved) void this.#people.decide(one.id);
      for (const message of one.messages) {
        if (message.state !== 'parked') continue;
        const isPoison = this.#disk.contents.get(one.id)![message.index]!.payload?.toString() === 'poison';
        void this.#people.settle(one.id, message, isPoison ? 'discard' : 'retry');
      }
    }
  }

  #open(): Transaction[] {
    return [...this.#disk.transactions.values()].filter(
      ({ state, messages }) => state === 'prepared' || messages.some(({ endedAt }) => endedAt === null),
    );
  }

  #isSettled(): boolean {
    const isOver =
      this.#isHealed() && this.#broker !== null && this.#people.told.size === this.#plan.transactions.length;
    return isOver && this.#open().length === 0;
  }

  #unsettled(): string {
    const open = this.#open().map(({ id, state, messages }) => `${id} ${state} ${messages.map(one => one.state)}`);
    return `forgotten: long after all is well again these are open: ${open.join(', ')}`;
  }

  #wrong(sentence: string): void {
    this.#anomalies.push(`seed ${this.#plan.seed}, after ${Math.round(this.#time.ms)} ms: ${sentence}`);
  }

  #note(line: string): void {
    for (const text of [line, String(this.#time.ms)]) {
      for (let i = 0; i < text.length; i++) this.#digest = Math.imul(this.#digest ^ text.charCodeAt(i), 0x01000193);
    }
  }
}

export const simulate = (plan: WorldPlan): Promise<Lived> => new World(plan).live();
