/** The last minutes of a rate as a line. */
import { type Html, html } from './html.ts';
import { SAMPLES } from './sampler.ts';

const WIDTH = 300;
const HEIGHT = 48;

/** One number a second, the oldest first; the newest is at the right edge. */
export const sparkline = (values: readonly number[]): Html => {
  const top = Math.max(1, ...values);
  const step = WIDTH / (SAMPLES - 1);
  const begin = WIDTH - (values.length - 1) * step;
  const points = values.map(
    (value, i) => `${(begin + i * step).toFixed(1)} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`,
  );
  const line = points.length < 2 ? '' : `M${points.join('L')}`;
  const area = line === '' ? '' : `${line}L${WIDTH} ${HEIGHT}L${begin.toFixed(1)} ${HEIGHT}z`;
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true"><path class="area" d="${area}"/><path class="line" d="${line}"/></svg>`;
};
