/**
 * The store on SQLite: one file, WAL, synchronous=FULL, one connection on the calling thread. Every method is
 * asynchronous by its seam only; the work is done before it returns.
 */
import Database from 'better-sqlite3';
import type { MessageContent, Transaction } from '../transaction/transaction.ts';
import { openDataFolder } from './data-folder.ts';
import { openDatabase } from './sqlite-database.ts';
import { listStep } from './sqlite-list.ts';
import {
  type ContentRow,
  groupToText,
  headersToText,
  type MessageRow,
  messageColumns,
  NO_PARTITION,
  POSITIONS,
  type TransactionRow,
  toContent,
  toGroup,
  toMessage,
  toTransaction,
  transactionColumns,
} from './sqlite-rows.ts';
import { prepareStatements, type Statements } from './sqlite-statements.ts';
import {
  type Changes,
  type Counters,
  type DueCheck,
  type HistoryEvent,
  type Lane,
  type ListFilter,
  type ListStep,
  type Loaded,
  type ProducerGroup,
  type ReadyMessage,
  StorageFullError,
  type Store,
  type Topic,
} from './store.ts';

/** Rows looked at in one step of a search for the oldest undecided or for ended transactions. */
const SEARCH_ROWS = 5_000;
/** Free pages given back in one step. */
const SHRINK_PAGES = 500;
/** Pages are given back when more than one in this many is free. */
const SHRINK_ABOVE = 4;

/** Opens (and where needed creates) the store in the folder. Throws DataFolderError with a sentence for people. */
export const openSqliteStore = ({ dataDir }: { dataDir: string }): Store => new SqliteStore(dataDir);

/** SQLite's word for a full disk → the store's. */
const tellingFull = (write: () => void): void => {
  try {
    write();
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_FULL') {
      throw new StorageFullError('there is no room on the disk for the data folder', { cause: error });
    }
    throw error;
  }
};

class SqliteStore implements Store {
  readonly #db: Database.Database;
  readonly #release: () => void;
  readonly #sql: Statements;
  readonly #groupIds = new Map<string, number>();
  readonly #groupNames = new Map<number, string>();
  readonly #topicIds = new Map<string, number>();
  readonly #topicNames = new Map<number, string>();
  readonly #counters: Map<string, number>;
  /** No undecided transaction lies before this sequence. */
  #undecidedFrom = 0;

