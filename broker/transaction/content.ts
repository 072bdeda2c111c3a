/**
 * The digest by which a repeated prepare is told from another one under the same id. It covers group and, per message
 * in order, topic, key, payload, headers as a set, content type, type and partition; not the check settings, trace
 * headers or encoding. It outlives the payloads.
 */
import { hash } from 'node:crypto';
import type { MessageContent } from './transaction.ts';

export interface DigestedMessage extends MessageContent {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly partition: number | null;
}

/** 32 bytes. Each field goes in with its length, so that no two contents share a byte stream. */
export const contentDigest = (group: string, messages: readonly DigestedMessage[]): Buffer => {
  const parts: Buffer[] = [];
  let text = '';
  const field = (bytes: Buffer | string | null): void => {
    if (typeof bytes === 'string') text += `${Buffer.byteLength(bytes)}:${bytes}`;
    else if (bytes === null) text += 'n';
    else {
      parts.push(Buffer.from(`${text}${bytes.length}:`), bytes);
      text = '';
    }
  };
  field(group);
  for (const message of messages) {
    field(message.topic);
    field(message.key);
    field(message.payload);
    field(message.contentType);
    field(message.type);
    field(message.partition === null ? null : String(message.partition));
    field(String(message.headers.length));
    const headers = [...message.headers].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    for (const [name, value] of headers) {
      field(name);
      field(value);
    }
  }
  parts.push(Buffer.from(text));
  return hash('sha256', Buffer.concat(parts), 'buffer');
};
