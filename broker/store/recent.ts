/**
 * What the store wrote last, so that it need not be read back: transactions that did not come to their end, with the
 * contents of their messages. Bounded in bytes; what does not fit any more is read from the database again.
 */
import { endedAt, type Message, type MessageContent, type Transaction } from '../transaction/transaction.ts';
import type { Changes, Lane, ReadyMessage } from './store.ts';

/** About what a transaction and a message take beside their contents. */
const TRANSACTION_BYTES = 700;
const MESSAGE_BYTES = 500;

interface Entry {
  transaction: Transaction;
  /** null: not known here. */
  readonly contents: readonly MessageContent[] | null;
  readonly bytes: number;
}

/** Ready messages of one lane. */
interface ReadyLane {
  /** Every ready message of the lane behind this place in the commit order is in `messages`, in that order. */
  completeFrom: number;
  readonly messages: Map<number, ReadyMessage>;
  /** Place of the last one that came in. */
  last: number;
}

const contentBytes = ({ payload, headers }: MessageContent): number => {
  let bytes = payload?.length ?? 0;
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
};

const entryOf = (transaction: Transaction, contents: Entry['contents']): Entry => {
  let bytes = TRANSACTION_BYTES;
  for (const { index, key } of transaction.messages) {
    bytes += MESSAGE_BYTES + (key?.length ?? 0);
    if (contents) bytes += contentBytes(contents[index]!);
  }
  return { transaction, contents, bytes };
};

const laneKey = (topic: string, partition: number | null): string => `${partition ?? ''}/${topic}`;

export class Recent {
  /** In the order in which they came. */
  readonly #entries = new Map<string, Entry>();
  readonly #lanes = new Map<string, ReadyLane>();
  readonly #mostBytes: number;
  /** Of lanes that are not in the map: those have no ready message behind it. */
  readonly #completeFrom: number;
  #bytes = 0;

  /** Nothing is known of ready messages up to `completeFrom` in the commit order. */
  constructor(completeFrom: number, mostBytes: number) {
    this.#completeFrom = completeFrom;
    this.#mostBytes = mostBytes;
  }

  transaction(id: string): Transaction | undefined {
    return this.#entries.get(id)?.transaction;
  }

  /** The changes are durable. */
  adopt({ inserted, updated, purged }: Changes): void {
    for (const { transaction, contents } of inserted) {
      // It may have been resolved in the same commit.
      if (endedAt(transaction) === null) this.#add(entryOf(transaction, contents));
      for (const message of transaction.messages) this.#moved(transaction, undefined, message);
    }
    for (const { before, after } of updated) {
      const entry = this.#entries.get(after.id);
      if (entry) entry.transaction = after;
      else this.#add(entryOf(after, null));
      for (const message of after.messages) {
        const earlier = before.messages[message.index];
        if (message !== earlier) this.#moved(after, earlier, message);
      }
      if (endedAt(after) !== null) this.#remove(after.id);
    }
    for (const { id } of purged) this.#remove(id);
    for (const [id, { transaction }] of this.#entries) {
      if (this.#bytes <= this.#mostBytes) break;
      this.#evict(id, transaction);
    }
  }

  /** As `Store.readyMessages`; null where not all of them are known here. */
  readyMessages(lane: Lane, after: number, upTo: number, limit: number, maxBytes: number): ReadyMessage[] | null {
    const known = this.#lanes.get(laneKey(lane.topic, lane.partition));
    if (after < (known?.completeFrom ?? this.#completeFrom)) return null;
    const found: ReadyMessage[] = [];
    let bytes = 0;
    for (const [order, message] of known?.messages ?? []) {
      if (order <= after) continue;
      if (order > upTo || found.length === limit) break;
      bytes += contentBytes(message) + (message.key?.length ?? 0);
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(message);
    }
    return found;
  }

  /** The database has no ready message of the lane behind `after` and up to `upTo`. */
  noneReady({ topic, partition }: Lane, after: number, upTo: number): void {
    const lane = this.#lane(topic, partition);
    if (upTo >= lane.completeFrom) lane.completeFrom = Math.min(lane.completeFrom, after);
  }

  #lane(topic: string, partition: number | null): ReadyLane {
    const key = laneKey(topic, partition);
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { completeFrom: this.#completeFrom, messages: new Map(), last: 0 };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #add(entry: Entry): void {
    this.#entries.set(entry.transaction.id, entry);
    this.#bytes += entry.bytes;
  }

  #remove(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#bytes -= entry.bytes;
    this.#entries.delete(id);
  }

  #evict(id: string, transaction: Transaction): void {
    this.#remove(id);
    for (const { state, topic, partition, commitOrder } of transaction.messages) {
      if (state === 'ready') this.#unknown(this.#lane(topic, partition), commitOrder!);
    }
  }

  #unknown(lane: ReadyLane, order: number): void {
    lane.messages.delete(order);
    lane.completeFrom = Math.max(lane.completeFrom, order);
  }

  #moved(transaction: Transaction, before: Message | undefined, after: Message): void {
    if (before?.state === 'ready') this.#lane(before.topic, before.partition).messages.delete(before.commitOrder!);
    if (after.state !== 'ready') return;
    const { commitOrder, partition, topic, key, index } = after;
    const lane = this.#lane(topic, partition);
    const content = this.#entries.get(transaction.id)?.contents?.[index];
    // One that got its partition late may belong before others of the lane.
    if (!content || commitOrder! < lane.last) {
      this.#unknown(lane, commitOrder!);
      return;
    }
    lane.last = commitOrder!;
    lane.messages.set(commitOrder!, {
      payload: content.payload,
      headers: content.headers,
      contentType: content.contentType,
      type: content.type,
      transactionId: transaction.id,
      group: transaction.group,
      index,
      key,
      commitOrder: commitOrder!,
      resolvedAt: transaction.resolvedAt!,
      traceparent: transaction.traceparent,
      tracestate: transaction.tracestate,
    });
  }
}
