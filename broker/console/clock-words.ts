/** Times, ages and sizes in words. */
import { type Html, html } from './html.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Two units at most: `4 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. */
export const duration = (ms: number): string => {
  const whole = Math.max(0, ms);
  if (whole < SECOND) return `${Math.round(whole)} ms`;
  if (whole < 10 * SECOND) return `${(Math.floor(whole / 100) / 10).toFixed(1)} s`;
  if (whole < MINUTE) return `${Math.floor(whole / SECOND)} s`;
  const two = (large: number, unit: string, small: number, smallUnit: string): string => {
    const rest = Math.floor((whole % large) / small);
    return `${Math.floor(whole / large)} ${unit}${rest === 0 ? '' : ` ${rest} ${smallUnit}`}`;
  };
  if (whole < HOUR) return two(MINUTE, 'min', SECOND, 's');
  if (whole < DAY) return two(HOUR, 'h', MINUTE, 'min');
  return two(DAY, 'd', HOUR, 'h');
};

/** `3 min ago`, `in 20 s`. */
export const distance = (at: number, now: number): string =>
  at > now ? `in ${duration(at - now)}` : now - at < SECOND ? 'just now' : `${duration(now - at)} ago`;

/** The time as the broker wrote it, with its age beside it. `now`: ms since 1970. */
export const moment = (at: string | null, now: number, never = 'never'): Html =>
  at === null
    ? html`<span class="quiet">${never}</span>`
    : html`<time datetime="${at}" class="moment"><span class="stamp">${stamp(at)}</span> <span class="age">${distance(Date.parse(at), now)}</span></time>`;

/** Only the age, with the time for whoever points at it. */
export const age = (at: string | null, now: number, never = '–'): Html =>
  at === null
    ? html`<span class="quiet">${never}</span>`
    : html`<time datetime="${at}" title="${stamp(at)}">${duration(now - Date.parse(at))}</time>`;

/** `2026-11-21 10:00:00.123Z`. */
export const stamp = (at: string): string => at.replace('T', ' ');

const grouped = new Intl.NumberFormat('en-GB');
const THIN = '\u202f';

/** With thin spaces between thousands. */
export const figure = (count: number): string => grouped.format(count).replaceAll(',', THIN);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export const size = (bytes: number): string => {
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return unit === 0
    ? `${figure(value)} B`
    : `${value < 10 ? value.toFixed(1) : figure(Math.round(value))} ${UNITS[unit]}`;
};

/** `1 message`, `3 messages`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${figure(count)} ${count === 1 ? one : many}`;
