/**
 * The truth. Asynchronous and batched, so that another database can stand behind it. Only the coordinator calls
 * `transact`; everybody may read. One conformance suite (test/broker/store-conformance.ts) speaks for every store.
 *
 * Errors of `transact`: StorageFullError (nothing changed, the store goes on), any other error is fatal: whoever
 * gets it stops acknowledging.
 */
import type { CheckPolicy } from '../transaction/schedule.ts';
import type { Message, MessageContent, Transaction, TransactionState } from '../transaction/transaction.ts';

/** No room on the disk. Nothing was changed; the same call can succeed later. */
export class StorageFullError extends Error {
  override name = 'StorageFullError';
}

export interface ProducerGroup {
  readonly name: string;
  readonly checkUrl: string | null;
  readonly checkSecret: string | null;
  /** Secrets that were replaced, the newest first; each signs too until its time (ms since 1970). */
  readonly previousSecrets: readonly { readonly secret: string; readonly until: number }[];
  /** Only what was set; the rest is the default. */
  readonly check: Partial<CheckPolicy>;
  /** Allow-list patterns, null: all. */
  readonly topics: readonly string[] | null;
  readonly lastAnswerAt: number | null;
  readonly lastError: string | null;
}

/** An API key, but for its secret, which only its owner has. */
export interface ApiKey {
  /** By which it is found and named; no secret. */
  readonly prefix: string;
  readonly role: 'producer' | 'operator' | 'viewer';
  /** The producer group it is bound to; null for other roles. */
  readonly group: string | null;
  /** SHA-256 of the whole key. */
  readonly hash: Buffer;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly reason: string | null;
  /** It is good before this moment; null: for ever. */
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
  readonly revokedReason: string | null;
}

/** What an operator did. Kept for ever, in the order of its commits. */
export interface Act {
  readonly at: number;
  /** `commit`, `retry`, …, as the commands are called. */
  readonly act: string;
  /** As the history names whoever acts as an operator. */
  readonly by: string;
  /** What it was done to; null: the broker. */
  readonly target: string | null;
  /** The producer group of the target. */
  readonly group: string | null;
  readonly reason: string | null;
}

export interface StoredAct extends Act {
  /** Rises from 1 on, without a gap. */
  readonly id: number;
}

export interface ActFilter extends Partial<Readonly<Record<'act' | 'by' | 'group' | 'target', string>>> {
  /** On `at`, inclusive. */
  readonly since?: number;
  /** On `at`, exclusive. */
  readonly until?: number;
}

/** The group has sent to the topic at least once. */
export interface GroupTopic {
  readonly group: string;
  readonly topic: string;
}

/** What is fixed of a topic for partitioning. */
export interface Topic {
  readonly name: string;
  /** Partitions that new commits are spread over; null while nothing is known. */
  readonly partitions: number | null;
  /**
   * Set while a change of `partitions` is being carried out: messages behind this place in the commit order wait
   * until every earlier one of the topic is forwarded or parked.
   */
  readonly barrier: number | null;
}

/**
 * Counts kept in the same commit as what they count. Names: `transactions.{state}`, `messages.{state}`,
 * `accepted` (messages ever stored), `purged` (messages), `contradicted`, `unresolved`, `unresolved:{group}`,
 * `ready:{topic}` and `parked:{topic}` (messages), `overdue:{group}` (transactions whose last check got no answer), `sequence` and `commitOrder` (last ones given out).
 */
export type Counters = ReadonlyMap<string, number>;

export interface HistoryEvent {
  readonly at: number;
  readonly event: string;
  readonly by: string;
  readonly detail: string | null;
  /** How often it happened; the same thing again is counted, not listed. */
  readonly times: number;
}

/** What `transact` loads before it lets the caller decide. */
export interface Loaded {
  readonly transactions: ReadonlyMap<string, Transaction>;
  readonly counters: Counters;
}

/** What a decision changes; all of it in one durable commit, or none. */
export interface Changes {
  /** New transactions, with the contents of their messages by index. */
  inserted: { transaction: Transaction; contents: readonly MessageContent[] }[];
  /** `before` and `after` share every message that did not change. */
  updated: { before: Transaction; after: Transaction }[];
  /** `fold`: count it onto the same event of the same transaction instead of a new line. */
  history: {
    transactionId: string;
    sequence: number;
    fold: boolean;
    at: number;
    event: string;
    by: string;
    detail: string | null;
  }[];
  groups: ProducerGroup[];
  topics: Topic[];
  /** New ones. */
  groupTopics: GroupTopic[];
  /** New or changed ones, by their prefix. */
  keys: ApiKey[];
  acts: Act[];
  /** New values, not differences. */
  counters: Map<string, number>;
  /** Transactions to remove altogether. */
  purged: Transaction[];
}

export interface Lane {
  readonly topic: string;
  /** null: messages whose partition is not fixed yet. */
  readonly partition: number | null;
}

