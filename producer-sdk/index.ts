/**
 * The producer's side of escrowmq: a client that batches by itself, the shapes on the wire, and the check of a
 * check-back's signature for services that write their check handler by hand.
 */

export { TIMESTAMP_TOLERANCE_MS, verifySignature } from '../broker/protocol/signature.ts';
export * from '../broker/protocol/wire.ts';
export type { CallOptions } from './call.ts';
export { type Client, createClient, type Prepared } from './client.ts';
export * from './client-errors.ts';
export type { Content, MessageDraft, TransactionDraft } from './operation-text.ts';
export type { ClientLogger, ClientOptions } from './settings.ts';
