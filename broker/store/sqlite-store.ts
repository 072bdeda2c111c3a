/**
 * The store on SQLite: one file, WAL, synchronous=FULL, one connection on the calling thread. Every method is
 * asynchronous by its seam only; the work is done before it returns.
 */
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { MessageContent, Transaction } from '../transaction/transaction.ts';
import { Checkpointer } from './checkpointer.ts';
import { openDataFolder } from './data-folder.ts';
import { DiskRoom } from './disk-room.ts';
import { Recent } from './recent.ts';
import { actStep } from './sqlite-acts.ts';
import { alikeStep, parkedStep } from './sqlite-attention.ts';
import { openDatabase } from './sqlite-database.ts';
import { listStep } from './sqlite-list.ts';
import { SqliteNames } from './sqlite-names.ts';
import { SqliteOldest } from './sqlite-oldest.ts';
import {
  type ContentRow,
  type KeyRow,
  type MessageRow,
  NO_PARTITION,
  POSITIONS,
  type TransactionRow,
  toContent,
  toGroup,
  toKey,
  toListed,
  toMessage,
  toTransaction,
} from './sqlite-rows.ts';
import { prepareStatements, type Statements } from './sqlite-statements.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import {
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
} from './store.ts';
import { StoreCopies } from './store-copies.ts';

/** Rows looked at in one step of a search for ended transactions. */
const SEARCH_ROWS = 5_000;
/** Free pages given back in one step. */
const SHRINK_PAGES = 500;
/** Pages are given back when more than one in this many is free. */
const SHRINK_ABOVE = 4;

/** What need not be read back, see recent.ts. */
const RECENT_BYTES = 16 * 1024 * 1024;

export interface SqliteStoreSettings {
  readonly dataDir: string;
  /** Of what was written last and is not at its end, so much stays in memory. */
  readonly recentBytes?: number;
  /** See disk-room.ts; default: no reserve. */
  readonly reserveBytes?: number;
}

/** Opens (and where needed creates) the store in the folder. Throws DataFolderError with a sentence for people. */
export const openSqliteStore = (settings: SqliteStoreSettings): SqliteStore => new SqliteStore(settings);

/** SQLite's word for a full disk → the store's. */
const tellingFull = <T>(write: () => T): T => {
  try {
    return write();
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_FULL') {
      throw new StorageFullError('there is no room on the disk for the data folder', { cause: error });
    }
    throw error;
  }
};

export class SqliteStore implements Store {
  readonly #db: Database.Database;
  readonly #release: () => void;
  readonly #file: string;
  readonly #sql: Statements;
  readonly #writer: SqliteWriter;
  readonly #groups = new SqliteNames();
  readonly #topics = new SqliteNames();
  readonly #counters: Map<string, number>;
  readonly #room: DiskRoom;
  readonly #checkpointer: Checkpointer;
  readonly copies: StoreCopies;
  readonly #recent: Recent;
  readonly #oldest: SqliteOldest;

