/** Rows of the database ↔ records. */
import type {
  Message,
  MessageContent,
  MessageState,
  Resolver,
  Transaction,
  TransactionState,
} from '../transaction/transaction.ts';
import type { ApiKey, ListedTransaction, ProducerGroup } from './store.ts';

export const TRANSACTION_STATES: readonly TransactionState[] = ['prepared', 'committed', 'rolled_back'];
export const MESSAGE_STATES: readonly MessageState[] = ['held', 'ready', 'forwarded', 'parked', 'discarded', 'dropped'];
/** A partition that is not fixed yet. */
export const NO_PARTITION = -1;
/** Distance between the positions of two transactions' first messages. */
export const POSITIONS = 128;

export interface TransactionRow {
  sequence: number;
  id: string;
  group_id: number;
  state: number;
  digest: Buffer;
  prepared_at: number;
  resolved_at: number | null;
  resolved_by: Resolver | null;
  next_check_at: number | null;
  check_attempts: number;
  check_failures: number;
  last_check_at: number | null;
  last_check_error: string | null;
  unresolved: number;
  contradicted: number;
  traceparent: string | null;
  tracestate: string | null;
}

/** A transaction as lists show it. */
export type ListedRow = Pick<
  TransactionRow,
  'sequence' | 'id' | 'group_id' | 'state' | 'prepared_at' | 'resolved_at' | 'resolved_by' | 'unresolved'
> & { parked: number };

export interface MessageRow {
  position: number;
  topic_id: number;
  key: Buffer | null;
  state: number;
  partition: number;
  commit_order: number | null;
  kafka_offset: number | null;
  attempts: number;
  last_error: string | null;
  ended_at: number | null;
  payload_bytes: number;
}

export interface ContentRow {
  payload: Buffer | null;
  headers: string | null;
  content_type: string;
  type: string;
}

export const toMessage = (row: MessageRow, topic: string): Message => ({
  index: row.position % POSITIONS,
  topic,
  key: row.key,
  state: MESSAGE_STATES[row.state]!,
  partition: row.partition === NO_PARTITION ? null : row.partition,
  commitOrder: row.commit_order,
  offset: row.kafka_offset,
  attempts: row.attempts,
  lastError: row.last_error,
  endedAt: row.ended_at,
  payloadBytes: row.payload_bytes,
});

export const toTransaction = (row: TransactionRow, group: string, messages: Message[]): Transaction => ({
  sequence: row.sequence,
  id: row.id,
  group,
  state: TRANSACTION_STATES[row.state]!,
  digest: row.digest,
  preparedAt: row.prepared_at,
  resolvedAt: row.resolved_at,
  resolvedBy: row.resolved_by,
  nextCheckAt: row.next_check_at,
  checkAttempts: row.check_attempts,
  checkFailures: row.check_failures,
  lastCheckAt: row.last_check_at,
  lastCheckError: row.last_check_error,
  unresolved: row.unresolved === 1,
  contradicted: row.contradicted === 1,
  traceparent: row.traceparent,
  tracestate: row.tracestate,
  messages,
});

export const toListed = (row: ListedRow, group: string): ListedTransaction => ({
  sequence: row.sequence,
  id: row.id,
  group,
  state: TRANSACTION_STATES[row.state]!,
  preparedAt: row.prepared_at,
  resolvedAt: row.resolved_at,
  resolvedBy: row.resolved_by,
  unresolved: row.unresolved === 1,
  parked: row.parked,
});

/** Headers lie as JSON: names, and values in base64. Null where there is none, which is the common case. */
export const headersToText = (headers: MessageContent['headers']): string | null =>
  headers.length === 0 ? null : JSON.stringify(headers.map(([name, value]) => [name, value.toString('base64')]));

export const toContent = (row: ContentRow): MessageContent => ({
  payload: row.payload,
  headers:
    row.headers === null
      ? []
      : (JSON.parse(row.headers) as [string, string][]).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
  contentType: row.content_type,
  type: row.type,
});

export const groupToText = ({ name: _, ...settings }: ProducerGroup): string => JSON.stringify(settings);
export const toGroup = (name: string, settings: string): ProducerGroup => ({
  ...(JSON.parse(settings) as Omit<ProducerGroup, 'name'>),
  name,
});

export interface KeyRow {
  prefix: string;
  role: ApiKey['role'];
  producer_group: string | null;
  hash: Buffer;
  created_at: number;
  created_by: string;
  reason: string | null;
  expires_at: number | null;
  revoked_at: number | null;
  revoked_by: string | null;
  revoked_reason: string | null;
}

export const toKey = (row: KeyRow): ApiKey => ({
  prefix: row.prefix,
  role: row.role,
  group: row.producer_group,
  hash: row.hash,
  createdAt: row.created_at,
  createdBy: row.created_by,
  reason: row.reason,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
  revokedBy: row.revoked_by,
  revokedReason: row.revoked_reason,
});

/** In the order of the table. */
export const keyColumns = (key: ApiKey): (string | number | Buffer | null)[] => [
  key.prefix,
  key.role,
  key.group,
  key.hash,
  key.createdAt,
  key.createdBy,
  key.reason,
  key.expiresAt,
  key.revokedAt,
  key.revokedBy,
  key.revokedReason,
];

const countOf = ({ messages }: Transaction, state: MessageState): number =>
  messages.reduce((count, message) => (message.state === state ? count + 1 : count), 0);

/** Of the columns that change, the first ones are what a resolution changes. */
export const RESOLUTION_COLUMNS = 4;

/** The columns that change, in the order in which the statement names them. */
export const transactionColumns = (transaction: Transaction): (number | string | null)[] => [
  TRANSACTION_STATES.indexOf(transaction.state),
  transaction.resolvedAt,
  transaction.resolvedBy,
  transaction.nextCheckAt,
  transaction.checkAttempts,
  transaction.checkFailures,
  transaction.lastCheckAt,
  transaction.lastCheckError,
  transaction.unresolved ? 1 : 0,
  transaction.contradicted ? 1 : 0,
  countOf(transaction, 'parked'),
  countOf(transaction, 'discarded'),
];

export const messageColumns = (message: Message): (number | string | null)[] => [
  MESSAGE_STATES.indexOf(message.state),
  message.partition ?? NO_PARTITION,
  message.commitOrder,
  message.offset,
  message.attempts,
  message.lastError,
  message.endedAt,
];
