/**
 * The only writer of state. Commands that wait at the same moment share one durable commit (group commit): whatever
 * arrives in one turn of the event loop, or while the last commit was under way, goes into the next one. A command's
 * outcome is given only after the commit that holds it.
 */
import type { Clock } from '../clock.ts';
import type { ApiKey, Counters, GroupTopic, ProducerGroup, Store, Topic } from '../store/store.ts';
import { StorageFullError } from '../store/store.ts';
import { parseMessageId } from '../transaction/transaction.ts';
import type { Command, Outcome } from './commands.ts';
import { decide } from './decisions.ts';
import { type Batch, type Load, type Submission, WaitingLine } from './waiting-line.ts';
import { WorkingSet } from './working-set.ts';

/** How long commands that are in no hurry wait for each other, and how many do: what many touch is written once. */
const LAZY_MS = 20;
const MAX_LAZY = 500;
/** How long a full disk is told after it was met. Not longer: only new commands can find out that there is room again. */
const STORAGE_FULL_MS = 5_000;

export interface CoordinatorSettings {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: () => number;
  /** Only the reserve of the disk is left: nothing new is to begin. Default: never. */
  readonly isNearlyFull?: () => boolean;
  /** A lane got a ready message; called after the commit that holds it. */
  readonly onReady?: (topic: string, partition: number | null) => void;
  /** A check of the group was planned for `at` (ms since 1970); called after the commit. */
  readonly onCheckPlanned?: (group: string, at: number) => void;
  /** One commit is durable: how many commands it held, how long it took. */
  readonly onCommit?: (commands: number, tookMs: number) => void;
  /** A resolution was decided, or a resolution contradicted the standing one. */
  readonly onResolution?: (kind: 'committed' | 'rolled_back' | 'contradicted', by: string) => void;
  /** The store failed in a way that cannot be survived. The process must stop. */
  readonly onFatal: (error: Error) => void;
}

/** The transaction a command needs loaded, if it is about one. */
const transactionOf = (command: Command): string | null => {
  switch (command.type) {
    case 'prepare':
    case 'resolve':
    case 'ask':
    case 'answer':
    case 'purge':
      return command.id;
    case 'retry':
    case 'discard':
      return parseMessageId(command.messageId)?.transactionId ?? null;
    case 'forwarded':
    case 'park':
    case 'assign':
      return command.transactionId;
    default:
      return null;
  }
};

export class Coordinator {
  readonly #settings: CoordinatorSettings;
  readonly #groups: Map<string, ProducerGroup>;
  readonly #topics: Map<string, Topic>;
  readonly #groupTopics = new Map<string, Set<string>>();
  readonly #keys: Map<string, ApiKey>;
  #counters: Counters;
  readonly #line = new WaitingLine();
  /** In no hurry. */
  #lazy: Submission[] = [];
  #lazyCommands = 0;
  #flushing = false;
  #scheduled = false;
  #lazyTimer: NodeJS.Timeout | null = null;
  #failed: Error | null = null;
  /** On the monotonic clock. */
  #storageFullAt = Number.NEGATIVE_INFINITY;
  #idle: (() => void)[] = [];

  private constructor(
    settings: CoordinatorSettings,
    stored: { groups: ProducerGroup[]; topics: Topic[]; groupTopics: GroupTopic[]; keys: ApiKey[]; counters: Counters },
  ) {
    this.#settings = settings;
    this.#groups = new Map(stored.groups.map(group => [group.name, group]));
    this.#topics = new Map(stored.topics.map(topic => [topic.name, topic]));
    for (const one of stored.groupTopics) this.#know(one);
    this.#keys = new Map(stored.keys.map(key => [key.prefix, key]));
    this.#counters = stored.counters;
  }

  static async open(settings: CoordinatorSettings): Promise<Coordinator> {
    const { store } = settings;
    return new Coordinator(settings, {
      groups: await store.groups(),
      topics: await store.topics(),
      groupTopics: await store.groupTopics(),
      keys: await store.keys(),
      counters: await store.counters(),
    });
  }

  /** As of the last durable commit. */
  group(name: string): ProducerGroup | undefined {
    return this.#groups.get(name);
  }

  groups(): IterableIterator<ProducerGroup> {
    return this.#groups.values();
  }

