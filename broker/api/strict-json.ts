/**
 * JSON as the contract wants it: UTF-8 without a byte order mark, no lone surrogate, no member twice, 32 levels deep at
 * most. The work is JSON.parse and one linear look at the bytes: text and result must have the same number of members.
 */
import { isUtf8 } from 'node:buffer';
import { duplicateMember } from './duplicate-member.ts';
import { ApiError } from './problem.ts';

/** Members and list entries of one body: bounds the time that one request keeps everybody else. */
const MAX_VALUES = 1_000_000;
/** In a larger body a duplicate is refused without saying where it is: looking for it takes too long. */
const MAX_POINTED_BYTES = 1_000_000;

/** Objects and lists inside each other. */
export const MAX_DEPTH = 32;

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

const refuse = (detail: string, pointer?: string): never => {
  throw new ApiError({ code: 'VALIDATION_FAILED', detail, ...(pointer === undefined ? {} : { pointer }) });
};

/** The value of the text. Throws an ApiError (400) that says what is wrong and, where known, at which byte or member. */
export const parseStrictJson = (bytes: Buffer): unknown => {
  if (!isUtf8(bytes)) refuse('The body is not valid UTF-8.');
  if (BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte)) {
    refuse('The body begins with a byte order mark: send the JSON text alone.');
  }
  const members = scan(bytes);
  const value = parse(bytes);
  if (countMembers(value) !== members) {
    const pointer = bytes.length <= MAX_POINTED_BYTES ? duplicateMember(bytes) : null;
    refuse(`The body has ${pointer === null ? 'a member' : `the member ${pointer}`} twice.`, pointer ?? undefined);
  }
  return value;
};

const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    const position = / at position (\d+)/.exec((error as Error).message)?.[1];
    return refuse(
      position === undefined
        ? 'The body is not valid JSON: it ends too early or has something else in it.'
        : `The body is not valid JSON: something is wrong at character ${position}.`,
    );
  }
};

/** Counts the members as they are written, and refuses depth and lone surrogates on the way. */
const scan = (bytes: Buffer): number => {
  let depth = 0;
  let members = 0;
  let values = 0;
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        i = endOfString(bytes, i);
        break;
      case COLON:
        members++;
        break;
      case COMMA:
        if (++values > MAX_VALUES) refuse(`The body has more than ${MAX_VALUES} members and list entries.`);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        if (++depth > MAX_DEPTH) refuse(`The body is deeper than ${MAX_DEPTH} levels at byte ${i}.`);
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth--;
        break;
    }
  }
  return members;
};

/** From the opening quote to the closing one. Where there is none, JSON.parse will say so. */
const endOfString = (bytes: Buffer, opening: number): number => {
  let i = opening + 1;
  while (i < bytes.length && bytes[i] !== QUOTE) {
    i += bytes[i] === BACKSLASH ? escapeLength(bytes, i) : 1;
  }
  return i;
};

/** Bytes of the escape at `i`, both halves where it is a surrogate pair. */
const escapeLength = (bytes: Buffer, i: number): number => {
  const half = surrogateHalf(bytes, i);
  if (half === null) return 2;
  if (half === 'high' && surrogateHalf(bytes, i + 6) === 'low') return 12;
  return refuse(`The body has half of a surrogate pair at byte ${i}: it stands for no character.`);
};

/** `\uD8xx`..`\uDBxx` is a high half, `\uDCxx`..`\uDFxx` a low one. */
const surrogateHalf = (bytes: Buffer, i: number): 'high' | 'low' | null => {
  if (bytes[i] !== BACKSLASH || bytes[i + 1] !== 0x75 || (bytes[i + 2]! | 0x20) !== 0x64) return null;
  const digit = Number.parseInt(String.fromCharCode(bytes[i + 3] ?? 0), 16);
  return digit >= 12 ? 'low' : digit >= 8 ? 'high' : null;
};

const countMembers = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item);
    return members;
  }
  for (const name in value) members += 1 + countMembers((value as Record<string, unknown>)[name]);
  return members;
};
