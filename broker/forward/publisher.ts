/**
 * The seam to Kafka. Two publishers stand behind it, kafka-publisher.ts and memory-publisher.ts; one conformance suite
 * (test/broker/publisher-conformance.ts) speaks for both.
 */

/** What a consumer finds. Headers have unique names. Bytes arrive unchanged; `value` null is a tombstone. */
export interface KafkaRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
}

/**
 * Whose fault it is that a send failed:
 * - `record`: one of the records is too large or invalid. Nothing of the send was written.
 * - `topic`: unknown topic, or no permission for it. Concerns every partition of it. Nothing was written.
 * - `partition`: the topic exists and lacks this partition. Nothing was written.
 * - `unknown`: everything else. The records may have been written or may still be: send them again.
 */
export type Fault = 'record' | 'topic' | 'partition' | 'unknown';

/** The only error of `send`. `message` is a sentence for people. */
export class PublishError extends Error {
  override name = 'PublishError';
  readonly fault: Fault;

  constructor(fault: Fault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/**
 * What Kafka says of a topic. `refused`: it answered, with an error that is neither a number nor "no such topic", like
 * a missing permission; a sentence.
 */
export type TopicAnswer = { readonly partitions: number } | { readonly missing: true } | { readonly refused: string };

/** How the last contact with Kafka went. */
export interface PublisherState {
  readonly status: 'up' | 'down';
  /** Since when, milliseconds since 1970. */
  readonly since: number;
  /** The last failure, kept when Kafka is up again; null: none so far. */
  readonly lastError: string | null;
}

export interface Publisher {
  /**
   * Writes the records to the partition, in the order given, all of them or none. Resolves only when Kafka has answered
   * that all in-sync replicas have them; the record at `i` has offset `baseOffset + i`. Rejects with a PublishError.
   * At most one send for the same partition at a time; it takes a minute at most.
   */
  send(topic: string, partition: number, records: readonly KafkaRecord[]): Promise<{ baseOffset: number }>;

  /** Asks Kafka now. Rejects, within seconds, where there is no answer. */
  lookUp(topic: string): Promise<TopicAnswer>;

  state(): PublisherState;

  /** Ends all connections; resolves when that is done, at the latest after `deadlineMs`. Never rejects. */
  close(deadlineMs: number): Promise<void>;
}
