/** What operators did, with their reasons: kept for ever. */
import type { FastifyPluginAsync } from 'fastify';
import type { ActBody } from '../protocol/wire.ts';
import { moment } from './clock-words.ts';
import { type Fragment, type Html, html } from './html.ts';
import { emptyState, notice } from './layout.ts';
import { asInstant, choice, text, time } from './list-filters.ts';
import { PAGE, sendPage, statusOf } from './pages.ts';
import { queryOf, Refusal } from './rest.ts';
import { fieldsOf } from './visit.ts';

const PATH = '/console/history';
const PAGE_SIZE = 100;
const NAMES = ['act', 'by', 'group', 'target', 'since', 'until'] as const;

type Filters = Partial<Record<(typeof NAMES)[number], string>>;

const ACTS: readonly (readonly [string, string])[] = [
  ['commit', 'committed'],
  ['rollback', 'rolled back'],
  ['check', 'asked again'],
  ['retry', 'retried'],
  ['discard', 'discarded'],
  ['create_key', 'made a key'],
  ['revoke_key', 'revoked a key'],
  ['put_group', 'set a group'],
  ['backup', 'took a backup'],
];
const ACT_WORDS = new Map(ACTS);

const filtersOf = (query: unknown): Filters => {
  const given = fieldsOf(query);
  return Object.fromEntries(NAMES.filter(name => given[name]).map(name => [name, given[name]!.trim()]));
};

/** A key is named by its prefix, here as everywhere. */
const asWho = (by: string | undefined): string | undefined => (by?.startsWith('emq_') ? `operator:${by}` : by);

/** Where the target leads, as far as it has a page. */
const targetLink = ({ act, target }: ActBody): Fragment => {
  if (target === null) return html`<span class="quiet">the broker</span>`;
  if (act === 'retry' || act === 'discard') {
    return html`<a class="id" href="/console/transactions/${target.slice(0, target.lastIndexOf('.'))}">${target}</a>`;
  }
  if (act === 'commit' || act === 'rollback' || act === 'check') {
    return html`<a class="id" href="/console/transactions/${target}">${target}</a>`;
  }
  return act === 'put_group'
    ? html`<a href="/console/producer-groups/${target}">${target}</a>`
    : html`<span class="id">${target}</span>`;
};

const row = (act: ActBody, now: number): Html => html`<tr><td class="moment">${moment(act.at, now)}</td>
<td>${act.by === 'operator' ? html`<span class="quiet">operator</span>` : html`<span class="id">${act.by.replace(/^operator:/, '')}</span>`}</td>
<th scope="row">${ACT_WORDS.get(act.act) ?? act.act}</th>
<td>${targetLink(act)}</td>
<td class="roomy name">${act.group ?? '–'}</td>
<td class="long"><bdi>${act.reason ?? '–'}</bdi></td></tr>`;

const table = (
  acts: readonly ActBody[],
  now: number,
): Html => html`<div class="scroll" role="region" aria-label="History" tabindex="0"><table>
<caption class="unseen">Acts of operators, newest first</caption>
<thead><tr><th scope="col">When (UTC)</th><th scope="col">Who</th><th scope="col">Did</th><th scope="col">To</th><th scope="col" class="roomy">Group</th><th scope="col">Reason</th></tr></thead>
<tbody>${acts.map(act => row(act, now))}</tbody>
</table></div>`;

const form = (filters: Filters): Html => html`<form class="filters" action="${PATH}" role="search" aria-label="Filters">
${choice('act', 'Act', [['', 'any'], ...ACTS], filters.act)}
${text('by', 'By (operator, or a key’s prefix)', filters.by)}
${text('group', 'Producer group', filters.group)}
${text('target', 'To (id or prefix)', filters.target)}
${time('since', 'Since (UTC)', filters.since)}
${time('until', 'Before (UTC)', filters.until)}
<div class="do"><button class="act">Show</button><a href="${PATH}">Without filters</a></div>
</form>`;

export const historyRoutes: FastifyPluginAsync = async app => {
  app.get(PATH, PAGE, async (request, reply) => {
    const filters = filtersOf(request.query);
    const { cursor } = fieldsOf(request.query);
    const status = await statusOf(request);
    const { since, until, by, ...others } = filters;
    const query = queryOf({
      ...others,
      by: asWho(by),
      since: asInstant(since),
      until: asInstant(until),
      limit: PAGE_SIZE,
      cursor,
    });
    const heading = html`<h1>History</h1><p class="lead">What operators did, each with the reason. It is kept for ever.</p>${form(filters)}`;
    try {
      const { items, nextCursor } = await request.visit.rest.get<{ items: ActBody[]; nextCursor: string | null }>(
        `/v1/acts${query}`,
      );
      const list =
        items.length > 0
          ? table(items, Date.parse(status.now))
          : nextCursor === null &&
            emptyState('No such act', 'What a producer did stands in the history of its transaction, not here.');
      const older =
        nextCursor !== null &&
        html`<p>${items.length < PAGE_SIZE && html`<span class="quiet">There may be older ones.</span> `}<a href="${PATH}${queryOf({ ...filters, cursor: nextCursor })}">Older →</a></p>`;
      return await sendPage(request, reply, 'History', html`${heading}${list}${older}`, status);
    } catch (error) {
      if (!(error instanceof Refusal) || error.problem.status !== 400) throw error;
      return sendPage(
        request,
        reply.code(400),
        'History',
        html`${heading}${notice('bad', error.problem.detail)}`,
        status,
      );
    }
  });
};
