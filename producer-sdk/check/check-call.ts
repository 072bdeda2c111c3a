/** One check-back, whatever server it came through. */
import type { CheckAnswer } from '../../broker/protocol/wire.ts';

/** A call as it came in. */
export interface CheckCall {
  readonly method: string;
  readonly headers: Record<string, string | string[] | undefined>;
  /** Exactly the bytes that were sent; `parsed`: a middleware has read them already, and only their meaning is left. */
  readonly body: Uint8Array | { readonly parsed: unknown };
  /** The address at which it arrived; null: not known. */
  readonly localAddress: string | null;
}

export interface CheckReply {
  readonly status: number;
  readonly body: CheckAnswer | { readonly error: string };
}
