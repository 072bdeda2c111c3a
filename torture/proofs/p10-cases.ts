/** Bytes that somebody may hand in, and how they are written in a request; what arrived is held against them. */
import type { TopicRecord } from '../../test/support/topics.ts';
import type { Random } from '../random.ts';

/** In the notation of the interface, and what it stands for. */
interface Written {
  readonly written: string | { readonly base64: string } | null;
  readonly bytes: Buffer | null;
}

export interface ByteCase {
  readonly payload: Written;
  readonly key: Written;
  readonly headers: ReadonlyMap<string, Written>;
}

const asText = (text: string): Written => ({ written: text, bytes: Buffer.from(text) });
const asBase64 = (bytes: Buffer): Written => ({ written: { base64: bytes.toString('base64') }, bytes });
const NOTHING: Written = { written: null, bytes: null };
const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** Not UTF-8: cut short, a lone continuation, too long a form, a surrogate, beyond the last code point. */
const NOT_UTF8 = ['c3', '80', 'c080', 'e080af', 'eda080', 'f4908080', 'fffe', '41e282', 'f09f98'];

/** Whoever normalises, trims or decodes carelessly changes one of these. */
const TEXTS = [
  ...[
    '\u0000',
    '\ufeff',
    '\ufeffx\ufeff',
    '\u2028\u2029',
    '\u00a0 \t\r\n',
    '\uffff\ufdd0',
    '\u{10ffff}',
    'é',
    'e\u0301',
  ],
  ...[
    '\u202eabc',
    '👩‍👩‍👧',
    'ﬁ Å Å',
    '%00%7B',
    '\\u0041',
    '"',
    "'",
    '<&>',
    'null',
    'undefined',
    'NaN',
    '[object Object]',
  ],
];

const JSON_VALUES = [
  ...['1e2', '1E+2', '1.0', '-0', '0.10', '12345678901234567890', '1e400', '"\\u0041"', '"\\/"', '"\\ud800"', '"é"'],
  ...['""', 'true', 'null', '{}', '[ ]', '{"b":1,"a":2}', '{"2":1,"1":2}', '{"a":1,"a":2}', '{"__proto__":1}'],
];
const SPACES = ['', '', ' ', '\n', '\t', '\r\n  '];

const oneOf = <T>(random: Random, all: readonly T[]): T => all[random.below(all.length)]!;

const randomBytes = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.below(256)));

const randomText = (random: Random, length: number): string => {
  let text = '';
  for (let i = 0; i < length; i++) {
    const point = random.below([0x80, 0x800, 0xd800, 0x110000][random.below(4)]!);
    text += point >= 0xd800 && point < 0xe000 ? oneOf(random, TEXTS) : String.fromCodePoint(point);
  }
  return text;
};

/** Valid, and not as `JSON.stringify` would write it, mostly. */
const jsonText = (random: Random, depth = 2): string => {
  const space = (): string => oneOf(random, SPACES);
  if (depth === 0 || random.below(4) === 0) return `${space()}${oneOf(random, JSON_VALUES)}${space()}`;
  const inner = Array.from({ length: random.below(4) }, () => jsonText(random, depth - 1));
  if (random.below(2) === 0) return `${space()}[${inner.join(',') || space()}]${space()}`;
  const members = inner.map(
    value => `${space()}"${oneOf(random, ['z', 'a', '10', '9', '\\u0061', ''])}"${space()}:${value}`,
  );
  return `${space()}{${members.join(',')}}${space()}`;
};

const KINDS: readonly ((random: Random) => Written)[] = [
  () => asText(''),
  () => asBase64(Buffer.alloc(0)),
  () => asBase64(EVERY_BYTE),
  random => asBase64(randomBytes(random, random.below(200))),
  random =>
    asBase64(Buffer.concat([randomBytes(random, random.below(3)), Buffer.from(oneOf(random, NOT_UTF8), 'hex')])),
  random => asBase64(Buffer.from(randomText(random, random.below(20)))),
  random => asText(oneOf(random, TEXTS)),
  random => asText(randomText(random, random.below(60))),
  random => asText(jsonText(random)),
  random => asText(jsonText(random)),
  random => asBase64(Buffer.from(jsonText(random))),
];
/** One of so many payloads is long. */
const LONG = 200;
const LONGEST = 60_000;

export const byteCase = (random: Random): ByteCase => {
  const some = (): Written => oneOf(random, KINDS)(random);
  const orNull = (): Written => (random.below(12) === 0 ? NOTHING : some());
  const headers = new Map<string, Written>();
  for (let i = random.below(4); i > 0; i--) headers.set(`h${i}${randomText(random, random.below(8))}`, some());
  const payload = random.below(LONG) === 0 ? asBase64(randomBytes(random, random.below(LONGEST))) : orNull();
  return { payload, key: orNull(), headers };
};

/** As a message of a prepare. */
export const messageOf = (topic: string, { payload, key, headers }: ByteCase): object => ({
  topic,
  payload: payload.written,
  key: key.written,
  headers: Object.fromEntries([...headers].map(([name, { written }]) => [name, written])),
});

const ADDED = /^(ce_(specversion|id|source|type|time)|content-type)$/;

const shown = (bytes: Buffer | null | undefined): string =>
  bytes === null || bytes === undefined ? String(bytes) : `${bytes.length} bytes ${bytes.toString('hex').slice(0, 60)}`;

const isSame = (a: Buffer | null, b: Buffer | null): boolean => (a === null || b === null ? a === b : a.equals(b));

/** What became of one case, each difference a sentence. `record` undefined: it did not arrive. */
export const differences = (
  id: string,
  { payload, key, headers }: ByteCase,
  record: Pick<TopicRecord, 'key' | 'value' | 'headers'> | undefined,
): string[] => {
  if (record === undefined) return [`${id}: it did not arrive`];
  const found: string[] = [];
  const compare = (what: string, wanted: Buffer | null, had: Buffer | null): void => {
    if (!isSame(wanted, had)) found.push(`${id}: its ${what} is ${shown(had)}, and was ${shown(wanted)}`);
  };
  compare('payload', payload.bytes, record.value);
  compare('key', key.bytes, record.key);
  for (const [name, { bytes }] of headers) {
    const had = record.headers[name];
    if (had === undefined || Array.isArray(had))
      found.push(`${id}: its header ${JSON.stringify(name)} is not there once`);
    else compare(`header ${JSON.stringify(name)}`, bytes, had);
  }
  for (const name of Object.keys(record.headers)) {
    if (!headers.has(name) && !ADDED.test(name)) found.push(`${id}: nobody gave it the header ${JSON.stringify(name)}`);
  }
  return found;
};
