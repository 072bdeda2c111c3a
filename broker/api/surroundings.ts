/** What the HTTP interface needs of the other parts of the broker, and no more. */
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify';
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { ProducerGroup, Store } from '../store/store.ts';
import type { CopyBegin } from '../store/store-copies.ts';
import type { Metrics } from './metrics.ts';

/** What is known of a topic: its partitions, that it does not exist, or nothing. */
export type TopicSight = { readonly partitions: number } | 'missing' | 'unknown';

export interface Topics {
  /** Never rejects, and waits a second at most: what Kafka does not say in time is `unknown`. */
  inspect(topics: string[]): Promise<ReadonlyMap<string, TopicSight>>;
}

export interface Forwarding {
  /** Why messages of the topic that are ready do not go to Kafka; null: nothing is known to be in their way. */
  trouble(topic: string): string | null;
}

export interface CheckTester {
  /** Asks the group the test question now. Never rejects for what the group does. */
  test(group: ProducerGroup): Promise<{ ok: boolean; status: number | null; tookMs: number; error: string | null }>;
  /** How long the last call with checks to the group took; null: none ended since the start. */
  lastCallMs(group: string): number | null;
}

export interface Addresses {
  /** Null where the broker may call the address, else a sentence why not. */
  judge(url: string): string | null;
  isLoopback(url: string): boolean;
}

export interface MemoryRecord {
  readonly position: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export interface MemoryRecords {
  /** Those behind position `after` (0: from the beginning), in order of arrival, at most `limit`. */
  records(query: { topic?: string | undefined; after: number; limit: number }): readonly MemoryRecord[];
}

export interface Readiness {
  /** `unavailable`: transactions cannot be accepted. */
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly checks: Record<string, { status: string; detail?: string }>;
}

export interface Backups {
  begin(): CopyBegin;
}

/** What the broker was started as. */
export interface About {
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly publisher: 'kafka' | 'memory';
  readonly source: string;
  readonly retentionMs: number;
}

/** Sizes in bytes. */
export interface Limits {
  /** Payload, key, header names and header values of one message, decoded. */
  readonly maxMessageBytes: number;
  /** All messages of one transaction. */
  readonly maxTransactionBytes: number;
  readonly maxBodyBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxMessageBytes: 1_000_000,
  maxTransactionBytes: 4_000_000,
  maxBodyBytes: 16 * 1024 * 1024,
};

/** Everything that the server is built from. */
export interface ServerSettings {
  readonly coordinator: Pick<
    Coordinator,
    'group' | 'groups' | 'topics' | 'counters' | 'waiting' | 'waitingOf' | 'submit'
  >;
  /** Who may call, and what is whose. */
  readonly keys: Pick<Coordinator, 'key' | 'keys' | 'hasSentTo'>;
  /** Only read. */
  readonly store: Pick<
    Store,
    | 'transaction'
    | 'contents'
    | 'history'
    | 'list'
    | 'acts'
    | 'parkedMessages'
    | 'alike'
    | 'oldestReady'
    | 'oldest'
    | 'space'
  >;
  readonly clock: { now(): number; monotonic(): number };
  readonly topics: Topics;
  readonly forwarding: Forwarding;
  readonly checkBack: CheckTester;
  readonly backups: Backups;
  readonly addresses: Addresses;
  /** Only with the memory publisher. */
  readonly memory?: MemoryRecords;
  readonly about: About;
  readonly readiness: () => Readiness;
  /** False while the broker starts or stops: every call of `/v1` is then a 503. */
  readonly accepting: () => boolean;
  /** From outside. Where it is null, and no key was ever made, everybody may do everything. */
  readonly operatorKey: string | null;
  readonly limits?: Limits;
  /** Null: plain HTTP. PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string } | null;
  /** Longest time for a whole request to arrive, milliseconds. */
  readonly requestTimeoutMs?: number;
  readonly metrics: Metrics;
  readonly logger: FastifyBaseLogger;
  /** Served beside the interface; what they show and do they get from it by `inject`. */
  readonly pages?: FastifyPluginAsync;
}
