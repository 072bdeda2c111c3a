/**
 * What the broker knows of a transaction and of its messages. Values are immutable: a rule returns a new one, so that
 * whoever saves can tell by identity what changed. Times are milliseconds since 1970 by the broker's clock.
 */
export type TransactionState = 'prepared' | 'committed' | 'rolled_back';
export type MessageState = 'held' | 'ready' | 'forwarded' | 'parked' | 'discarded' | 'dropped';
export type Resolver = 'producer' | 'check' | 'operator' | 'policy';

/** Messages of one transaction; also what keeps message positions of two transactions apart. */
export const MAX_MESSAGES = 100;

export interface Message {
  /** From 0, in the order given. */
  readonly index: number;
  readonly topic: string;
  readonly key: Buffer | null;
  readonly state: MessageState;
  /** Fixed at commit at the latest, then never changed; null while nothing is known of the topic. */
  readonly partition: number | null;
  /** Place in the commit order of the whole broker; null until committed. A retried message gets a new one. */
  readonly commitOrder: number | null;
  readonly offset: number | null;
  /** Sends that Kafka refused. */
  readonly attempts: number;
  readonly lastError: string | null;
  /** When the message came to its end (forwarded, discarded, dropped). */
  readonly endedAt: number | null;
  readonly payloadBytes: number;
}

export interface Transaction {
  /** Arrival order, unique for ever in one store. */
  readonly sequence: number;
  readonly id: string;
  readonly group: string;
  readonly state: TransactionState;
  /** Digest of the content, see content.ts. */
  readonly digest: Buffer;
  readonly preparedAt: number;
  readonly resolvedAt: number | null;
  readonly resolvedBy: Resolver | null;
  /** When the next check is due; null once resolved or unresolved. */
  readonly nextCheckAt: number | null;
  /** Answers `unknown` so far. */
  readonly checkAttempts: number;
  /** Checks without an answer since the last answer. */
  readonly checkFailures: number;
  readonly lastCheckAt: number | null;
  readonly lastCheckError: string | null;
  readonly unresolved: boolean;
  readonly contradicted: boolean;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly messages: readonly Message[];
}

/** What is stored once and never changed: everything of a message that only Kafka needs. */
export interface MessageContent {
  readonly payload: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
  readonly contentType: string;
  readonly type: string;
}

/** `{transactionId}.{index}` → its parts, or null where it is not one. */
export const parseMessageId = (messageId: string): { transactionId: string; index: number } | null => {
  const match = /^([A-Za-z0-9_-]{1,64})\.(0|[1-9]\d?)$/.exec(messageId);
  return match ? { transactionId: match[1]!, index: Number(match[2]) } : null;
};

export const messageId = (transactionId: string, index: number): string => `${transactionId}.${index}`;

/** When a transaction came to its end: resolved, and no message ready or parked. Null before. Retention counts from it. */
export const endedAt = (transaction: Transaction): number | null => {
  if (transaction.resolvedAt === null) return null;
  let end = transaction.resolvedAt;
  for (const message of transaction.messages) {
    if (message.endedAt === null) return null;
    end = Math.max(end, message.endedAt);
  }
  return end;
};
