/**
 * What others wrote (keys of messages, errors, reasons) as text that moves no cursor and changes no colour, in tables that
 * fit the terminal.
 */
import type { Terminal } from './terminal.ts';

/** Controls, signs without a shape (those that turn the direction of writing), line ends of Unicode, halves of characters. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');

const escaped = (character: string): string => {
  const code = character.codePointAt(0)!;
  return SHORT[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`);
};

/** On one line. */
export const plain = (text: string): string => text.replace(UNSAFE, escaped);

/** On as many lines as it has. */
export const plainLines = (text: string): string => text.split('\n').map(plain).join('\n');

const units = (character: string): string =>
  character
    .split('')
    .map(unit => `\\u${hex(unit.charCodeAt(0), 4)}`)
    .join('');

/** The same document, with nothing in it that a terminal obeys. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value).replace(UNSAFE, units)}\n`;

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const NARROWEST = /\p{Mn}|\p{Me}|[\ufe00-\ufe0f]/u;

const widthOf = (character: string): number => {
  if (character <= '\u02ff' || !NARROWEST.test(character)) return WIDE.test(character) ? 2 : 1;
  return 0;
};

const width = (text: string): number => {
  let sum = 0;
  for (const character of text) sum += widthOf(character);
  return sum;
};

/** Cut so that it is at most so wide; what is cut off is shown as one sign. */
const clip = (text: string, most: number): string => {
  if (width(text) <= most) return text;
  let kept = '';
  let sum = 1;
  for (const character of text) {
    sum += widthOf(character);
    if (sum > most) break;
    kept += character;
  }
  return `${kept}…`;
};

/** Words that colour: good, in between, wants a person. */
const COLOURS: Record<string, string> = {
  ...Object.fromEntries(['committed', 'forwarded', 'ok', 'up', 'good'].map(word => [word, '32'])),
  ...Object.fromEntries(['prepared', 'held', 'ready', 'degraded', 'warn'].map(word => [word, '33'])),
  ...Object.fromEntries(['parked', 'unresolved', 'contradicted', 'unavailable', 'fail'].map(word => [word, '31'])),
};

const painted = (text: string, word: string, { hasColours }: Terminal): string => {
  const colour = hasColours ? COLOURS[word.trim()] : undefined;
  return colour === undefined ? text : `\u001b[${colour}m${text}\u001b[0m`;
};

/** A word in the colour that belongs to it, where there are colours. */
export const coloured = (word: string, terminal: Terminal): string => painted(plain(word), word, terminal);

export interface Column<Row> {
  readonly title: string;
  /** As it came: it is made plain here. Null is shown as a dash. */
  readonly of: (row: Row) => string | number | null;
  /** May be cut where the terminal is narrow. Of those that may, the widest is cut first. */
  readonly isLoose?: true;
}

const GAP = '  ';
/** No loose column is made narrower. */
const LOOSE_WIDTH = 8;

/** Writes rows under one head, also in several goes: a column never becomes narrower again. */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #terminal: Terminal;
  readonly #widths: number[];
  #isBegun = false;

  constructor(columns: readonly Column<Row>[], terminal: Terminal) {
    this.#columns = columns;
    this.#terminal = terminal;
    this.#widths = columns.map(({ title }) => width(title));
  }

  async write(rows: readonly Row[]): Promise<void> {
    const cells = rows.map(row =>
      this.#columns.map(({ of }) => {
        const value = of(row);
        return { text: value === null ? '-' : plain(String(value)), isNumber: typeof value === 'number' };
      }),
    );
    for (const line of cells)
      for (const [i, { text }] of line.entries()) this.#widths[i] = Math.max(this.#widths[i]!, width(text));
    const widths = this.#fitting();
    const lines = cells.map(line => this.#line(line, widths));
    if (!this.#isBegun)
      lines.unshift(
        this.#line(
          this.#columns.map(({ title }) => ({ text: title, isNumber: false })),
          widths,
        ),
      );
    this.#isBegun = true;
    await this.#terminal.write(lines.join(''));
  }

  /** The widest loose column gives way until everything fits, or nothing more can. */
  #fitting(): number[] {
    const widths = [...this.#widths];
    const { columns } = this.#terminal;
    const tooMuch = (): number =>
      columns === null ? 0 : widths.reduce((sum, w) => sum + w + GAP.length, -GAP.length) - columns;
    while (tooMuch() > 0) {
      const loose = [...widths.keys()].filter(i => this.#columns[i]!.isLoose && widths[i]! > LOOSE_WIDTH);
      if (loose.length === 0) break;
      const widest = loose.reduce((a, b) => (widths[b]! > widths[a]! ? b : a));
      widths[widest]!--;
    }
    return widths;
  }

  #line(cells: readonly { text: string; isNumber: boolean }[], widths: readonly number[]): string {
    const { columns } = this.#terminal;
    let left = columns ?? Number.POSITIVE_INFINITY;
    let line = '';
    for (const [i, { text, isNumber }] of cells.entries()) {
      const isLast = i === cells.length - 1;
      const shown = clip(text, Math.min(widths[i]!, left));
      const padding = ' '.repeat(Math.max(0, Math.min(widths[i]!, left) - width(shown)));
      line += (isNumber ? padding : '') + painted(shown, text, this.#terminal) + (isNumber || isLast ? '' : padding);
      left -= widths[i]! + GAP.length;
      if (left < LOOSE_WIDTH / 2) break;
      if (!isLast) line += GAP;
    }
    return `${line.trimEnd()}\n`;
  }
}

/** Names and what belongs to them, one below the other. */
export const facts = (
  rows: readonly (readonly [name: string, value: string | number | null])[],
  terminal: Terminal,
): string => {
  const widest = Math.max(...rows.map(([name]) => name.length));
  return rows
    .map(([name, value]) => `${name.padEnd(widest)}${GAP}${value === null ? '-' : coloured(String(value), terminal)}\n`)
    .join('');
};

/** 1234567 → 1,234,567 */
export const grouped = (count: number): string => count.toLocaleString('en');

/** `1 message`, `2 messages` */
export const counted = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Without what is below a second. */
export const toSecond = (instant: string | null): string | null => instant?.replace(/\.\d+Z$/, 'Z') ?? null;

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export const bytesText = (bytes: number): string => {
  const power = Math.min(BYTES.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${BYTES[power]}`;
};

const SPANS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
] as const;

/** `3d 4h`, `2m 5s`, `250ms`: the two largest parts. */
export const spanText = (ms: number): string => {
  const first = SPANS.findIndex(([size]) => ms >= size);
  if (first === -1) return `${Math.max(0, Math.round(ms))}ms`;
  const [size, unit] = SPANS[first]!;
  const rest = SPANS[first + 1];
  const more = rest === undefined ? 0 : Math.floor((ms % size) / rest[0]);
  return `${Math.floor(ms / size)}${unit}${more > 0 ? ` ${more}${rest![1]}` : ''}`;
};
