/**
 * The consumer's side of escrowmq. Delivery is at least once; a consumer of this SDK stores `(consumer group, source,
 * id)` in the same database transaction as the effect, so that each effect happens once.
 */

export type {
  ApiSpan,
  ApiTracer,
  OpenTelemetry,
  SpanAttributes,
  SpanContext,
  TraceState,
} from '../broker/protocol/spans.ts';
export { type LocalTransactionCode, LocalTransactionError } from '../local-transaction/local-database.ts';
export type { SqlText, SqlTool } from '../local-transaction/sql-tool.ts';
export { createConsumer, type EscrowConsumer } from './consumer.ts';
export {
  ConsumerError,
  type ConsumerErrorCode,
  InvalidOptionError,
  PoisonError,
  TransientError,
} from './consumer-errors.ts';
export type { ConsumerLogger, ConsumerOptions, RetryOptions, Unidentified } from './consumer-options.ts';
export { type DeadLetterView, type ReplayOptions, type ReplayResult, replayDeadLetters } from './dead-letter/replay.ts';
export type { ConsumerHealth, PartitionHealth } from './health.ts';
export type { Inbox, InboxOptions } from './inbox/inbox.ts';
export { betterSqlite3Inbox, mysqlInbox, pgInbox, sqlInbox } from './inbox/inboxes.ts';
export type { Handler } from './partition/handling.ts';
export type { Counts } from './partition/lane.ts';
export type { ConsumedMessage } from './record/message.ts';
export { type EscrowRecord, type RecordHeaders, readRecord } from './record/record-headers.ts';
