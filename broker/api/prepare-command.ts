/** A prepare as it was written → the command that the coordinator takes, or what is wrong with it. */
import { v7 as timeOrderedId } from 'uuid';
import type { PrepareCommand, Refused } from '../coordinator/commands.ts';
import type { TraceContext } from '../protocol/trace-context.ts';
import {
  type Bytes,
  DEFAULT_CONTENT_TYPE,
  decodeBytes,
  type MessageInput,
  type PrepareInput,
} from '../protocol/wire.ts';
import { contentDigest, type DigestedMessage } from '../transaction/content.ts';
import { MAX_HEADER_NAME_BYTES } from './message-schema.ts';
import { type Fault, invalid } from './problem.ts';
import type { Limits, TopicSight } from './surroundings.ts';

/**
 * The command, all but for what Kafka says of its topics. `refusal` is what already speaks against a new transaction:
 * it must not come before the look at an existing id, so it travels with the command.
 */
export type Draft = Omit<PrepareCommand, 'refusal'> & { refusal: Refused | null };

/** What the schemas cannot see. */
class Unreadable extends Error {
  readonly fault: Fault;
  constructor(pointer: string, detail: string) {
    super(detail);
    this.fault = invalid(pointer, detail);
  }
}

/**
 * In memory of its own. Node puts small buffers into pages of 8 KiB that they share, and one of them that stays, as those
 * of a message do until it is forwarded, keeps the whole page.
 */
const apart = (bytes: Buffer): Buffer => {
  if (bytes.buffer.byteLength === bytes.length) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
};

const bytesAt = (value: Bytes, pointer: string): Buffer => {
  try {
    return apart(decodeBytes(value));
  } catch {
    throw new Unreadable(`${pointer}/base64`, 'must be padded, canonical base64 (RFC 4648 section 4)');
  }
};

const nullableBytesAt = (value: Bytes | null | undefined, pointer: string): Buffer | null =>
  value === null || value === undefined ? null : bytesAt(value, pointer);

const readHeaders = (headers: Record<string, Bytes> | undefined, at: string): [string, Buffer][] =>
  headers === undefined
    ? []
    : Object.entries(headers).map(([name, value]) => {
        const pointer = `${at}/headers/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
        if (Buffer.byteLength(name) > MAX_HEADER_NAME_BYTES) {
          throw new Unreadable(pointer, `must have a name of at most ${MAX_HEADER_NAME_BYTES} bytes in UTF-8`);
        }
        return [name, bytesAt(value, pointer)];
      });

const readMessage = (message: MessageInput, index: number): DigestedMessage => {
  const at = `/messages/${index}`;
  return {
    topic: message.topic,
    key: nullableBytesAt(message.key, `${at}/key`),
    payload: nullableBytesAt(message.payload, `${at}/payload`),
    headers: readHeaders(message.headers, at),
    contentType: message.contentType ?? DEFAULT_CONTENT_TYPE,
    type: message.type ?? message.topic,
    // JSON knows -0, the store does not.
    partition: message.partition === undefined || message.partition === null ? null : message.partition + 0,
  };
};

const sizeOf = ({ key, payload, headers }: DigestedMessage): number => {
  let size = (key?.length ?? 0) + (payload?.length ?? 0);
  for (const [name, value] of headers) size += Buffer.byteLength(name) + value.length;
  return size;
};

const sizeRefusal = (messages: readonly DigestedMessage[], limits: Limits): Refused | null => {
  let total = 0;
  for (const [index, message] of messages.entries()) {
    const size = sizeOf(message);
    total += size;
    if (size > limits.maxMessageBytes) {
      const limitBytes = limits.maxMessageBytes;
      const detail = `Message ${index} has ${size} bytes of payload, key and headers; ${limitBytes} are allowed.`;
      return { code: 'BODY_TOO_LARGE', detail, limitBytes, pointer: `/messages/${index}` };
    }
  }
  if (total <= limits.maxTransactionBytes) return null;
  const limitBytes = limits.maxTransactionBytes;
  const detail = `The messages have ${total} bytes of payload, key and headers; ${limitBytes} are allowed.`;
  return { code: 'BODY_TOO_LARGE', detail, limitBytes, pointer: '/messages' };
};

/** Only a key that is bound to a group says which one is meant. */
export const GROUP_MISSING = invalid('/group', 'must be there: only a producer key stands for a group by itself');

/** `input` has passed its schema. */
export const draftPrepare = (
  input: PrepareInput & { group: string },
  trace: TraceContext,
  limits: Limits,
): Draft | Fault => {
  try {
    const messages = input.messages.map(readMessage);
    return {
      type: 'prepare',
      id: input.id ?? timeOrderedId(),
      group: input.group,
      messages,
      digest: contentDigest(input.group, messages),
      afterMs: input.check?.afterMs ?? null,
      traceparent: trace.traceparent,
      tracestate: trace.tracestate,
      refusal: sizeRefusal(messages, limits),
    };
  } catch (error) {
    if (error instanceof Unreadable) return error.fault;
    throw error;
  }
};

/** Topics that Kafka must be asked about before the transaction can be accepted. */
export const topicsOf = (draft: Draft): string[] =>
  draft.refusal === null ? draft.messages.map(message => message.topic) : [];

/** Refuses what would fail after the commit, as far as Kafka has said. */
export const judgeTopics = (draft: Draft, seen: ReadonlyMap<string, TopicSight>): void => {
  if (draft.refusal !== null) return;
  for (const [index, { topic, partition }] of draft.messages.entries()) {
    const sight = seen.get(topic) ?? 'unknown';
    if (sight === 'unknown') continue;
    if (sight === 'missing') {
      const pointer = `/messages/${index}/topic`;
      draft.refusal = { code: 'TOPIC_NOT_FOUND', detail: `Kafka has no topic ${topic}.`, pointer };
    } else if (partition !== null && partition >= sight.partitions) {
      const detail = `Topic ${topic} has ${sight.partitions} partitions, so there is no partition ${partition}.`;
      draft.refusal = { code: 'PARTITION_NOT_FOUND', detail, pointer: `/messages/${index}/partition` };
    }
    if (draft.refusal !== null) return;
  }
};