/** A message on its way to Kafka. */
export interface ReadyMessage extends MessageContent {
  readonly transactionId: string;
  readonly group: string;
  readonly index: number;
  readonly key: Buffer | null;
  readonly commitOrder: number;
  readonly resolvedAt: number;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

export interface DueCheck {
  readonly transactionId: string;
  readonly preparedAt: number;
  readonly checkAttempts: number;
  readonly checkFailures: number;
  readonly nextCheckAt: number;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

export interface ListFilter {
  readonly state?: TransactionState;
  readonly unresolved?: boolean;
  readonly parked?: boolean;
  readonly discarded?: boolean;
  readonly contradicted?: boolean;
  readonly group?: string;
  readonly topic?: string;
  readonly key?: Buffer;
  /** Of the last check; null: it had none. */
  readonly lastError?: string | null;
  /** On `preparedAt`, inclusive. */
  readonly since?: number;
  /** On `preparedAt`, exclusive. */
  readonly until?: number;
}

/** A transaction as lists show it. */
export interface ListedTransaction
  extends Pick<
    Transaction,
    'sequence' | 'id' | 'group' | 'state' | 'preparedAt' | 'resolvedAt' | 'resolvedBy' | 'unresolved'
  > {
  /** Parked messages. */
  readonly parked: number;
}

export interface ParkedFilter {
  readonly topic?: string;
  readonly group?: string;
  readonly lastError?: string | null;
}

/** A parked message with what lists show of its transaction. */
export interface ParkedMessage extends Message {
  readonly transactionId: string;
  readonly group: string;
  readonly committedAt: number;
}

/** Of what waits for a person, those that failed alike. */
export interface AlikeCount {
  /** The producer group of unresolved transactions, the topic of parked messages. */
  readonly name: string;
  readonly lastError: string | null;
  readonly count: number;
  /** When the oldest of them was stored (unresolved) or committed (parked). */
  readonly oldestAt: number;
}

/** One bounded step of a list, newest first. */
export interface ListStep<T> {
  readonly items: T[];
  /** Where the next step goes on (exclusive upper bound of the place in the list); null at the end. */
  readonly next: number | null;
}

/** Of the disk and of what the store has on it, in bytes. */
export interface Space {
  readonly freeBytes: number;
  /** Kept for the end of what was begun; 0: nothing is. */
  readonly reserveBytes: number;
  readonly databaseBytes: number;
  readonly walBytes: number;
}

export interface Store {
  /**
   * Loads the named transactions (absent ones are missing from the map), lets `decide` choose, saves what it returns in
   * one durable commit, then resolves. `decide` is called once, and must be pure.
   */
  transact(transactionIds: Iterable<string>, decide: (loaded: Loaded) => Changes): Promise<void>;

  groups(): Promise<ProducerGroup[]>;
  topics(): Promise<Topic[]>;
  groupTopics(): Promise<GroupTopic[]>;
  /** All that were ever made, also those that are over. */
  keys(): Promise<ApiKey[]>;
  counters(): Promise<Counters>;

  transaction(id: string): Promise<Transaction | null>;
  contents(id: string): Promise<MessageContent[]>;
  history(id: string): Promise<HistoryEvent[]>;
  /** Looks at no more than a few thousand transactions, so a step may be short and still have a `next`. */
  list(filter: ListFilter, limit: number, before: number | null): Promise<ListStep<ListedTransaction>>;
  /** As `list`, by the places of messages in the order of arrival. */
  parkedMessages(filter: ParkedFilter, limit: number, before: number | null): Promise<ListStep<ParkedMessage>>;
  /** A bounded number of what waits for a person, counted; as a step of `list` it says where to go on. */
  alike(what: 'unresolved' | 'parked', before: number | null): Promise<ListStep<AlikeCount>>;
  /** As `list`, by the acts' ids. */
  acts(filter: ActFilter, limit: number, before: number | null): Promise<ListStep<StoredAct>>;

  /** Every lane with a ready message. */
  lanes(): Promise<Lane[]>;
  /**
   * Ready messages of a lane in commit order, behind `after`, not beyond `upTo` (inclusive), at most `limit` of them
   * and, but for the first, at most `maxBytes` of payloads, keys and headers.
   */
  readyMessages(lane: Lane, after: number, upTo: number, limit: number, maxBytes: number): Promise<ReadyMessage[]>;
  /** By topic: when the oldest ready message was committed (ms since 1970). */
  oldestReady(): Promise<ReadonlyMap<string, number>>;
  /** Resolution times (ms) of the oldest ready message and of the oldest parked one; null where there is none. */
  oldest(): Promise<{ prepared: number | null; ready: number | null; parked: number | null }>;

  /** Checks of the group due at `now`, the longest due first. */
  dueChecks(group: string, now: number, limit: number): Promise<DueCheck[]>;
  /** When the group's next check is due, null where none is planned. */
  nextCheckAt(group: string): Promise<number | null>;

  /**
   * Ended transactions (resolved, no message ready or parked) whose end lies before `before`, searched among a bounded
   * number of rows behind `after`; `next` is where to go on, null at the end of what can be old enough. Rows that arrived
   * later than `now` (default: none) are from before the clock was set back, and hide nothing.
   */
  ended(before: number, after: number, now?: number): Promise<{ ids: string[]; next: number | null }>;

  space(): Promise<Space>;
  /** Gives a bounded number of freed pages back to the file system, where many are free. */
  shrink(): Promise<void>;
  close(): Promise<void>;
}
