/** Dead letters back onto the topics they came from. */
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import { ConsumerError, InvalidOptionError, said } from '../consumer-errors.ts';
import { settledWithin, within } from '../deadline.ts';
import { cleanHeaders, headerText, type RecordHeaders } from '../record/record-headers.ts';
import { SilenceWatch, silence } from '../silence.ts';
import { AcknowledgedSend } from './acknowledged-send.ts';
import { DEAD_LETTER_PREFIX, originOf, replayedRecord } from './dead-letter.ts';

/** How long Kafka may answer nothing, longer than a rebalance; and how long leaving it may take. In milliseconds. */
const LIMITS = { silentMs: 150_000, closeMs: 10_000 };

/** A dead letter as a filter sees it. */
export interface DeadLetterView {
  /** Where it lies in the dead-letter topic. */
  readonly partition: number;
  readonly offset: string;
  /** Where it came from. */
  readonly originTopic: string;
  readonly originPartition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
  /** What it failed of, and the group that gave it up. */
  readonly cause: string | null;
  readonly group: string | null;
}

export interface ReplayOptions {
  /** The user's kafkajs client. */
  kafka: Kafka;
  deadLetterTopic: string;
  /** Keeps how far replays have come; not the group of a service. Another name begins at the beginning again. */
  groupId: string;
  /** Which letters go back; the others are passed over. Default: all. */
  filter?: (letter: DeadLetterView) => boolean;
  /** So many go back at the most, a whole number; the next replay goes on behind the last of them. Default: all. */
  limit?: number;
  /** Ends it after the letter in hand. */
  signal?: AbortSignal;
}

export interface ReplayResult {
  /** Acknowledged by the topics they came from. */
  readonly replayed: number;
  /** Passed over by the filter. */
  readonly filtered: number;
  /** No letters of this SDK: passed over. */
  readonly foreign: number;
}

const viewOf = (partition: number, message: KafkaMessage): DeadLetterView | null => {
  const origin = originOf(message.headers);
  if (origin === null) return null;
  const { offset, key, value } = message;
  const headers = cleanHeaders(message.headers);
  return {
    partition,
    offset,
    originTopic: origin.topic,
    originPartition: origin.partition,
    key,
    value,
    headers,
    cause: headerText(headers, `${DEAD_LETTER_PREFIX}cause`),
    group: headerText(headers, `${DEAD_LETTER_PREFIX}group`),
  };
};

/** Which offsets are still to be passed, by partition: up to what was there at the start. */
const ends = async ({ kafka, deadLetterTopic, groupId }: ReplayOptions): Promise<Map<number, bigint>> => {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const bounds = await admin.fetchTopicOffsets(deadLetterTopic);
    const [stored] = await admin.fetchOffsets({ groupId, topics: [deadLetterTopic] });
    const left = new Map<number, bigint>();
    for (const { partition, low, high } of bounds) {
      const known = BigInt(stored?.partitions.find(one => one.partition === partition)?.offset ?? '-1');
      const next = known > BigInt(low) ? known : BigInt(low);
      if (next < BigInt(high)) left.set(partition, BigInt(high));
    }
    return left;
  } finally {
    await settledWithin(admin.disconnect(), LIMITS.closeMs);
  }
};

class Replay {
  readonly #options: ReplayOptions;
  readonly #send: AcknowledgedSend;
  readonly #left: Map<number, bigint>;
  readonly #result = { replayed: 0, filtered: 0, foreign: 0 };
  #isOver = false;
  #end: (error: unknown) => void = () => {};
  readonly ended: Promise<unknown>;

  constructor(options: ReplayOptions, send: AcknowledgedSend, left: Map<number, bigint>) {
    this.#options = options;
    this.#send = send;
    this.#left = left;
    this.ended = new Promise(resolve => {
      this.#end = resolve;
    });
  }

  get result(): ReplayResult {
    return { ...this.#result };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  finish(error: unknown): void {
    this.#isOver = true;
    this.#end(error);
  }

  /** What another replay of the same group has got is left to it. */
  keepOnly(partitions: readonly number[]): void {
    for (const partition of this.#left.keys()) if (!partitions.includes(partition)) this.#left.delete(partition);
    if (this.#left.size === 0) this.finish(null);
  }

  /** Everything before this offset is passed. */
  passed(partition: number, next: bigint): void {
    const end = this.#left.get(partition);
    if (end !== undefined && next >= end) this.#left.delete(partition);
    if (this.#left.size === 0) this.finish(null);
  }

  /** Rejects where a letter could not be sent: it and the following ones stay for the next replay. */
  async accept({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary }: EachBatchPayload): Promise<void> {
    const { topic, partition } = batch;
    for (const message of batch.messages) {
      const end = this.#left.get(partition);
      if (this.#isOver || end === undefined || BigInt(message.offset) >= end) return;
      if (this.#options.signal?.aborted || this.#result.replayed === this.#options.limit) return this.finish(null);
      await this.#put(viewOf(partition, message), message);
      const isLast = message === batch.messages.at(-1);
      const next = BigInt(isLast ? batch.lastOffset() : message.offset) + 1n;
      await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(next) }] }] });
      resolveOffset(message.offset);
      this.passed(partition, next);
      await heartbeat();
    }
  }

