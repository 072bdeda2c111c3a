/**
 * The producer's side of escrowmq: the shapes on the wire, and the check of a check-back's signature for services that
 * write their check handler by hand.
 */
export { TIMESTAMP_TOLERANCE_MS, verifySignature } from '../broker/protocol/signature.ts';
export * from '../broker/protocol/wire.ts';
