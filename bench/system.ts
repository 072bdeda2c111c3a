/** What every system under comparison can be asked to do. Adapters stand in bench/systems/. */

/** One cell of a throughput table. */
export interface Cell {
  /** Transactions under way at the same time; each is prepare, local transaction, commit. */
  readonly inFlight: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly payloadBytes: number;
  /** A local transaction takes a random time in this range; null: none. */
  readonly localMs: { readonly min: number; readonly max: number } | null;
}

/** Milliseconds. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Usage {
  /** User and system time. */
  readonly cpuSeconds: number;
  /** Highest resident set seen. */
  readonly peakRssBytes: number;
  /** Bytes sent to the disk (`write_bytes` of /proc). */
  readonly writtenBytes: number;
}

export interface Throughput {
  /** Distinct messages a consumer received, over the time from the first send to the last receipt. */
  readonly completePerSecond: number;
  /** Transactions whose calls all returned, over the time of sending. */
  readonly acceptedPerSecond: number;
  /** A whole transaction as its producer sees it, without its local part. */
  readonly callMs: Spread;
  /** The single calls, where the system has them. */
  readonly prepareMs: Spread | null;
  readonly commitMs: Spread | null;
  /** From just before the commit leaves to the consumer's handler. */
  readonly endToEndMs: Spread;
  readonly accepted: number;
  readonly seen: number;
  /** Accepted and never seen; receipts beyond the first. */
  readonly missing: number;
  readonly duplicates: number;
  readonly failed: number;
  /** Over the measured time, by process: the server, its store, the load with its consumer, … */
  readonly processes: Readonly<Record<string, Usage>>;
}

export interface BacklogOrder {
  /** Transactions left undecided, due for a check at about the same moment; every check answers commit. */
  readonly transactions: number;
  readonly payloadBytes: number;
  /** Share of the producers (groups, addresses) that never answer, and that refuse connections; in percent. */
  readonly hangingPercent: number;
  readonly refusingPercent: number;
  /** Give up after this. */
  readonly patienceSeconds: number;
}

export interface Backlog {
  readonly fillSeconds: number;
  /** From the first check call to half, 99 % and all of the messages that can arrive; null: not within the patience. */
  readonly halfSeconds: number | null;
  readonly percent99Seconds: number | null;
  readonly lastSeconds: number | null;
  /** Transactions whose producer can answer. */
  readonly answerable: number;
  readonly delivered: number;
  readonly duplicates: number;
  readonly checkCalls: number;
  readonly processes: Readonly<Record<string, Usage>>;
}

/** Local transactions that last longer than the system waits before it asks; the producer is there and tells the truth. */
export interface SlowLocalOrder {
  /** All under way at the same time. */
  readonly transactions: number;
  /** How long a local transaction takes. */
  readonly minMs: number;
  readonly maxMs: number;
  /** When the system asks first, and how often again. */
  readonly firstCheckMs: number;
  readonly intervalMs: number;
}

export interface SlowLocal {
  /** Distinct messages a consumer received; those of them it received more than once. */
  readonly delivered: number;
  readonly deliveredTwice: number;
  /** Receipts beyond the first. */
  readonly duplicates: number;
  readonly missing: number;
  readonly checkCalls: number;
}

/** A fresh, running system with an empty store. */
export interface Running {
  throughput(cell: Cell): Promise<Throughput>;
  backlog?(order: BacklogOrder): Promise<Backlog>;
  slowLocal?(order: SlowLocalOrder): Promise<SlowLocal>;
  /** Bytes of its data folder now. */
  diskBytes(): Promise<number>;
  /** Ends every process it started and removes its data. */
  stop(): Promise<void>;
}

export interface System {
  /** As in the tables: `escrowmq, single calls`, `RocketMQ`, … */
  readonly name: string;
  readonly version: string;
  /** What is on disk before the caller is told, in one sentence. */
  readonly durability: string;
  /** Why it cannot run on this machine; null: it can. Fetches and builds nothing. */
  unavailable(): Promise<string | null>;
  /** Fetches and builds what it needs (once; kept in the cache folder), then starts. `folder` is empty and its own. */
  start(folder: string): Promise<Running>;
}