  constructor(dataDir: string) {
    const folder = openDataFolder(dataDir);
    this.#release = folder.release;
    try {
      this.#db = openDatabase(folder.databaseFile);
    } catch (error) {
      folder.release();
      throw error;
    }
    this.#sql = prepareStatements(this.#db);
    this.#counters = new Map(this.#sql.counters.all() as [string, number][]);
    for (const row of this.#sql.groups.all() as { group_id: number; name: string }[])
      this.#knowGroup(row.group_id, row.name);
    for (const row of this.#sql.topics.all() as { topic_id: number; name: string }[])
      this.#knowTopic(row.topic_id, row.name);
  }

  async transact(transactionIds: Iterable<string>, decide: (loaded: Loaded) => Changes): Promise<void> {
    const transactions = new Map<string, Transaction>();
    for (const id of transactionIds) {
      const transaction = this.#load(id);
      if (transaction) transactions.set(id, transaction);
    }
    const changes = decide({ transactions, counters: this.#counters });
    tellingFull(() => this.#save(changes));
  }

  async groups(): Promise<ProducerGroup[]> {
    const rows = this.#sql.groups.all() as { name: string; settings: string }[];
    return rows.map(({ name, settings }) => toGroup(name, settings));
  }

  async topics(): Promise<Topic[]> {
    const rows = this.#sql.topics.all() as Topic[];
    return rows.map(({ name, partitions, barrier }) => ({ name, partitions, barrier }));
  }

  async counters(): Promise<Counters> {
    return new Map(this.#counters);
  }

  async transaction(id: string): Promise<Transaction | null> {
    return this.#load(id);
  }

  async contents(id: string): Promise<MessageContent[]> {
    const sequence = this.#sql.sequenceOf.get(id) as number | undefined;
    if (sequence === undefined) return [];
    const rows = this.#sql.contents.all(sequence * POSITIONS, (sequence + 1) * POSITIONS) as ContentRow[];
    return rows.map(toContent);
  }

  async history(id: string): Promise<HistoryEvent[]> {
    const sequence = this.#sql.sequenceOf.get(id) as number | undefined;
    return sequence === undefined ? [] : (this.#sql.history.all(sequence) as HistoryEvent[]);
  }

  async list(filter: ListFilter, limit: number, before: number | null): Promise<ListStep> {
    const groupId = filter.group === undefined ? null : (this.#groupIds.get(filter.group) ?? -1);
    const topicId = filter.topic === undefined ? null : (this.#topicIds.get(filter.topic) ?? -1);
    const { rows, next } = listStep(this.#db, this.#sql, { ...filter, groupId, topicId }, limit, before);
    return { transactions: rows.map(row => this.#complete(row)), next };
  }

  async lanes(): Promise<Lane[]> {
    return this.#laneKeys().map(([topicId, partition]) => ({
      topic: this.#topicNames.get(topicId)!,
      partition: partition === NO_PARTITION ? null : partition,
    }));
  }

  async readyMessages(
    lane: Lane,
    after: number,
    upTo: number,
    limit: number,
    maxBytes: number,
  ): Promise<ReadyMessage[]> {
    const topicId = this.#topicIds.get(lane.topic);
    if (topicId === undefined) return [];
    const found: ReadyMessage[] = [];
    let bytes = 0;
    const rows = this.#sql.readyMessages.iterate(topicId, lane.partition ?? NO_PARTITION, after, upTo, limit);
    for (const row of rows as IterableIterator<ReadyRow>) {
      bytes += (row.payload?.length ?? 0) + (row.key?.length ?? 0) + (row.headers?.length ?? 0);
      if (found.length > 0 && bytes > maxBytes) break;
      found.push({
        ...toContent(row),
        transactionId: row.id,
        group: this.#groupNames.get(row.group_id)!,
        index: row.position % POSITIONS,
        key: row.key,
        commitOrder: row.commit_order,
        resolvedAt: row.resolved_at,
        traceparent: row.traceparent,
        tracestate: row.tracestate,
      });
    }
    return found;
  }

  async oldestReady(): Promise<Map<string, number>> {
    const oldest = new Map<string, number>();
    for (const [topicId, partition] of this.#laneKeys()) {
      const topic = this.#topicNames.get(topicId)!;
      const at = this.#resolvedAt(this.#sql.laneHead.get(topicId, partition) as number);
      if (at !== null) oldest.set(topic, Math.min(at, oldest.get(topic) ?? at));
    }
    return oldest;
  }

  async oldest(): Promise<{ prepared: number | null; ready: number | null; parked: number | null }> {
    const ready = [...(await this.oldestReady()).values()];
    const parked = this.#sql.firstParked.get() as number | null;
    return {
      prepared: await this.#oldestUndecided(),
      ready: ready.length === 0 ? null : ready.reduce((a, b) => Math.min(a, b)),
      parked: parked === null ? null : this.#resolvedAt(parked),
    };
  }

  async dueChecks(group: string, now: number, limit: number): Promise<DueCheck[]> {
    const groupId = this.#groupIds.get(group);
    return groupId === undefined ? [] : (this.#sql.dueChecks.all(groupId, now, limit) as DueCheck[]);
  }

  async nextCheckAt(group: string): Promise<number | null> {
    const groupId = this.#groupIds.get(group);
    return groupId === undefined ? null : (this.#sql.nextCheckAt.get(groupId) as number | null);
  }

  async ended(before: number, after: number): Promise<{ ids: string[]; next: number | null }> {
    const rows = this.#sql.endedRows.all(after, SEARCH_ROWS) as [number, string, number, number | null][];
    const ids: string[] = [];
    for (const [, id, preparedAt, end] of rows) {
      // Rows lie in the order of arrival: behind one that arrived too late, none can have ended early enough.
      if (preparedAt >= before) return { ids, next: null };
      if (end !== null && end < before) ids.push(id);
    }
    return { ids, next: rows.length < SEARCH_ROWS ? null : rows.at(-1)![0] };
  }

  async shrink(): Promise<void> {
    const free = this.#db.pragma('freelist_count', { simple: true }) as number;
    const pages = this.#db.pragma('page_count', { simple: true }) as number;
    // A file that only breathes keeps its free pages: they are used again.
    if (free * SHRINK_ABOVE < pages) return;
    tellingFull(() => this.#db.pragma(`incremental_vacuum(${SHRINK_PAGES})`));
  }

  async close(): Promise<void> {
    this.#db.close();
    this.#release();
  }

  #knowGroup(id: number, name: string): void {
    this.#groupIds.set(name, id);
    this.#groupNames.set(id, name);
  }

  #knowTopic(id: number, name: string): void {
    this.#topicIds.set(name, id);
    this.#topicNames.set(id, name);
  }

  #load(id: string): Transaction | null {
    const row = this.#sql.transaction.get(id) as TransactionRow | undefined;
    return row === undefined ? null : this.#complete(row);
  }

  #complete(row: TransactionRow): Transaction {
    const rows = this.#sql.messages.all(row.sequence * POSITIONS, (row.sequence + 1) * POSITIONS) as MessageRow[];
    const messages = rows.map(message => toMessage(message, this.#topicNames.get(message.topic_id)!));
    return toTransaction(row, this.#groupNames.get(row.group_id)!, messages);
  }

  #laneKeys(): [topicId: number, partition: number][] {
    const keys: [number, number][] = [];
    let key = this.#sql.laneAfter.get(-1, NO_PARTITION) as [number, number] | undefined;
    while (key) {
      keys.push(key);
      key = this.#sql.laneAfter.get(...key) as [number, number] | undefined;
    }
    return keys;
  }

  #resolvedAt(position: number): number | null {
    return (this.#sql.resolvedAt.get(Math.floor(position / POSITIONS)) as number | null | undefined) ?? null;
  }

  async #oldestUndecided(): Promise<number | null> {
    for (;;) {
      const rows = this.#sql.rowsFrom.all(this.#undecidedFrom, SEARCH_ROWS) as [number, number, number][];
      const first = rows.find(([, state]) => state === 0);
      const last = rows.at(-1);
      if (first) this.#undecidedFrom = first[0];
      else if (last) this.#undecidedFrom = last[0] + 1;
      if (first || rows.length < SEARCH_ROWS) return first?.[2] ?? null;
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  #save(changes: Changes): void {
    const lists = [changes.inserted, changes.updated, changes.history, changes.groups, changes.topics, changes.purged];
    if (changes.counters.size === 0 && lists.every(list => list.length === 0)) return;
    this.#sql.begin.run();
    const named: (() => void)[] = [];
    try {
      for (const group of changes.groups) named.push(this.#saveGroup(group));
      for (const topic of changes.topics) named.push(this.#saveTopic(topic));
      for (const { transaction, contents } of changes.inserted) this.#insert(transaction, contents);
      for (const { before, after } of changes.updated) this.#update(before, after);
      for (const line of changes.history) this.#record(line);
      for (const { sequence } of changes.purged) this.#delete(sequence);
      for (const [name, value] of changes.counters) this.#sql.saveCounter.run(name, value);
      this.#sql.commit.run();
    } catch (error) {
      if (this.#db.inTransaction) this.#sql.rollback.run();
      for (const forget of named) forget();
      throw error;
    }
    for (const [name, value] of changes.counters) this.#counters.set(name, value);
  }

  /** Returns how to forget the id again, should the commit fail: it may then be given to another name. */
  #saveGroup(group: ProducerGroup): () => void {
    const isNew = !this.#groupIds.has(group.name);
    const { group_id: id } = this.#sql.saveGroup.get(group.name, groupToText(group)) as { group_id: number };
    this.#knowGroup(id, group.name);
    return () => {
      if (isNew && this.#groupIds.delete(group.name)) this.#groupNames.delete(id);
    };
  }

  #saveTopic({ name, partitions, barrier }: Topic): () => void {
    const isNew = !this.#topicIds.has(name);
    const { topic_id: id } = this.#sql.saveTopic.get(name, partitions, barrier) as { topic_id: number };
    this.#knowTopic(id, name);
    return () => {
      if (isNew && this.#topicIds.delete(name)) this.#topicNames.delete(id);
    };
  }

  #insert(transaction: Transaction, contents: readonly MessageContent[]): void {
    const { sequence, id, group, digest, preparedAt, traceparent, tracestate } = transaction;
    const [state, ...mutable] = transactionColumns(transaction);
    this.#sql.insertTransaction.run(
      sequence,
      id,
      this.#groupIds.get(group)!,
      state,
      digest,
      preparedAt,
      ...mutable,
      traceparent,
      tracestate,
    );
    for (const message of transaction.messages) {
      const position = sequence * POSITIONS + message.index;
      const { payload, headers, contentType, type } = contents[message.index]!;
      this.#sql.insertMessage.run(
        position,
        this.#topicIds.get(message.topic)!,
        message.key,
        ...messageColumns(message),
        message.payloadBytes,
      );
      this.#sql.insertContent.run(position, payload, headersToText(headers), contentType, type);
    }
  }

  #update(before: Transaction, after: Transaction): void {
    this.#sql.updateTransaction.run(...transactionColumns(after), after.sequence);
    for (const message of after.messages) {
      if (message === before.messages[message.index]) continue;
      this.#sql.updateMessage.run(...messageColumns(message), after.sequence * POSITIONS + message.index);
    }
  }

  #record({ sequence, fold, at, event, by, detail }: Changes['history'][number]): void {
    if (fold && this.#sql.foldHistory.run(at, sequence, event, by, detail).changes > 0) return;
    this.#sql.insertHistory.run(sequence, at, event, by, detail);
  }

  #delete(sequence: number): void {
    const range = [sequence * POSITIONS, (sequence + 1) * POSITIONS] as const;
    this.#sql.deleteTransaction.run(sequence);
    this.#sql.deleteMessages.run(...range);
    this.#sql.deleteContents.run(...range);
    this.#sql.deleteHistory.run(sequence);
  }
}

type ReadyRow = ContentRow & {
  position: number;
  key: Buffer | null;
  commit_order: number;
  id: string;
  group_id: number;
  resolved_at: number;
  traceparent: string | null;
  tracestate: string | null;
};