  async #put(letter: DeadLetterView | null, message: KafkaMessage): Promise<void> {
    if (letter === null) {
      this.#result.foreign += 1;
    } else if (this.#options.filter?.(letter) === false) {
      this.#result.filtered += 1;
    } else {
      const { originTopic: topic, originPartition } = letter;
      try {
        await this.#send.send(topic, replayedRecord({ topic, partition: originPartition }, message));
      } catch (error) {
        // kafkajs would try again by itself for long before it said so.
        this.finish(error);
        throw error;
      }
      this.#result.replayed += 1;
    }
  }
}

/** Resolves once the group is joined, or what went wrong has ended the replay. */
const consume = async (consumer: Consumer, replay: Replay, topic: string): Promise<void> => {
  const { events } = consumer;
  consumer.on(events.CRASH, ({ payload }) => replay.finish(payload.error));
  consumer.on(events.GROUP_JOIN, ({ payload }) => replay.keepOnly(payload.memberAssignment[topic] ?? []));
  // Also of fetches that contain nothing but the marks of transactions.
  consumer.on(events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    if (lastOffset !== null) replay.passed(partition, BigInt(lastOffset) + 1n);
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    if (replay.isOver) return;
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: payload => replay.accept(payload),
    });
  } catch (error) {
    replay.finish(error);
  }
};

/** Resolves with what ended it, null in good order, once the group is left. */
const runReplay = async (
  replay: Replay,
  options: ReplayOptions,
  { silentMs, closeMs }: typeof LIMITS,
): Promise<unknown> => {
  const { kafka, deadLetterTopic, groupId, signal } = options;
  const consumer = kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 500,
    retry: { restartOnFailure: async () => false },
  });
  const watch = new SilenceWatch(consumer, silentMs, error => replay.finish(error));
  const abort = (): void => replay.finish(null);
  signal?.addEventListener('abort', abort, { once: true });
  const joining = consume(consumer, replay, deadLetterTopic);
  const error = await replay.ended;
  signal?.removeEventListener('abort', abort);
  watch.stop();
  // A member that has not joined yet cannot leave, and would hold up the next replay.
  await settledWithin(joining, closeMs);
  await settledWithin(consumer.disconnect(), closeMs);
  return error;
};

/** `replayDeadLetters` with limits of one's own. */
export const putBack = async (options: ReplayOptions, limits: typeof LIMITS): Promise<ReplayResult> => {
  const { kafka, deadLetterTopic, groupId, limit, signal } = options;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw new InvalidOptionError('limit must be a whole number above 0, or left out.');
  }
  if (!groupId || !deadLetterTopic) throw new InvalidOptionError('deadLetterTopic and groupId must be given.');
  const send = new AcknowledgedSend(kafka);
  let replay: Replay | null = null;
  try {
    const left = await within(ends(options), limits.silentMs, () => silence(limits.silentMs));
    replay = new Replay(options, send, left);
    if (left.size === 0 || signal?.aborted) return replay.result;
    const error = await runReplay(replay, options, limits);
    if (error !== null) throw error;
    return replay.result;
  } catch (error) {
    const { replayed = 0 } = replay?.result ?? {};
    throw new ConsumerError('REPLAY_FAILED', `The replay ended after ${replayed} letters: ${said(error)}`, true, error);
  } finally {
    await send.close();
  }
};

/**
 * Puts dead letters back at the end of the topics they came from, each onto its partition, without the headers that were
 * added: they are delivered again under the same identity, to every group of those topics. Groups that handled them
 * answer them from their inbox; plain consumers see them twice. One letter after the other, each acknowledged before
 * its offset is committed; what is sent right before a crash is sent again, under the same identity. Ends with what was
 * there at its start. Rejects with `REPLAY_FAILED` where Kafka did: what was put back until then stays so, and the next
 * replay of the group goes on from there.
 */
export const replayDeadLetters = (options: ReplayOptions): Promise<ReplayResult> => putBack(options, LIMITS);
