/** Where a producer's verdicts come from: a row in its own database, or what its author can find out by hand. */
import type { Resolution } from '../../broker/protocol/wire.ts';
import type { Found } from './fence-table.ts';

/** One local transaction under a fence. */
export interface FencedWork<Tx, T> {
  readonly id: string;
  /** Names this very execution of the id. */
  readonly token: string;
  /** Called with the claim in place; what it throws ends the transaction. */
  checkAge(): void;
  business(tx: Tx): T | Promise<T>;
  /** Called with everything done but COMMIT; what it throws ends the transaction. */
  beforeCommit?(): Promise<void>;
  /** Milliseconds, from waiting for a connection to the COMMIT. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What the producer asks of it. `Tx` is what business functions work with. */
export interface VerdictSource<Tx> {
  /** Whether nothing can be prepared from inside a business function, so that messages must be known before it. */
  readonly needsMessagesFirst: boolean;
  /** Rejects, with a sentence that says what to mend, where no transaction could be guarded now. */
  assertReady(): Promise<void>;
  /** Throws where a transaction with this function cannot begin at this moment. */
  assertIdle(business: unknown): void;
  /** Rejects as `LocalDatabase.transaction` does. */
  run<T>(work: FencedWork<Tx, T>): Promise<T>;
  /** What stands, after making sure that something does; null: neither `commit` nor `rollback` can be said. */
  decide(id: string, token: string, withinMs: number): Promise<Found | null>;
  /** What stands, without touching it. */
  look(id: string, withinMs: number): Promise<Found | null>;
  /** Answers for a check-back, `unknown` included; what cannot be answered in time is left out. */
  judge(ids: readonly string[], withinMs: number): Promise<Map<string, Resolution>>;
  close(): Promise<void>;
}
