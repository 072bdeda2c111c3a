/** The way of a message as one drawing: what waits where, since when, and how much passes. */
import { type Html, html } from './html.ts';
import type { Parts } from './sampler.ts';

interface Station {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
  /** Name of the part that counts what is there. */
  readonly count: string;
  readonly unit: string;
  /** Name of the part that says more, as how old the oldest is, and what stands before it. */
  readonly more?: { readonly part: string; readonly words: string };
  readonly href: string;
  /** What is there waits for a person. */
  readonly isExit?: boolean;
}

interface Arrow {
  readonly d: string;
  /** Where its words stand, and what passes: name of the part with the rate. */
  readonly label?: { readonly x: number; readonly y: number; readonly rate: string; readonly words: string };
  readonly isExit?: boolean;
}

interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly name: string;
  readonly stations: readonly Station[];
  readonly arrows: readonly Arrow[];
  /** Where it says what the first arrow comes from. */
  readonly origin: readonly [x: number, y: number];
}

const HALF = {
  title: 'Half messages',
  count: 'prepared',
  unit: 'undecided',
  more: { part: 'preparedAge', words: 'oldest ' },
  href: '/console/transactions?state=prepared',
};
const READY = {
  title: 'Waiting for Kafka',
  count: 'ready',
  unit: 'committed',
  more: { part: 'readyAge', words: 'oldest ' },
  href: '/console/topics',
};
const KAFKA = {
  title: 'Kafka',
  count: 'forwarded',
  unit: 'forwarded',
  more: { part: 'kafka', words: '' },
  href: '/console/transactions?state=committed',
};
const UNRESOLVED = {
  title: 'Unresolved',
  count: 'unresolved',
  unit: 'need a person',
  href: '/console/unresolved',
  isExit: true,
};
const PARKED = {
  title: 'Parked',
  count: 'parked',
  unit: 'need a person',
  more: { part: 'parkedAge', words: 'oldest ' },
  href: '/console/parked',
  isExit: true,
};

const WIDE: Drawing = {
  width: 1160,
  height: 300,
  name: 'wide',
  origin: [24, 84],
  stations: [
    { ...HALF, x: 200, y: 0, width: 216, height: 124 },
    { ...READY, x: 560, y: 0, width: 216, height: 124 },
    { ...KAFKA, x: 920, y: 0, width: 216, height: 124 },
    { ...UNRESOLVED, x: 200, y: 176, width: 216, height: 100 },
    { ...PARKED, x: 560, y: 176, width: 216, height: 124 },
  ],
  arrows: [
    { d: 'M24 62H194', label: { x: 24, y: 46, rate: 'preparedRate', words: 'prepared' } },
    { d: 'M416 62H554', label: { x: 428, y: 46, rate: 'committedRate', words: 'committed' } },
    { d: 'M776 62H914', label: { x: 788, y: 46, rate: 'forwardedRate', words: 'forwarded' } },
    { d: 'M308 124V170', isExit: true },
    { d: 'M668 124V170', isExit: true },
  ],
};

const NARROW: Drawing = {
  width: 344,
  height: 560,
  name: 'narrow',
  origin: [42, 18],
  stations: [
    { ...HALF, x: 0, y: 64, width: 184, height: 124 },
    { ...READY, x: 0, y: 248, width: 184, height: 124 },
    { ...KAFKA, x: 0, y: 432, width: 184, height: 124 },
    { ...UNRESOLVED, x: 216, y: 76, width: 128, height: 100 },
    { ...PARKED, more: { part: 'parkedAge', words: '' }, x: 216, y: 248, width: 128, height: 124 },
  ],
  arrows: [
    { d: 'M28 8V58', label: { x: 42, y: 38, rate: 'preparedRate', words: 'prepared' } },
    { d: 'M28 188V242', label: { x: 42, y: 222, rate: 'committedRate', words: 'committed' } },
    { d: 'M28 372V426', label: { x: 42, y: 406, rate: 'forwardedRate', words: 'forwarded' } },
    { d: 'M184 126H210', isExit: true },
    { d: 'M184 310H210', isExit: true },
  ],
};

const station = (place: Station, parts: Parts): Html => {
  const { x, y, width, height, title, count, unit, more, href, isExit } = place;
  const left = x + 16;
  const state = parts[count] === '0' ? 'empty' : 'waits';
  const last =
    more &&
    html`<text x="${left}" y="${y + 106}" class="sub">${more.words}<tspan sse-swap="${more.part}">${parts[more.part]}</tspan></text>`;
  return html`<a href="${href}" class="station ${isExit ? 'exit' : 'stage'} ${state}">
<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="10"/>
<text x="${left}" y="${y + 27}" class="title">${title}</text>
<text x="${left}" y="${y + 63}" class="count" sse-swap="${count}">${parts[count]}</text>
<text x="${left}" y="${y + 84}" class="sub">${unit}</text>${last}</a>`;
};

const arrow = (
  { d, label, isExit }: Arrow,
  head: string,
  parts: Parts,
): Html => html`<path class="${isExit ? 'arrow exit' : 'arrow'}" d="${d}" marker-end="url(#${head})"/>
${label && html`<text class="flow" x="${label.x}" y="${label.y}"><tspan class="rate" sse-swap="${label.rate}">${parts[label.rate]}</tspan> <tspan class="sub">${label.words}</tspan></text>`}`;

const drawing = ({ width, height, name, stations, arrows, origin: [x, y] }: Drawing, parts: Parts): Html => {
  const head = `head-${name}`;
  return html`<svg class="path ${name}" viewBox="-2 -2 ${width + 4} ${height + 4}" role="group" aria-label="The way of a message: from producers to half messages, then to what waits for Kafka, then into Kafka">
<defs><marker id="${head}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" class="head"/></marker></defs>
<text class="sub" x="${x}" y="${y}">from producers</text>
${arrows.map(one => arrow(one, head, parts))}
${stations.map(one => station(one, parts))}
</svg>`;
};

/** Two drawings of the same, of which the page shows the one that fits its width. */
export const pathPicture = (parts: Parts): Html =>
  html`<div class="picture">${drawing(WIDE, parts)}${drawing(NARROW, parts)}</div>`;
