/**
 * What one group commit has decided so far: the loaded records under the changes made to them. Commands of one commit
 * see each other's changes; nothing outside sees any before the commit is durable.
 */
import type { Act, ApiKey, Changes, Counters, GroupTopic, Loaded, ProducerGroup, Topic } from '../store/store.ts';
import type { Message, MessageContent, Transaction } from '../transaction/transaction.ts';

export interface HistoryLine {
  event: string;
  by: string;
  detail: string | null;
  /** Count it onto the same event instead of a new line: what can repeat for ever must not grow for ever. */
  fold?: boolean;
}

/** Who may do what, as of the last commit. */
interface Rights {
  readonly keys: ReadonlyMap<string, ApiKey>;
  /** Topics that each group has sent to. */
  readonly groupTopics: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Whether both have the same share in the counters, but for their messages. */
const countTheSame = (before: Transaction, after: Transaction): boolean =>
  before.state === after.state &&
  before.unresolved === after.unresolved &&
  before.contradicted === after.contradicted &&
  before.checkFailures > 0 === after.checkFailures > 0;

export class WorkingSet {
  readonly #loaded: Loaded;
  readonly #groups: ReadonlyMap<string, ProducerGroup>;
  readonly #topics: ReadonlyMap<string, Topic>;
  readonly #rights: Rights;
  readonly #groupTopics: GroupTopic[] = [];
  readonly #current = new Map<string, Transaction>();
  readonly #contents = new Map<string, readonly MessageContent[]>();
  readonly #ended = new Map<string, Transaction>();
  readonly #history: Changes['history'] = [];
  readonly #acts: Act[] = [];
  readonly #counters = new Map<string, number>();
  readonly changedGroups = new Map<string, ProducerGroup>();
  readonly changedTopics = new Map<string, Topic>();
  readonly changedKeys = new Map<string, ApiKey>();

  constructor(
    loaded: Loaded,
    groups: ReadonlyMap<string, ProducerGroup>,
    topics: ReadonlyMap<string, Topic>,
    rights: Rights = { keys: new Map(), groupTopics: new Map() },
  ) {
    this.#loaded = loaded;
    this.#groups = groups;
    this.#topics = topics;
    this.#rights = rights;
  }

  transaction(id: string): Transaction | undefined {
    return this.#current.get(id) ?? this.#loaded.transactions.get(id);
  }

  group(name: string): ProducerGroup | undefined {
    return this.changedGroups.get(name) ?? this.#groups.get(name);
  }

  topic(name: string): Topic | undefined {
    return this.changedTopics.get(name) ?? this.#topics.get(name);
  }

  key(prefix: string): ApiKey | undefined {
    return this.changedKeys.get(prefix) ?? this.#rights.keys.get(prefix);
  }

  keys(): Iterable<ApiKey> {
    return new Map([...this.#rights.keys, ...this.changedKeys]).values();
  }

  /** The group sends to the topic. */
  use(group: string, topic: string): void {
    if (!this.#rights.groupTopics.get(group)?.has(topic)) this.#groupTopics.push({ group, topic });
  }

  insert(transaction: Transaction, contents: readonly MessageContent[]): void {
    this.#contents.set(transaction.id, contents);
    this.#current.set(transaction.id, transaction);
    this.#count(transaction, 1);
    for (const message of transaction.messages) this.#countMessage(message, 1);
    this.#add('accepted', transaction.messages.length);
  }

  update(after: Transaction): void {
    const before = this.transaction(after.id);
    if (before === undefined) throw new Error(`update of ${after.id}, which was not loaded`);
    if (!countTheSame(before, after)) {
      this.#count(before, -1);
      this.#count(after, 1);
    }
    for (const message of after.messages) {
      const earlier = before.messages[message.index]!;
      if (message === earlier || message.state === earlier.state) continue;
      this.#countMessage(earlier, -1);
      this.#countMessage(message, 1);
    }
    this.#current.set(after.id, after);
  }

  /** It is removed with this commit, unless another command of the commit changes it: then it stays for the next round. */
  purge(transaction: Transaction): void {
    this.#ended.set(transaction.id, transaction);
  }

  record(transaction: Transaction, at: number, { event, by, detail, fold = false }: HistoryLine): void {
    const { id: transactionId, sequence } = transaction;
    this.#history.push({ transactionId, sequence, fold, at, event, by, detail });
  }

  /** An operator did something that had an effect. */
  act(act: Act): void {
    this.#acts.push(act);
    if (act.act === 'backup') this.#counters.set('lastBackupAt', act.at);
  }

  /** The next number of a series: unique, rising, never given out again. */
  next(series: 'sequence' | 'commitOrder'): number {
    return this.#add(series, 1);
  }

  /** The last number of the series given out so far. */
  last(series: 'sequence' | 'commitOrder'): number {
    return this.#counter(series);
  }

  /** Everything decided, for the store. Called once. */
  changes(): Changes {
    const purged = [...this.#ended.values()].filter(({ id }) => !this.#current.has(id));
    for (const transaction of purged) {
      this.#count(transaction, -1);
      for (const message of transaction.messages) this.#countMessage(message, -1);
      this.#add('purged', transaction.messages.length);
    }
    const changes: Changes = {
      inserted: [],
      updated: [],
      history: this.#history,
      groups: [...this.changedGroups.values()],
      topics: [...this.changedTopics.values()],
      groupTopics: this.#groupTopics,
      keys: [...this.changedKeys.values()],
      acts: this.#acts,
      counters: new Map(
        [...this.#counters].filter(([name, value]) => value !== (this.#loaded.counters.get(name) ?? 0)),
      ),
      purged,
    };
    for (const [id, transaction] of this.#current) {
      const contents = this.#contents.get(id);
      if (contents !== undefined) changes.inserted.push({ transaction, contents });
      else changes.updated.push({ before: this.#loaded.transactions.get(id)!, after: transaction });
    }
    return changes;
  }

  /** Which groups sent to which topics for the first time. */
  get newGroupTopics(): readonly GroupTopic[] {
    return this.#groupTopics;
  }

  /** The counters as they are once the changes are durable. */
  countersAfter(): Counters {
    return new Map([...this.#loaded.counters, ...this.#counters]);
  }

  /** Every transaction that was inserted or changed. */
  *touched(): Iterable<{ before: Transaction | undefined; after: Transaction }> {
    for (const [id, after] of this.#current) yield { before: this.#loaded.transactions.get(id), after };
  }

  /** A transaction's share in the counters, but for its messages. */
  #count({ state, unresolved, contradicted, checkFailures, group }: Transaction, sign: 1 | -1): void {
    this.#add(`transactions.${state}`, sign);
    if (unresolved) {
      this.#add('unresolved', sign);
      this.#add(`unresolved:${group}`, sign);
    }
    if (contradicted) this.#add('contradicted', sign);
    if (state === 'prepared' && checkFailures > 0) this.#add(`overdue:${group}`, sign);
  }

  #countMessage({ state, topic }: Message, sign: 1 | -1): void {
    this.#add(`messages.${state}`, sign);
    if (state === 'ready' || state === 'parked') this.#add(`${state}:${topic}`, sign);
  }

  #counter(name: string): number {
    return this.#counters.get(name) ?? this.#loaded.counters.get(name) ?? 0;
  }

  #add(name: string, amount: number): number {
    const value = this.#counter(name) + amount;
    this.#counters.set(name, value);
    return value;
  }
}
