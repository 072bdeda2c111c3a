/** A scrape, read: what is in it, and what an expression asks of it. */

export interface Scrape {
  /** By name; a histogram under the name of all its parts. */
  readonly types: ReadonlyMap<string, string>;
  /** Label names by metric, as far as it has samples; `le` is a part of the histogram. */
  readonly labels: ReadonlyMap<string, ReadonlySet<string>>;
  /** By name with labels, as it stands there. */
  readonly values: ReadonlyMap<string, number>;
}

/** The text format of Prometheus. */
export const readScrape = (text: string): Scrape => {
  const types = new Map<string, string>();
  const labels = new Map<string, Set<string>>();
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, named, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (named !== undefined) types.set(named, type!);
    const [, series, name, inside = '', value] = /^(([a-zA-Z_:][\w:]*)(?:\{(.*)\})?) (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    values.set(series!, Number(value));
    const metric = metricOf(name, types);
    const known = labels.get(metric) ?? new Set();
    for (const [, label] of inside.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) if (label !== 'le') known.add(label!);
    labels.set(metric, known);
  }
  return { types, labels, values };
};

/** The metric that a series belongs to: parts of a histogram have names of their own. */
export const metricOf = (series: string, types: ReadonlyMap<string, string>): string => {
  const whole = series.replace(/_(bucket|sum|count)$/, '');
  return types.get(whole) === 'histogram' ? whole : series;
};
