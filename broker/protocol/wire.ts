/**
 * The shapes on the wire, version 1. Requests are strict (an unknown member is refused), answers are open (a client
 * ignores members it does not know). Times are RFC 3339 in UTC with milliseconds; durations are whole milliseconds.
 */
import type { Bytes } from './bytes.ts';
import type { Problem } from './errors.ts';

export type { Bytes } from './bytes.ts';
export { decodeBytes, encodeBytes } from './bytes.ts';
export type { ErrorCode, Problem } from './errors.ts';
export { ERRORS } from './errors.ts';

/** Transaction and producer-group ids. */
export const ID_PATTERN = '^[A-Za-z0-9_-]{1,64}$';

/** `contentType` of a message that names none. */
export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** `prepared`: stored, nobody sees its messages. The others are final. */
export type TransactionState = 'prepared' | 'committed' | 'rolled_back';

/** What a producer decides or answers. `unknown`: I looked, and it is not decided yet; ask again. */
export type Resolution = 'commit' | 'rollback' | 'unknown';

/** Who decided: the producer's call, its answer to a check-back, a person, or the group's `onLimit`. */
export type ResolvedBy = 'producer' | 'check' | 'operator' | 'policy';

/** `held` until its transaction is resolved, then `ready` or `dropped`; `parked`: Kafka refuses it, a person decides. */
export type MessageState = 'held' | 'ready' | 'forwarded' | 'parked' | 'discarded' | 'dropped';

/** A half message as it is sent. Left out: no key, no headers, `application/octet-stream`, the topic as its type. */
export interface MessageInput {
  topic: string;
  key?: Bytes | null;
  /** `null` is a tombstone and must be written. */
  payload: Bytes | null;
  headers?: Record<string, Bytes>;
  contentType?: string | null;
  type?: string | null;
  partition?: number | null;
}

/** A transaction to be stored, with 1..100 half messages; the broker makes an id where there is none. */
export interface PrepareInput {
  id?: string;
  /** May be left out with a producer key, which is bound to one. */
  group?: string;
  messages: MessageInput[];
  check?: { afterMs: number };
}

/** A transaction as every answer about it begins. */
export interface TransactionBody {
  id: string;
  group: string;
  state: TransactionState;
  preparedAt: string;
  resolvedAt: string | null;
  resolvedBy: ResolvedBy | null;
}

/** A transaction in a list. */
export interface TransactionListItem extends TransactionBody {
  unresolved: boolean;
  /** Parked messages. */
  parked: number;
}

/** A message as the broker holds it; `partition` and `offset` once they are known. */
export interface MessageBody {
  id: string;
  topic: string;
  key: Bytes | null;
  state: MessageState;
  partition: number | null;
  offset: number | null;
  attempts: number;
  lastError: string | null;
  payloadBytes: number;
  /** Only when asked for (`?payload=true`). */
  payload?: Bytes | null;
  headers?: Record<string, Bytes>;
  contentType?: string;
  type?: string;
}

/** Everything known of a transaction. */
export interface TransactionDetail extends TransactionBody {
  unresolved: boolean;
  contradicted: boolean;
  check: { attempts: number; nextAt: string | null; lastAt: string | null; lastError: string | null };
  messageStates: Partial<Record<MessageState, number>>;
  messages: MessageBody[];
  history: { at: string; event: string; by: string; detail: string | null; times: number }[];
}

/** When a producer group is asked. `limit`: answers `unknown` until the transaction counts as unresolved. */
export interface CheckPolicy {
  afterMs: number;
  intervalMs: number;
  maxIntervalMs: number;
  limit: number;
  onLimit: 'unresolved' | 'rollback';
}

/** Creates or changes a producer group: a member left out keeps its value, `null` removes it. */
export interface ProducerGroupInput {
  checkUrl?: string | null;
  checkSecret?: string | null;
  check?: { [K in keyof CheckPolicy]?: CheckPolicy[K] | null } | null;
  topics?: string[] | null;
}

/** A producer group's settings, its secret left out, and how it answers. */
export interface ProducerGroupBody {
  group: string;
  checkUrl: string | null;
  hasSecret: boolean;
  check: CheckPolicy;
  topics: string[] | null;
  health: {
    lastAnswerAt: string | null;
    lastError: string | null;
    overdue: number;
    unresolved: number;
    /** How long the last call with checks took; null: none ended since the broker started. */
    lastCallMs: number | null;
  };
}

/** What waits for a topic. */
export interface TopicBody {
  topic: string;
  /** Null while Kafka has not said how many there are. */
  partitions: number | null;
  /** Committed messages that are not in Kafka yet. */
  waiting: number;
  parked: number;
  /** Age of the oldest waiting message since its commit; 0: none waits. */
  lagMs: number;
  /** What stands in the way of those that wait. */
  lastError: string | null;
}

