/** What a message carries: as text, as JSON set out in lines, or byte by byte. */
import { type Bytes, decodeBytes, type MessageBody } from '../protocol/wire.ts';
import { size } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { isJson, setOut } from './json-text.ts';
import { notice } from './layout.ts';

export const FORMATS = ['json', 'text', 'hex'] as const;
export type Format = (typeof FORMATS)[number];

/** Shown at most. */
const MAX_CHARACTERS = 64 * 1024;
const MAX_HEX_BYTES = 16 * 1024;
const HEX_LINE = 16;
/** A key or the value of a header in a line of its own. */
const MAX_SHORT_BYTES = 1_024;
const NAMES: Record<Format, string> = { json: 'JSON', text: 'Text', hex: 'Bytes' };

const hexLine = (bytes: Buffer, at: number): string => {
  const part = bytes.subarray(at, at + HEX_LINE);
  const hex = part.toString('hex').replace(/../g, '$& ');
  const readable = part.toString('latin1').replace(/[^\x20-\x7e]/g, '·');
  return `${at.toString(16).padStart(8, '0')}  ${hex.padEnd(3 * HEX_LINE)} ${readable}`;
};

const hexOf = (bytes: Buffer): string =>
  Array.from({ length: Math.ceil(Math.min(bytes.length, MAX_HEX_BYTES) / HEX_LINE) }, (_, i) =>
    hexLine(bytes.subarray(0, MAX_HEX_BYTES), i * HEX_LINE),
  ).join('\n');

/** As short as it fits into a line: text where it is some, else base64. */
export const shortBytes = (value: Bytes | null): Html => {
  if (value === null) return html`<span class="quiet">none</span>`;
  const text = typeof value === 'string' ? value : value.base64;
  const shown = text.length > MAX_SHORT_BYTES ? `${text.slice(0, MAX_SHORT_BYTES)}…` : text;
  if (text === '') return html`<span class="quiet">empty</span>`;
  return typeof value === 'string'
    ? html`<bdi class="bytes">${shown}</bdi>`
    : html`<span class="quiet">base64</span> <bdi class="bytes">${shown}</bdi>`;
};

/** What is best to read: JSON where it is an object or a list, else text, else bytes. */
const bestFormat = (payload: Bytes): Format => {
  if (typeof payload !== 'string') return 'hex';
  return /^\s*[[{]/.test(payload) && isJson(payload) ? 'json' : 'text';
};

const shownAs = (payload: Bytes, format: Format): { text: string; remark: string | null } => {
  const bytes = decodeBytes(payload);
  const cut = (text: string): { text: string; remark: string | null } => ({
    text: text.slice(0, MAX_CHARACTERS),
    remark:
      text.length > MAX_CHARACTERS
        ? `The first ${size(MAX_CHARACTERS)} are shown; GET /v1/transactions/{id}?payload=true has all of it.`
        : null,
  });
  if (format === 'hex') {
    const isCut = bytes.length > MAX_HEX_BYTES;
    return {
      text: hexOf(bytes),
      remark: isCut ? `The first ${size(MAX_HEX_BYTES)} of ${size(bytes.length)} are shown.` : null,
    };
  }
  if (format === 'json') {
    const text = setOut(bytes.toString('utf8'), MAX_CHARACTERS);
    if (text !== null) return cut(text);
    return { ...cut(bytes.toString('utf8')), remark: 'This is no JSON: it is shown as text.' };
  }
  const shown = cut(bytes.toString('utf8'));
  return typeof payload === 'string'
    ? shown
    : { ...shown, remark: 'This is no UTF-8 text: what cannot be read is shown as �. Look at the bytes.' };
};

const content = (payload: Bytes | null | undefined, format: Format | null): Html => {
  if (payload === null || payload === undefined) return html`<p class="quiet">The payload is null: a tombstone.</p>`;
  if (payload === '') return html`<p class="quiet">The payload is empty.</p>`;
  const { text, remark } = shownAs(payload, format ?? bestFormat(payload));
  return html`${remark && notice('warn', remark)}<pre class="payload" tabindex="0" dir="ltr" data-testid="payload">${text}</pre>`;
};

const headerRows = (headers: Record<string, Bytes>): Html => {
  const entries = Object.entries(headers);
  if (entries.length === 0) return html`<p class="quiet">It has no headers of its own.</p>`;
  return html`<div class="scroll" role="region" aria-label="Headers" tabindex="0"><table><caption>Headers</caption><thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead><tbody>
${entries.map(([name, value]) => html`<tr><th scope="row"><bdi>${name}</bdi></th><td>${shortBytes(value)}</td></tr>`)}</tbody></table></div>`;
};

/** `path`: of the transaction; `index`: of the message. The message was asked for with its payload. */
export const payloadView = (path: string, index: number, message: MessageBody, format: Format | null): Html => {
  const chosen = format ?? (message.payload ? bestFormat(message.payload) : 'text');
  const link = (one: Format): Html =>
    one === chosen
      ? html`<a href="${path}?show=${index}&as=${one}#payload" aria-current="true">${NAMES[one]}</a>`
      : html`<a href="${path}?show=${index}&as=${one}#payload">${NAMES[one]}</a>`;
  return html`<section class="card" id="payload" aria-labelledby="payload-h">
<h2 id="payload-h">Payload of message ${index}</h2>
<p class="formats" role="group" aria-label="Shown as">${FORMATS.map(link)} <span class="quiet">${size(message.payloadBytes)} · ${message.contentType} · type ${message.type}</span> <a class="hide" href="${path}#messages">Hide</a></p>
${content(message.payload, format)}
${headerRows(message.headers ?? {})}
</section>`;
};
