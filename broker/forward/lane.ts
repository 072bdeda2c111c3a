/**
 * One topic-partition on its way to Kafka: the next messages in commit order, one send at a time, and what follows from
 * its outcome. It knows nothing of other lanes; when it may run is decided by topic-route.ts.
 */
import type { ReadyMessage } from '../store/store.ts';
import { spanStart, unobserved } from '../tracing.ts';
import { cloudEvent, recordBytes } from './cloud-event.ts';
import { parkAll, parkWaiting } from './parking.ts';
import { type KafkaRecord, PublishError } from './publisher.ts';
import { NO_ROOM } from './room.ts';
import { recordSend } from './send-spans.ts';
import { Setback } from './setback.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * One send: records, and bytes as Kafka counts them, under its default limit of 1,048,588. A larger record goes alone. Not
 * more records: while a send is encoded the client library takes a dozen times as much memory, for all lanes at once. Not
 * fewer bytes: a lane sends once in ten milliseconds, and large messages must get through.
 */
export const BATCH_RECORDS = 200;
export const BATCH_BYTES = 900_000;

interface Batch {
  readonly messages: readonly ReadyMessage[];
  readonly records: readonly KafkaRecord[];
  readonly bytes: number;
}

export class Lane {
  readonly topic: string;
  readonly partition: number;
  readonly setback: Setback;
  /** It may have messages. */
  wanted = true;
  busy = false;
  /** Up to this place in the commit order nothing is left to send. */
  drainedTo = 0;
  /** Messages in Kafka whose mark is not durable yet: the store still calls them ready. */
  unmarked = 0;
  readonly #around: Surroundings;
  /** Trouble of the whole topic, shared with its other lanes. */
  readonly #topicSetback: Setback;
  /** Place of the last message that is in Kafka or parked. Later ones are read behind it, so none is sent twice. */
  #cursor = 0;
  /** Among so many next messages is one that Kafka refuses; 0: none known. */
  #suspects = 0;
  /** Bytes of the smallest batch that was refused in the present search. */
  #refusedBytes = 0;
  #maxBytes = BATCH_BYTES;
  readonly #onMarked: (lane: Lane) => void;

  constructor(
    { topic, partition }: { topic: string; partition: number },
    around: Surroundings,
    topicSetback: Setback,
    onMarked: (lane: Lane) => void,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.setback = new Setback(around.parkAfterMs);
    this.#around = around;
    this.#topicSetback = topicSetback;
    this.#onMarked = onMarked;
  }

  /** Sends the next messages up to that place in the commit order. Sets `wanted` where there may be more. */
  async run(upTo: number): Promise<void> {
    const { hold, publisher } = this.#around;
    let held = BATCH_BYTES;
    hold(held);
    try {
      const batch = await this.#read(upTo);
      if (batch === null) {
        this.drainedTo = upTo;
        return;
      }
      hold(batch.bytes - held);
      held = batch.bytes;
      this.wanted = true;
      const startedAt = spanStart();
      const sent = await unobserved(() => publisher.send(this.topic, this.partition, batch.records)).catch(
        error => error as Error,
      );
      if (this.#around.abandoned) return;
      if (sent instanceof Error && !(sent instanceof PublishError)) throw sent;
      const outcome = sent instanceof PublishError ? sent : sent.baseOffset;
      recordSend({ topic: this.topic, partition: this.partition, messages: batch.messages, startedAt, outcome });
      if (outcome instanceof PublishError) await this.#refused(outcome, batch, upTo);
      else this.#accepted(batch, outcome);
    } finally {
      hold(-held);
    }
  }

  async #read(upTo: number): Promise<Batch | null> {
    // In trouble one message asks whether it is over: while Kafka is away a lane holds no more than that.
    const asking = this.setback.trouble !== null || this.#topicSetback.trouble !== null;
    const limit = this.#suspects > 0 ? Math.ceil(this.#suspects / 2) : asking ? 1 : BATCH_RECORDS;
    const { store, source } = this.#around;
    const found = await store.readyMessages(this, this.#cursor, upTo, limit, this.#maxBytes);
    const records: KafkaRecord[] = [];
    let bytes = 0;
    for (const message of found) {
      const record = cloudEvent(message, source);
      const size = recordBytes(record);
      if (records.length > 0 && bytes + size > this.#maxBytes) break;
      records.push(record);
      bytes += size;
    }
    return records.length === 0 ? null : { messages: found.slice(0, records.length), records, bytes };
  }

  #accepted({ messages }: Batch, baseOffset: number): void {
    const { marks, hooks, moment } = this.#around;
    this.#passed(messages);
    this.setback.over();
    this.#topicSetback.over();
    const oldest = messages.reduce((least, { resolvedAt }) => Math.min(least, resolvedAt), Number.POSITIVE_INFINITY);
    hooks.onForwarded?.(this.topic, messages.length, Math.max(0, moment().now - oldest));
    this.unmarked += messages.length;
    marks.add(messages, baseOffset, () => {
      this.unmarked -= messages.length;
      this.#onMarked(this);
    });
    if (this.#suspects === 0) return;
    this.#suspects = Math.max(0, this.#suspects - messages.length);
    // Each of them was accepted, so it was not one of them: the topic takes smaller batches only.
    if (this.#suspects === 0) this.#maxBytes = Math.ceil(this.#refusedBytes / 2);
  }

  async #refused({ fault, message: error }: PublishError, batch: Batch, upTo: number): Promise<void> {
    const { hooks, moment, parkAfterMs } = this.#around;
    hooks.onSendFailed?.(this.topic, fault);
    switch (fault) {
      case 'record':
        return this.#search(batch, error);
      case 'unknown':
        this.setback.happened(fault, error, moment());
        // Nobody knows what became of the topic meanwhile, so its fault has not been seen to last.
        this.#topicSetback.over();
        return;
      case 'topic':
      case 'partition': {
        const setback = fault === 'topic' ? this.#topicSetback : this.setback;
        // Whatever the trouble was before: Kafka answers, and where it lacks the partition it has the topic.
        (fault === 'topic' ? this.setback : this.#topicSetback).over();
        setback.happened(fault, error, moment());
        if (setback.lastedMs() >= parkAfterMs) await this.#parkWaiting(upTo, error, setback);
      }
    }
  }

  /** One of several records is at fault: halve until it is alone. Then it is parked and the others follow. */
  async #search({ messages, bytes }: Batch, error: string): Promise<void> {
    if (messages.length > 1) {
      this.#suspects = messages.length;
      this.#refusedBytes = bytes;
      return;
    }
    if (await parkAll(this.#around, this.topic, messages, error)) {
      this.#passed(messages);
      this.#suspects = 0;
    } else this.setback.happened('unknown', NO_ROOM, this.#around.moment());
  }

  async #parkWaiting(upTo: number, error: string, setback: Setback): Promise<void> {
    const reason = setback.trouble;
    // A success elsewhere in the topic ends it.
    const goOn = (): boolean => setback.trouble !== null && setback.trouble.since === reason?.since;
    const { cursor } = await parkWaiting(this.#around, { lane: this, after: this.#cursor, upTo, error, goOn });
    this.#cursor = cursor;
    this.#suspects = 0;
  }

  #passed(messages: readonly ReadyMessage[]): void {
    this.#cursor = messages.at(-1)!.commitOrder;
  }
}
