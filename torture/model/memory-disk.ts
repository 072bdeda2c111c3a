/**
 * A disk that forgets what was not flushed, and the store on it. A commit takes effect when its flush ends; where the
 * power is cut before, the disk may have it or not. What is read is what is durable.
 */
import {
  type Act,
  type ActFilter,
  type AlikeCount,
  type ApiKey,
  type Changes,
  type Counters,
  type DueCheck,
  type GroupTopic,
  type HistoryEvent,
  type Lane,
  type ListedTransaction,
  type ListFilter,
  type ListStep,
  type Loaded,
  type ParkedFilter,
  type ParkedMessage,
  type ProducerGroup,
  type ReadyMessage,
  type Space,
  StorageFullError,
  type Store,
  type StoredAct,
  type Topic,
} from '../../broker/store/store.ts';
import {
  endedAt,
  type Message,
  type MessageContent,
  type MessageState,
  type Transaction,
} from '../../broker/transaction/transaction.ts';

/** What is durable. Transactions by id, in the order in which they arrived. */
export class MemoryDisk {
  readonly transactions = new Map<string, Transaction>();
  readonly contents = new Map<string, readonly MessageContent[]>();
  readonly history = new Map<string, HistoryEvent[]>();
  readonly groups = new Map<string, ProducerGroup>();
  readonly topics = new Map<string, Topic>();
  readonly groupTopics: GroupTopic[] = [];
  readonly keys = new Map<string, ApiKey>();
  readonly acts: Act[] = [];
  readonly counters = new Map<string, number>();
  /** Ids of transactions whose messages are not all at their end, by group or topic: what would be an index. */
  readonly prepared = new Map<string, Set<string>>();
  readonly committed = new Set<string>();

  apply(changes: Changes): void {
    for (const group of changes.groups) this.groups.set(group.name, group);
    for (const topic of changes.topics) this.topics.set(topic.name, topic);
    this.groupTopics.push(...changes.groupTopics);
    for (const key of changes.keys) this.keys.set(key.prefix, key);
    for (const { transaction, contents } of changes.inserted) {
      if (this.transactions.has(transaction.id)) throw new Error(`the id ${transaction.id} is there already`);
      const only = contents.map(({ payload, headers, contentType, type }) => ({ payload, headers, contentType, type }));
      this.contents.set(transaction.id, only);
      this.#put(transaction);
    }
    for (const { after } of changes.updated) this.#put(after);
    for (const line of changes.history) this.#record(line);
    this.acts.push(...changes.acts);
    for (const { id } of changes.purged) {
      for (const kept of [this.transactions, this.contents, this.history, this.committed]) kept.delete(id);
    }
    for (const [name, value] of changes.counters) this.counters.set(name, value);
  }

  #put(transaction: Transaction): void {
    const { id, group, nextCheckAt, state } = transaction;
    this.transactions.set(id, transaction);
    const prepared = this.prepared.get(group) ?? new Set();
    this.prepared.set(group, prepared);
    if (nextCheckAt === null) prepared.delete(id);
    else prepared.add(id);
    if (state !== 'committed') return;
    if (endedAt(transaction) === null) this.committed.add(id);
    else this.committed.delete(id);
  }

  #record({ transactionId, fold, at, event, by, detail }: Changes['history'][number]): void {
    const lines = this.history.get(transactionId) ?? [];
    this.history.set(transactionId, lines);
    const same = fold
      ? lines.findIndex(one => one.event === event && one.by === by && one.detail === detail)
      : lines.length;
    const before = lines[same];
    if (before === undefined) lines.push({ at, event, by, detail, times: 1 });
    else lines[same] = { ...before, at, times: before.times + 1 };
  }
}

/** How the disk behaves. */
export interface Flushes {
  /** Resolves when what was written is durable; never where the power was cut before. */
  flush(commit: () => void): Promise<void>;
  readonly isFull: boolean;
}

/** Between the places of two transactions' first messages. */
const MESSAGE_PLACES = 128;

const AT_ONCE: Flushes = { flush: async commit => commit(), isFull: false };

const bytesOf = (key: Buffer | null, { payload, headers }: MessageContent): number =>
  headers.reduce((sum, [name, value]) => sum + name.length + value.length, (payload?.length ?? 0) + (key?.length ?? 0));

const least = (numbers: Iterable<number>): number | null => {
  let found: number | null = null;
  for (const one of numbers) if (found === null || one < found) found = one;
  return found;
};

