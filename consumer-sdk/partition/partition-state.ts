/** What is known of one partition, for as long as it is this consumer's. */
import { clock } from '../clock.ts';
import { said } from '../consumer-errors.ts';

/** The record in hand has failed; it is tried again. */
export interface Setback {
  readonly offset: string;
  /** Failures by the handler's own logic; the limit is about these. */
  attempts: number;
  /** All failures, for the length of the pause. */
  failures: number;
  error: string;
  /** It is given up on: only a dead-letter topic, or another program, gets past it. */
  isPoison: boolean;
}

export class PartitionState {
  readonly topic: string;
  readonly partition: number;
  /** Of the record that is handled next, once known. */
  nextOffset: string | null = null;
  /** The end of the partition when it was last seen. */
  endOffset: string | null = null;
  /** Milliseconds since 1970. */
  lastHandledAt: number | null = null;
  /** Monotonic: since when the record in hand has waited; null: there is none. */
  inHandSince: number | null = null;
  setback: Setback | null = null;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  begin(offset: string): void {
    this.nextOffset = offset;
    this.inHandSince ??= clock.monotonic();
    // Other records' failures are over; this one's count on, also where it is delivered again.
    if (this.setback?.offset !== offset) this.setback = null;
  }

  fail(offset: string, error: unknown, counts: boolean): Setback {
    this.setback ??= { offset, attempts: 0, failures: 0, error: '', isPoison: false };
    this.setback.failures += 1;
    if (counts) this.setback.attempts += 1;
    this.setback.error = said(error);
    return this.setback;
  }

  /** The record in hand is done with. */
  pass(nextOffset: string): void {
    this.nextOffset = nextOffset;
    this.setback = null;
    this.inHandSince = null;
    this.lastHandledAt = clock.now();
  }

  /** The record in hand is left to a later delivery. */
  putDown(): void {
    this.inHandSince = null;
  }
}
