/** Operations as the JSON text in which they travel: written once, at the call, so that its faults are the caller's. */
import { isUtf8 } from 'node:buffer';
import { type Bytes, ID_PATTERN } from '../../broker/protocol/wire.ts';
import { InvalidCallError } from './client-errors.ts';

/** A string stands for its UTF-8 bytes. */
export type Content = string | Uint8Array;

export interface MessageDraft {
  topic: string;
  /** What decides the partition; null or left out: none. */
  key?: Content | null;
  /** `null` is a tombstone and must be written. */
  payload: Content | null;
  headers?: Record<string, Content>;
  contentType?: string | null;
  /** Becomes `ce_type`; the topic where there is none. */
  type?: string | null;
  partition?: number | null;
}

export interface TransactionDraft {
  /** `[A-Za-z0-9_-]{1,64}`, never used before; the client makes a time-ordered one where there is none. */
  id?: string;
  /** The client's `group` where there is none. */
  group?: string;
  /** 1..100. */
  messages: readonly MessageDraft[];
  /** The first check-back of this transaction only. */
  check?: { afterMs: number };
  /** W3C Trace Context, carried into the records. */
  traceparent?: string;
  tracestate?: string;
}

const ID = new RegExp(ID_PATTERN);

/** Of transactions and of groups. */
export const isId = (id: unknown): id is string => typeof id === 'string' && ID.test(id);

type Encode = (content: Content) => Bytes;

const base64 = (content: Content): Bytes => ({ base64: Buffer.from(content as string).toString('base64') });

/** Text is shorter than base64 and quicker to read, so bytes that are text travel as text. */
const textOrBase64: Encode = content => {
  if (typeof content === 'string') return content;
  if (!(content instanceof Uint8Array)) return content;
  if (!isUtf8(content)) return base64(content);
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8');
};

const isContent = (value: unknown): value is Content => typeof value === 'string' || value instanceof Uint8Array;

const encodeHeaders = (headers: Record<string, Content>, encode: Encode): Record<string, Bytes> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, encode(value)]));

/** Members that nobody knows stay: the broker refuses them, so that nobody believes they were obeyed. */
const encodeMessage = (message: MessageDraft, encode: Encode): object => {
  const { key, payload, headers } = message;
  if (payload !== null && !isContent(payload)) {
    throw new InvalidCallError('payload must be a string, a Uint8Array or null (a tombstone).');
  }
  return {
    ...message,
    ...(isContent(key) ? { key: encode(key) } : {}),
    payload: payload === null ? null : encode(payload),
    ...(headers ? { headers: encodeHeaders(headers, encode) } : {}),
  };
};

/** JSON writes a lone surrogate, which no UTF-8 can carry, as an escape; everything else above U+FFFF it leaves as it is. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/;

const textOf = (operation: object): string => {
  let text: string;
  try {
    text = JSON.stringify(operation);
  } catch (cause) {
    throw new InvalidCallError('The call has a value that JSON cannot carry.', { cause });
  }
  if (text.includes('\\ud') && LONE_SURROGATE.test(text)) {
    throw new InvalidCallError('A string has a lone surrogate, which has no UTF-8 bytes; give a Uint8Array instead.');
  }
  return text;
};

export interface OperationText {
  readonly text: string;
  /** Its length in UTF-8. */
  readonly bytes: number;
}

/** The largest operation that is sent, in bytes; a request of the broker's standard settings takes it. */
export const MAX_OPERATION_BYTES = 16 * 1024 * 1024 - 64;

/** `id` and `group` are final. Throws an InvalidCallError where the draft cannot be sent. */
export const prepareText = (draft: TransactionDraft, id: string, group: string): OperationText => {
  if (!Array.isArray(draft.messages)) throw new InvalidCallError('messages must be a list.');
  const written = (encode: Encode): OperationText => {
    const messages = (draft.messages as MessageDraft[]).map(message => encodeMessage(message, encode));
    const text = textOf({ ...draft, op: 'prepare', id, group, messages });
    return { text, bytes: Buffer.byteLength(text) };
  };
  const plain = written(textOrBase64);
  if (plain.bytes <= MAX_OPERATION_BYTES) return plain;
  // JSON writes a control character in six bytes, base64 in less than two.
  const shorter = written(base64);
  if (shorter.bytes <= MAX_OPERATION_BYTES) return shorter;
  throw new InvalidCallError(`The transaction takes ${shorter.bytes} bytes; ${MAX_OPERATION_BYTES} can be sent.`);
};

/** `id` has been judged. */
export const resolutionText = (resolution: 'commit' | 'rollback', id: string): OperationText => {
  const text = `{"op":"${resolution}","id":"${id}"}`;
  return { text, bytes: text.length };
};