  topic(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  topics(): IterableIterator<Topic> {
    return this.#topics.values();
  }

  /** Whether the group has ever sent to the topic. */
  hasSentTo(group: string, topic: string): boolean {
    return this.#groupTopics.get(group)?.has(topic) ?? false;
  }

  key(prefix: string): ApiKey | undefined {
    return this.#keys.get(prefix);
  }

  /** All that were ever made, also those that are over. */
  keys(): ReadonlyMap<string, ApiKey> {
    return this.#keys;
  }

  counters(): Counters {
    return this.#counters;
  }

  /** What waits for its commit. */
  get waiting(): Readonly<Load> {
    return this.#line.load;
  }

  /** What the group wants to begin. */
  waitingOf(group: string): Readonly<Load> {
    return this.#line.loadOf(group);
  }

  /** A commit found no room on the disk a moment ago, and none has succeeded since. */
  get isStorageFull(): boolean {
    return this.#settings.clock.monotonic() - this.#storageFullAt < STORAGE_FULL_MS;
  }

  /** Only the reserve of the disk is left: new transactions are refused, everything else is carried out. */
  get isNearlyFull(): boolean {
    return this.#settings.isNearlyFull?.() ?? false;
  }

  /**
   * Carries out the commands in the order given and resolves with one outcome each, when all of them are durable.
   * Rejects with StorageFullError (nothing of them was carried out, or only some: repeat all) or, when the store has
   * failed, with that error. `group`: whose new transactions are among them; such wait for the group's turn, all others
   * go first.
   */
  async submit(commands: readonly Command[], group: string | null = null): Promise<Outcome[]> {
    if (commands.length === 0) return [];
    const outcomes = this.#enqueue(commands, submission => this.#line.add(submission, group));
    this.#schedule();
    return outcomes;
  }

  /** As `submit`, for commands in no hurry: they join a commit after 20 ms, or as soon as 500 of them wait. */
  async submitLazily(commands: readonly Command[]): Promise<Outcome[]> {
    if (commands.length === 0) return [];
    const outcomes = this.#enqueue(commands, submission => this.#lazy.push(submission));
    this.#lazyCommands += commands.length;
    if (this.#lazyCommands >= MAX_LAZY) this.#hurry();
    else this.#lazyTimer ??= setTimeout(() => this.#hurry(), LAZY_MS);
    return outcomes;
  }

  /** Resolves when nothing waits and nothing is under way. */
  async drain(): Promise<void> {
    if (this.#line.load.commands === 0 && this.#lazy.length === 0 && !this.#flushing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle.push(resolve);
    this.#hurry();
    return promise;
  }

  #enqueue(commands: readonly Command[], add: (submission: Submission) => void): Promise<Outcome[]> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((settle, fail) => add({ commands, outcomes: [], taken: 0, isFailed: false, settle, fail }));
  }

  /** What is in no hurry goes into the next commit. */
  #hurry(): void {
    if (this.#lazyTimer) clearTimeout(this.#lazyTimer);
    this.#lazyTimer = null;
    this.#lazyCommands = 0;
    for (const submission of this.#lazy.splice(0)) this.#line.add(submission, null);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    while (this.#line.load.commands > 0 && !this.#failed) {
      const batch = this.#line.take();
      if (batch.commands.length > 0) await this.#commit(batch);
      // Let the requests that came in meanwhile join the next commit, and everybody else have a turn.
      if (this.#line.load.commands > 0) await new Promise(resolve => setImmediate(resolve));
    }
    this.#flushing = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #commit({ commands, from }: Batch): Promise<void> {
    const started = this.#settings.clock.monotonic();
    const ids = new Set<string>();
    for (const command of commands) {
      const id = transactionOf(command);
      if (id !== null) ids.add(id);
    }
    const outcomes: Outcome[] = [];
    let set: WorkingSet | undefined;
    try {
      await this.#settings.store.transact(ids, loaded => {
        const rights = { keys: this.#keys, groupTopics: this.#groupTopics };
        set = new WorkingSet(loaded, this.#groups, this.#topics, rights);
        const { clock, random } = this.#settings;
        const moment = { now: clock.now(), random, isNearlyFull: this.isNearlyFull };
        for (const command of commands) outcomes.push(decide(set, command, moment));
        return set.changes();
      });
    } catch (error) {
      this.#refuse(from, error as Error);
      return;
    }
    this.#storageFullAt = Number.NEGATIVE_INFINITY;
    this.#settings.onCommit?.(commands.length, this.#settings.clock.monotonic() - started);
    this.#adopt(set!);
    for (const [i, command] of commands.entries()) {
      this.#announce(command, outcomes[i]!);
      const submission = from[i]!;
      submission.outcomes.push(outcomes[i]!);
      if (submission.outcomes.length === submission.commands.length) submission.settle(submission.outcomes);
    }
  }

  /** A full disk refuses whoever had a command in this commit; anything else ends the acknowledging for good. */
  #refuse(from: readonly Submission[], error: Error): void {
    const refused = new Set(from);
    if (error instanceof StorageFullError) {
      this.#storageFullAt = this.#settings.clock.monotonic();
    } else {
      this.#failed = error;
      for (const submission of [...this.#line.clear(), ...this.#lazy.splice(0)]) refused.add(submission);
      this.#settings.onFatal(error);
    }
    for (const submission of refused) {
      submission.isFailed = true;
      submission.fail(error);
    }
  }

  /** The commit is durable: take its changes over into memory and wake whom they concern. */
  #adopt(set: WorkingSet): void {
    this.#counters = set.countersAfter();
    for (const [name, group] of set.changedGroups) this.#groups.set(name, group);
    for (const [name, topic] of set.changedTopics) this.#topics.set(name, topic);
    for (const [prefix, key] of set.changedKeys) this.#keys.set(prefix, key);
    for (const one of set.newGroupTopics) this.#know(one);
    const { onReady, onCheckPlanned } = this.#settings;
    for (const { after, before } of set.touched()) {
      if (after.nextCheckAt !== null && after.nextCheckAt !== before?.nextCheckAt) {
        onCheckPlanned?.(after.group, after.nextCheckAt);
      }
      if (after.state !== 'committed') continue;
      for (const message of after.messages) {
        if (message.state === 'ready' && message !== before?.messages[message.index]) {
          onReady?.(message.topic, message.partition);
        }
      }
    }
  }

  #know({ group, topic }: GroupTopic): void {
    const known = this.#groupTopics.get(group);
    if (known) known.add(topic);
    else this.#groupTopics.set(group, new Set([topic]));
  }

  #announce(command: Command, outcome: Outcome): void {
    const { onResolution } = this.#settings;
    if (!onResolution || (command.type !== 'resolve' && command.type !== 'answer')) return;
    const by = command.type === 'answer' ? 'check' : command.by;
    if (outcome.kind === 'refused') {
      if (outcome.refused.state) onResolution('contradicted', by);
    } else if (outcome.changed && outcome.transaction && outcome.transaction.state !== 'prepared') {
      onResolution(outcome.transaction.state, outcome.transaction.resolvedBy!);
    }
  }
}
