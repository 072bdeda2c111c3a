/**
 * The producer's side of escrowmq: local transactions whose messages arrive if, and only if, they commit.
 *
 * `createProducer` is what a service uses; `createClient` the calls of the broker alone; `verifySignature` and the wire
 * types are for check handlers written by hand.
 */

export { TIMESTAMP_TOLERANCE_MS, verifySignature } from '../broker/protocol/signature.ts';
export type {
  ApiSpan,
  ApiTracer,
  OpenTelemetry,
  SpanAttributes,
  SpanContext,
  TraceState,
} from '../broker/protocol/spans.ts';
export * from '../broker/protocol/wire.ts';
export type { BetterSqlite3 } from '../local-transaction/better-sqlite3.ts';
export {
  CommitFailedError,
  type LocalTransactionCode,
  LocalTransactionError,
} from '../local-transaction/local-database.ts';
export type { MysqlConnection, MysqlConnectionOf, MysqlPool } from '../local-transaction/mysql2.ts';
export type { PgClient, PgClientOf, PgPool } from '../local-transaction/pg.ts';
export type { SqlText, SqlTool } from '../local-transaction/sql-tool.ts';
export type { Dialect } from '../local-transaction/statement.ts';
export type { CheckHandler, FastifyLike } from './check/check-doors.ts';
export type { CallOptions } from './client/call.ts';
export { type Client, createClient, type Prepared } from './client/client.ts';
export {
  CallAbortedError,
  ClientClosedError,
  type ClientErrorCode,
  ConflictError,
  ConnectionError,
  EscrowError,
  InvalidCallError,
  NoAnswerError,
  NotFoundError,
  NotPermittedError,
  QueueFullError,
  RefusedError,
  UnavailableError,
  UnexpectedAnswerError,
} from './client/client-errors.ts';
export type { Content, MessageDraft, TransactionDraft } from './client/operation-text.ts';
export type { ClientLogger, ClientOptions } from './client/settings.ts';
export type { Business, TransactionContext, TransactionOptions } from './execution.ts';
export { fenceSchema } from './fence/fence-table.ts';
export { betterSqlite3Fence, type FenceOptions, mysqlFence, pgFence, sqlFence } from './fence/fences.ts';
export type { Claim, SqlFence } from './fence/sql-fence.ts';
export type { SweepOptions, SweepResult } from './fence/sweep.ts';
export type { WrittenCheck } from './fence/written-check.ts';
export type { Completed, Delivery, Settled } from './outcome.ts';
export { createProducer, type Producer } from './producer.ts';
export * from './producer-errors.ts';
export type { ProducerOptions } from './producer-options.ts';