export class MemoryStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #flushes: Flushes;

  constructor(disk: MemoryDisk, flushes: Flushes = AT_ONCE) {
    this.#disk = disk;
    this.#flushes = flushes;
  }

  async transact(transactionIds: Iterable<string>, decide: (loaded: Loaded) => Changes): Promise<void> {
    const { transactions: all, counters } = this.#disk;
    const transactions = new Map<string, Transaction>();
    for (const id of transactionIds) {
      const found = all.get(id);
      if (found) transactions.set(id, found);
    }
    const changes = decide({ transactions, counters: new Map(counters) });
    if (this.#flushes.isFull) throw new StorageFullError('there is no room on the disk');
    await this.#flushes.flush(() => this.#disk.apply(changes));
  }

  groups = async (): Promise<ProducerGroup[]> => [...this.#disk.groups.values()];
  topics = async (): Promise<Topic[]> => [...this.#disk.topics.values()];
  groupTopics = async (): Promise<GroupTopic[]> => [...this.#disk.groupTopics];
  keys = async (): Promise<ApiKey[]> => [...this.#disk.keys.values()];
  counters = async (): Promise<Counters> => new Map(this.#disk.counters);
  transaction = async (id: string): Promise<Transaction | null> => this.#disk.transactions.get(id) ?? null;
  contents = async (id: string): Promise<MessageContent[]> => [...(this.#disk.contents.get(id) ?? [])];
  history = async (id: string): Promise<HistoryEvent[]> => [...(this.#disk.history.get(id) ?? [])];

  async list(filter: ListFilter, limit: number, before: number | null): Promise<ListStep<ListedTransaction>> {
    const found: ListedTransaction[] = [];
    for (const one of [...this.#disk.transactions.values()].sort((a, b) => b.sequence - a.sequence)) {
      if (one.sequence >= (before ?? Number.POSITIVE_INFINITY) || !isWanted(one, filter)) continue;
      if (found.length === limit) return { items: found, next: found.at(-1)!.sequence };
      found.push({ ...one, parked: one.messages.filter(({ state }) => state === 'parked').length });
    }
    return { items: found, next: null };
  }

  async parkedMessages(
    { topic, group, lastError }: ParkedFilter,
    limit: number,
    before: number | null,
  ): Promise<ListStep<ParkedMessage>> {
    const found = [...this.#messages('parked')]
      .map(([one, message]) => ({ one, message, place: one.sequence * MESSAGE_PLACES + message.index }))
      .filter(
        ({ one, message, place }) =>
          place < (before ?? Number.POSITIVE_INFINITY) &&
          given(topic, message.topic) &&
          given(group, one.group) &&
          given(lastError, message.lastError),
      )
      .sort((a, b) => b.place - a.place);
    const items = found.slice(0, limit).map(({ one, message }) => ({
      ...message,
      transactionId: one.id,
      group: one.group,
      committedAt: one.resolvedAt!,
    }));
    return { items, next: found.length > limit ? found[limit - 1]!.place : null };
  }

  async alike(what: 'unresolved' | 'parked'): Promise<ListStep<AlikeCount>> {
    const all =
      what === 'parked'
        ? [...this.#messages('parked')].map(([{ resolvedAt }, { topic: name, lastError }]) => ({
            name,
            lastError,
            at: resolvedAt!,
          }))
        : [...this.#disk.transactions.values()]
            .filter(({ unresolved }) => unresolved)
            .map(({ group: name, lastCheckError: lastError, preparedAt: at }) => ({ name, lastError, at }));
    const same = Map.groupBy(all, ({ name, lastError }) => JSON.stringify([name, lastError]));
    const items = [...same.values()].map(of => {
      const { name, lastError } = of[0]!;
      return { name, lastError, count: of.length, oldestAt: least(of.map(({ at }) => at))! };
    });
    return { items, next: null };
  }

  async acts(filter: ActFilter, limit: number, before: number | null): Promise<ListStep<StoredAct>> {
    const { since = 0, until = Number.POSITIVE_INFINITY, ...texts } = filter;
    const isWanted = (act: StoredAct): boolean =>
      act.id < (before ?? Number.POSITIVE_INFINITY) &&
      since <= act.at &&
      act.at < until &&
      Object.entries(texts).every(([name, text]) => act[name as keyof typeof texts] === text);
    const all = this.#disk.acts.map((act, i) => ({ ...act, id: i + 1 })).filter(isWanted);
    const items = all.reverse().slice(0, limit);
    return { items, next: all.length > limit ? items.at(-1)!.id : null };
  }

  async lanes(): Promise<Lane[]> {
    const lanes = new Map<string, Lane>();
    for (const [, { topic, partition }] of this.#messages('ready')) {
      lanes.set(`${partition}/${topic}`, { topic, partition });
    }
    return [...lanes.values()];
  }

  async readyMessages(
    lane: Lane,
    after: number,
    upTo: number,
    limit: number,
    maxBytes: number,
  ): Promise<ReadyMessage[]> {
    const rows = [...this.#messages('ready')].filter(
      ([, { topic, partition, commitOrder: place }]) =>
        topic === lane.topic && partition === lane.partition && place! > after && place! <= upTo,
    );
    const found: ReadyMessage[] = [];
    let bytes = 0;
    for (const [one, message] of rows.sort(([, a], [, b]) => a.commitOrder! - b.commitOrder!)) {
      const content = this.#disk.contents.get(one.id)![message.index]!;
      bytes += bytesOf(message.key, content);
      if (found.length === limit || (found.length > 0 && bytes > maxBytes)) break;
      const { index, key, commitOrder } = message;
      const { id: transactionId, group, resolvedAt, traceparent, tracestate } = one;
      found.push({
        ...content,
        ...{ transactionId, group, index, key, traceparent, tracestate },
        commitOrder: commitOrder!,
        resolvedAt: resolvedAt!,
      });
    }
    return found;
  }

  async oldestReady(): Promise<Map<string, number>> {
    const oldest = new Map<string, number>();
    const firsts = new Map<string, readonly [Transaction, Message]>();
    for (const row of this.#messages('ready')) {
      const lane = `${row[1].partition}/${row[1].topic}`;
      const first = firsts.get(lane);
      if (!first || row[1].commitOrder! < first[1].commitOrder!) firsts.set(lane, row);
    }
    for (const [one, { topic }] of firsts.values()) {
      oldest.set(topic, Math.min(one.resolvedAt!, oldest.get(topic) ?? one.resolvedAt!));
    }
    return oldest;
  }

  async oldest(): Promise<{ prepared: number | null; ready: number | null; parked: number | null }> {
    const [first] = [...this.#disk.transactions.values()].filter(({ state }) => state === 'prepared');
    const [parked] = this.#messages('parked');
    const ready = least((await this.oldestReady()).values());
    return { prepared: first?.preparedAt ?? null, ready, parked: parked?.[0].resolvedAt ?? null };
  }

  async dueChecks(group: string, now: number, limit: number): Promise<DueCheck[]> {
    const due: DueCheck[] = [];
    for (const id of this.#disk.prepared.get(group) ?? []) {
      const one = this.#disk.transactions.get(id)!;
      const { preparedAt, checkAttempts, checkFailures, nextCheckAt, traceparent, tracestate } = one;
      if (nextCheckAt! > now) continue;
      const check = { transactionId: id, preparedAt, checkAttempts, checkFailures, traceparent, tracestate };
      due.push({ ...check, nextCheckAt: nextCheckAt! });
    }
    return due.sort((a, b) => a.nextCheckAt - b.nextCheckAt).slice(0, limit);
  }

  async nextCheckAt(group: string): Promise<number | null> {
    return least([...(this.#disk.prepared.get(group) ?? [])].map(id => this.#disk.transactions.get(id)!.nextCheckAt!));
  }

  async ended(before: number, after: number): Promise<{ ids: string[]; next: number | null }> {
    const ids: string[] = [];
    for (const one of this.#disk.transactions.values()) {
      if (one.sequence > after && (endedAt(one) ?? Number.POSITIVE_INFINITY) < before) ids.push(one.id);
    }
    return { ids, next: null };
  }

  space = async (): Promise<Space> => ({ freeBytes: 0, reserveBytes: 0, databaseBytes: 0, walBytes: 0 });
  async shrink(): Promise<void> {}
  async close(): Promise<void> {}

  *#messages(state: 'ready' | 'parked'): Iterable<readonly [Transaction, Message]> {
    for (const id of this.#disk.committed) {
      const one = this.#disk.transactions.get(id)!;
      for (const message of one.messages) if (message.state === state) yield [one, message];
    }
  }
}

const given = <T>(wanted: T | undefined, is: T): boolean => wanted === undefined || wanted === is;

const isWanted = (one: Transaction, filter: ListFilter): boolean => {
  const has = (state: MessageState): boolean => one.messages.some(message => message.state === state);
  return (
    given(filter.state, one.state) &&
    given(filter.unresolved, one.unresolved) &&
    given(filter.contradicted, one.contradicted) &&
    given(filter.parked, has('parked')) &&
    given(filter.discarded, has('discarded')) &&
    given(filter.group, one.group) &&
    given(filter.lastError, one.lastCheckError) &&
    (filter.since ?? 0) <= one.preparedAt &&
    one.preparedAt < (filter.until ?? Number.POSITIVE_INFINITY) &&
    one.messages.some(
      ({ topic, key }) =>
        given(filter.topic, topic) && (filter.key === undefined || (key !== null && filter.key.equals(key))),
    )
  );
};
