/** A message as it is prepared. */
import { Type } from 'typebox';
import type { Bytes } from '../protocol/wire.ts';
import { nullable, STRICT, TopicName } from './schema-words.ts';

const MAX_HEADERS = 64;
export const MAX_HEADER_NAME_BYTES = 128;
const MAX_TYPE_LENGTH = 256;
const MAX_PARTITION = 2 ** 31 - 1;

/** Header names that the broker writes itself, in any spelling. */
const RESERVED_HEADERS = [
  'content-type',
  'traceparent',
  'tracestate',
  'ce_specversion',
  'ce_id',
  'ce_source',
  'ce_type',
  'ce_time',
];

const anyCase = (text: string): string => text.replace(/[a-z]/g, letter => `[${letter}${letter.toUpperCase()}]`);

const BASE64 = {
  type: 'object',
  properties: { base64: { type: 'string', contentEncoding: 'base64' } },
  required: ['base64'],
  ...STRICT,
};

const BytesSchema = Type.Unsafe<Bytes>({
  anyOf: [{ type: 'string' }, BASE64],
  description: 'a string (its UTF-8 bytes) or {"base64": "…"}',
});

const NullableBytes = Type.Unsafe<Bytes | null>({
  anyOf: [{ type: ['string', 'null'] }, BASE64],
  description: 'a string (its UTF-8 bytes), {"base64": "…"} or null',
});

const Printable = nullable<string>('string', {
  minLength: 1,
  maxLength: MAX_TYPE_LENGTH,
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
  description: `1 to ${MAX_TYPE_LENGTH} characters without control characters, or null`,
});

const Headers = Type.Unsafe<Record<string, Bytes>>({
  type: 'object',
  maxProperties: MAX_HEADERS,
  propertyNames: {
    minLength: 1,
    maxLength: MAX_HEADER_NAME_BYTES,
    pattern: `^(?!(${RESERVED_HEADERS.map(anyCase).join('|')})$)`,
    description: `named by 1 to ${MAX_HEADER_NAME_BYTES} bytes, and not by a name the broker uses (${RESERVED_HEADERS.join(', ')})`,
  },
  additionalProperties: BytesSchema,
});

export const MessageInputSchema = Type.Object(
  {
    topic: TopicName,
    key: Type.Optional(NullableBytes),
    payload: NullableBytes,
    headers: Type.Optional(Headers),
    contentType: Type.Optional(Printable),
    type: Type.Optional(Printable),
    partition: Type.Optional(nullable<number>('integer', { minimum: 0, maximum: MAX_PARTITION })),
  },
  { ...STRICT, title: 'MessageInput' },
);
