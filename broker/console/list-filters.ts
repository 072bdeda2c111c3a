/** The filters of the list of transactions, as the form and the address have them, and as REST wants them. */
import { type Html, html } from './html.ts';
import { queryOf } from './rest.ts';
import { fieldsOf } from './visit.ts';

const FLAGS = ['unresolved', 'parked', 'discarded', 'contradicted'] as const;
const NAMES = ['state', 'is', 'group', 'topic', 'key', 'since', 'until'] as const;

export type Filters = Readonly<Partial<Record<(typeof NAMES)[number], string>>>;

export const filtersOf = (query: unknown): Filters => {
  const given = fieldsOf(query);
  return Object.fromEntries(NAMES.filter(name => given[name]).map(name => [name, given[name]!]));
};

/** What a browser writes for a time has no zone, and may have no seconds: it is UTC. What is not such a time stays. */
export const asInstant = (text: string | undefined): string | undefined => {
  const local = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(?:\.\d+)?)?$/.exec(text ?? '');
  return local === null ? text : `${local[1]}${local[2] ?? ':00'}Z`;
};

/** Query parameters of `GET /v1/transactions`. */
export const restQuery = ({ is, since, until, ...others }: Filters): Record<string, string> => {
  const flag = FLAGS.find(name => name === is);
  const query = {
    ...others,
    ...(flag === undefined ? {} : { [flag]: 'true' }),
    ...(since === undefined ? {} : { since: asInstant(since)! }),
    ...(until === undefined ? {} : { until: asInstant(until)! }),
  };
  return query;
};

/** The page with these filters, and what else is to stand in its address. */
export const listPath = (path: string, filters: Filters, more: Record<string, string | number | null> = {}): string =>
  `${path}${queryOf({ ...filters, ...more })}`;

const option = (value: string, words: string, chosen: string): Html =>
  value === chosen
    ? html`<option value="${value}" selected>${words}</option>`
    : html`<option value="${value}">${words}</option>`;

export const choice = (
  name: string,
  label: string,
  options: readonly (readonly [string, string])[],
  chosen = '',
): Html =>
  html`<label><span>${label}</span><select name="${name}">${options.map(([value, words]) => option(value, words, chosen))}</select></label>`;

export const text = (name: string, label: string, value = ''): Html =>
  html`<label><span>${label}</span><input name="${name}" value="${value}" maxlength="512" autocomplete="off" spellcheck="false"></label>`;

/** As the fields of browsers take it. */
const asLocal = (text: string): string => text.replace(/(?:\.\d+)?Z$/i, '');

export const time = (name: string, label: string, value = ''): Html =>
  html`<label class="time"><span>${label}</span><input name="${name}" value="${asLocal(value)}" type="datetime-local" step="1"></label>`;

const STATES = [
  ['', 'any'],
  ['prepared', 'undecided'],
  ['committed', 'committed'],
  ['rolled_back', 'rolled back'],
] as const;
const MARKS = [
  ['', 'anything'],
  ['unresolved', 'unresolved'],
  ['parked', 'with parked messages'],
  ['discarded', 'with discarded messages'],
  ['contradicted', 'contradicted'],
] as const;

export const filterForm = (
  filters: Filters,
): Html => html`<form class="filters" action="/console/transactions" role="search" aria-label="Filters">
${choice('state', 'State', STATES, filters.state)}
${choice('is', 'Only what is', MARKS, filters.is)}
${text('group', 'Producer group', filters.group)}
${text('topic', 'Topic', filters.topic)}
${text('key', 'Message key', filters.key)}
${time('since', 'Stored since (UTC)', filters.since)}
${time('until', 'Before (UTC)', filters.until)}
<div class="do"><button class="act">Show</button><a href="/console/transactions">Without filters</a></div>
</form>`;