/** Makes an API key. */
export interface KeyInput {
  role: 'producer' | 'operator' | 'viewer';
  /** Of a producer key, and of no other. */
  group?: string;
  /** RFC 3339; left out or null: never. */
  expiresAt?: string | null;
  reason?: string;
}

/** An API key without its secret. Over when it is revoked or expired. */
export interface KeyBody {
  /** How the key begins; names it in `DELETE /v1/keys/{prefix}` and in the history. */
  prefix: string;
  role: 'producer' | 'operator' | 'viewer';
  group: string | null;
  createdAt: string;
  createdBy: string;
  reason: string | null;
  expiresAt: string | null;
  revokedAt: string | null;
  revokedBy: string | null;
  revokedReason: string | null;
}

/** A key that was made just now: the only time that it is seen whole. */
export interface NewKeyBody extends KeyBody {
  key: string;
}

/** What an operator did, as it stands in the store for ever: `GET /v1/acts`, the newest first. */
export interface ActBody {
  /** Its place in the order of all acts. */
  id: number;
  at: string;
  /** `commit`, `rollback`, `check`, `retry`, `discard`, `create_key`, `revoke_key`, `put_group`, `backup`; more may come. */
  act: string;
  /** `operator` (the key from outside, or a broker without keys) or `operator:` and the prefix of the key. */
  by: string;
  /** The transaction, message, key prefix or producer group that it was done to; null: the broker itself. */
  target: string | null;
  /** The producer group of what it was done to. */
  group: string | null;
  reason: string | null;
}

/** The broker at a glance: `GET /v1/status`. Counts are those of the store, exact at any size. */
export interface StatusBody {
  version: string;
  startedAt: string;
  /** The broker's clock. */
  now: string;
  /** As `/readyz` says it. */
  status: 'ok' | 'degraded' | 'unavailable';
  checks: Record<string, { status: string; detail?: string }>;
  publisher: 'kafka' | 'memory';
  source: string;
  retentionMs: number;
  transactions: { prepared: number; committed: number; rolled_back: number; unresolved: number; contradicted: number };
  messages: Record<MessageState, number>;
  /** What happened since `startedAt`: the difference of two answers is a rate. */
  sinceStart: {
    /** Transactions. */
    prepared: number;
    committed: number;
    rolledBack: number;
    /** Check-backs, one for each transaction asked about. */
    checks: number;
    /** Messages. */
    forwarded: number;
    parked: number;
  };
  /** When it was stored (`prepared`) or committed (`ready`, `parked`); null: there is none. */
  oldest: { prepared: string | null; ready: string | null; parked: string | null };
  /** Commands that wait for their commit. */
  waitingCommands: number;
  disk: { freeBytes: number; reserveBytes: number; databaseBytes: number; walBytes: number };
}

/** A parked message with what it belongs to: `GET /v1/messages?state=parked`. */
export interface ParkedMessageBody extends MessageBody {
  transactionId: string;
  group: string;
  /** When its transaction was committed. */
  committedAt: string;
}

/** What waits for a person, by what it last failed with, the most first, 100 lines each: `GET /v1/attention`. */
export interface AttentionBody {
  /** `lastError` null: the producer answered `unknown` until the limit, or there was nobody to ask. */
  unresolved: { group: string; lastError: string | null; count: number; oldestAt: string }[];
  parked: { topic: string; lastError: string | null; count: number; oldestAt: string }[];
  /** False: there are so many that these are not all of them; the counts of `GET /v1/status` are. */
  isComplete: boolean;
}

/** One operation of `POST /v1/batch`. */
export type BatchOperation =
  | ({ op: 'prepare'; traceparent?: string; tracestate?: string } & PrepareInput)
  | { op: 'commit' | 'rollback'; id: string; reason?: string }
  | { op: 'check'; id: string; reason: string }
  | { op: 'retry' | 'discard'; messageId: string; reason: string };

/** A result for each operation, in their order. */
export interface BatchAnswer {
  results: { status: number; body: TransactionBody | MessageBody | Problem }[];
}

/** What the broker asks a producer group. An empty list is the test question; its right answer is an empty list. */
export interface CheckRequest {
  group: string;
  checks: { transactionId: string; attempt: number; preparedAt: string }[];
}

/** What a producer group answers. An id that is left out counts as not answered, and is asked again. */
export interface CheckAnswer {
  group: string;
  resolutions: { transactionId: string; resolution: Resolution }[];
}