  constructor({ dataDir, recentBytes = RECENT_BYTES, reserveBytes = 0 }: SqliteStoreSettings) {
    const folder = openDataFolder(dataDir);
    this.#release = folder.release;
    this.#file = folder.databaseFile;
    try {
      this.#db = openDatabase(folder.databaseFile);
    } catch (error) {
      folder.release();
      throw error;
    }
    this.#sql = prepareStatements(this.#db);
    this.#writer = new SqliteWriter(this.#sql, this.#groups, this.#topics);
    this.#checkpointer = new Checkpointer(this.#db, folder.databaseFile);
    this.#room = new DiskRoom(folder.path, reserveBytes);
    if (reserveBytes > 0) this.#checkpointer.watch(this.#room);
    this.copies = new StoreCopies(folder.path, folder.databaseFile, this.#room, () => this.#bytes());
    this.#counters = new Map(this.#sql.counters.all() as [string, number][]);
    this.#oldest = new SqliteOldest(this.#sql, this.#topics, this.#counters);
    const isReady = (this.#counters.get('messages.ready') ?? 0) > 0;
    this.#recent = new Recent(isReady ? (this.#counters.get('commitOrder') ?? 0) : 0, recentBytes);
    for (const row of this.#sql.groups.all() as { group_id: number; name: string }[])
      this.#groups.know(row.group_id, row.name);
    for (const row of this.#sql.topics.all() as { topic_id: number; name: string }[])
      this.#topics.know(row.topic_id, row.name);
  }

  async transact(transactionIds: Iterable<string>, decide: (loaded: Loaded) => Changes): Promise<void> {
    try {
      const changes = tellingFull(() => this.#inTransaction(() => decide(this.#loaded(transactionIds))));
      this.#recent.adopt(changes);
    } catch (error) {
      if (error instanceof StorageFullError) this.#checkpointer.refused();
      throw error;
    }
    this.#checkpointer.committed();
  }

  /** Only the reserve of the disk is left. */
  get isNearlyFull(): boolean {
    return this.#room.isShort;
  }

  async groups(): Promise<ProducerGroup[]> {
    const rows = this.#sql.groups.all() as { name: string; settings: string }[];
    return rows.map(({ name, settings }) => toGroup(name, settings));
  }

  async topics(): Promise<Topic[]> {
    const rows = this.#sql.topics.all() as Topic[];
    return rows.map(({ name, partitions, barrier }) => ({ name, partitions, barrier }));
  }

  async groupTopics(): Promise<GroupTopic[]> {
    const rows = this.#sql.groupTopics.all() as [number, number][];
    return rows.map(([group, topic]) => ({ group: this.#groups.nameOf(group), topic: this.#topics.nameOf(topic) }));
  }

  async keys(): Promise<ApiKey[]> {
    return (this.#sql.keys.all() as KeyRow[]).map(toKey);
  }

  async counters(): Promise<Counters> {
    return new Map(this.#counters);
  }

  async transaction(id: string): Promise<Transaction | null> {
    return this.#recent.transaction(id) ?? this.#load(id);
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

  async list(filter: ListFilter, limit: number, before: number | null): Promise<ListStep<ListedTransaction>> {
    const groupId = filter.group === undefined ? null : (this.#groups.idOf(filter.group) ?? -1);
    const topicId = filter.topic === undefined ? null : (this.#topics.idOf(filter.topic) ?? -1);
    const { rows, next } = listStep(this.#db, this.#sql, { ...filter, groupId, topicId }, limit, before);
    return { items: rows.map(row => toListed(row, this.#groups.nameOf(row.group_id))), next };
  }

  async parkedMessages(filter: ParkedFilter, limit: number, before: number | null): Promise<ListStep<ParkedMessage>> {
    return parkedStep(this.#db, this.#sql, { groups: this.#groups, topics: this.#topics }, filter, limit, before);
  }

  async alike(what: 'unresolved' | 'parked', before: number | null): Promise<ListStep<AlikeCount>> {
    return alikeStep(this.#sql, { groups: this.#groups, topics: this.#topics }, what, before);
  }

  async acts(filter: ActFilter, limit: number, before: number | null): Promise<ListStep<StoredAct>> {
    return actStep(this.#db, filter, limit, before);
  }

  async lanes(): Promise<Lane[]> {
    return this.#oldest.laneKeys().map(([topicId, partition]) => ({
      topic: this.#topics.nameOf(topicId),
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
    const known = this.#recent.readyMessages(lane, after, upTo, limit, maxBytes);
    if (known) return known;
    const topicId = this.#topics.idOf(lane.topic);
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
        group: this.#groups.nameOf(row.group_id),
        index: row.position % POSITIONS,
        key: row.key,
        commitOrder: row.commit_order,
        resolvedAt: row.resolved_at,
        traceparent: row.traceparent,
        tracestate: row.tracestate,
      });
    }
    if (found.length === 0) this.#recent.noneReady(lane, after, upTo);
    return found;
  }

  async oldestReady(): Promise<Map<string, number>> {
    return this.#oldest.ready();
  }

  oldest(): ReturnType<Store['oldest']> {
    return this.#oldest.all();
  }

  async dueChecks(group: string, now: number, limit: number): Promise<DueCheck[]> {
    const groupId = this.#groups.idOf(group);
    return groupId === undefined ? [] : (this.#sql.dueChecks.all(groupId, now, limit) as DueCheck[]);
  }

  async nextCheckAt(group: string): Promise<number | null> {
    const groupId = this.#groups.idOf(group);
    return groupId === undefined ? null : (this.#sql.nextCheckAt.get(groupId) as number | null);
  }

  async ended(
    before: number,
    after: number,
    now = Number.POSITIVE_INFINITY,
  ): Promise<{ ids: string[]; next: number | null }> {
    const rows = this.#sql.endedRows.all({ before, after, limit: SEARCH_ROWS }) as [number, string, number, number][];
    const ids: string[] = [];
    for (const [, id, preparedAt, isEnded] of rows) {
      // Rows lie in the order of arrival: behind one that arrived too late, none can have ended early enough. One from
      // the future says nothing: the clock was set back since.
      if (preparedAt >= before && preparedAt <= now) return { ids, next: null };
      if (isEnded === 1) ids.push(id);
    }
    return { ids, next: rows.length < SEARCH_ROWS ? null : rows.at(-1)![0] };
  }

  async space(): Promise<Space> {
    const bytes = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    return { ...this.#room.space(), databaseBytes: bytes(this.#file), walBytes: bytes(`${this.#file}-wal`) };
  }

  async shrink(): Promise<void> {
    const free = this.#db.pragma('freelist_count', { simple: true }) as number;
    const pages = this.#db.pragma('page_count', { simple: true }) as number;
    // A file that only breathes keeps its free pages: they are used again, unless others wait for the room.
    if (free * SHRINK_ABOVE < pages && !this.isNearlyFull) return;
    tellingFull(() => this.#db.pragma(`incremental_vacuum(${SHRINK_PAGES})`));
  }

  async close(): Promise<void> {
    await this.copies.close();
    await this.#checkpointer.close();
    this.#db.close();
    this.#release();
  }

  /** Of the database, with what is still in the WAL. */
  #bytes(): number {
    const pages = this.#db.pragma('page_count', { simple: true }) as number;
    return pages * (this.#db.pragma('page_size', { simple: true }) as number);
  }

  #loaded(transactionIds: Iterable<string>): Loaded {
    const transactions = new Map<string, Transaction>();
    for (const id of transactionIds) {
      const transaction = this.#recent.transaction(id) ?? this.#load(id);
      if (transaction) transactions.set(id, transaction);
    }
    return { transactions, counters: this.#counters };
  }

  #load(id: string): Transaction | null {
    const row = this.#sql.transaction.get(id) as TransactionRow | undefined;
    return row === undefined ? null : this.#complete(row);
  }

  #complete(row: TransactionRow): Transaction {
    const rows = this.#sql.messages.all(row.sequence * POSITIONS, (row.sequence + 1) * POSITIONS) as MessageRow[];
    const messages = rows.map(message => toMessage(message, this.#topics.nameOf(message.topic_id)));
    return toTransaction(row, this.#groups.nameOf(row.group_id), messages);
  }

  /** One lock for all that `decide` reads and all that is written then. */
  #inTransaction(decide: () => Changes): Changes {
    const named: (() => void)[] = [];
    this.#sql.begin.run();
    try {
      const changes = decide();
      this.#writer.save(changes, named);
      this.#sql.commit.run();
      for (const [name, value] of changes.counters) this.#counters.set(name, value);
      return changes;
    } catch (error) {
      if (this.#db.inTransaction) this.#sql.rollback.run();
      for (const forget of named) forget();
      throw error;
    }
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
