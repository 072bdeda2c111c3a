/** Transactions, newest first. A rare filter takes several looks at the store: the page goes on by itself until it has found something. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { TransactionListItem } from '../protocol/wire.ts';
import { age, counted, stamp } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { emptyState, notice } from './layout.ts';
import { type Filters, filterForm, filtersOf, listPath, restQuery } from './list-filters.ts';
import { PAGE, sendHtml, sendPage, statusOf } from './pages.ts';
import { queryOf, Refusal } from './rest.ts';
import { parkedMark, resolverWords, transactionMark } from './state-words.ts';
import { fieldsOf } from './visit.ts';

const PAGE_SIZE = 50;
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const MESSAGE_ID = /^([A-Za-z0-9_-]{1,64})\.(\d{1,3})$/;
const PATH = '/console/transactions';

interface Page {
  readonly items: readonly TransactionListItem[];
  readonly nextCursor: string | null;
}

/** How far the search for one page has come. */
interface Search {
  readonly filters: Filters;
  readonly found: number;
  readonly looks: number;
}

const row = (item: TransactionListItem, now: number): Html => html`<tr>
<th scope="row"><a class="id" href="/console/transactions/${item.id}">${item.id}</a></th>
<td>${transactionMark(item)}${item.parked > 0 && parkedMark(item.parked)}</td>
<td class="roomy name"><a href="/console/producer-groups/${item.group}">${item.group}</a></td>
<td class="number">${age(item.preparedAt, now)}</td>
<td class="roomy stamp">${stamp(item.preparedAt)}</td>
<td class="roomiest">${item.resolvedBy === null ? html`<span class="quiet">nobody yet</span>` : resolverWords(item.resolvedBy)}</td>
</tr>`;

const COLUMNS = 6;

const cell = (content: Html): Html => html`<tr><td colspan="${COLUMNS}">${content}</td></tr>`;

const NOTHING = 'Ids and keys are compared exactly. What ended longer ago than the retention time is forgotten.';

/** What stands below the rows: that is all, there is more, or the search goes on. */
const tail = ({ filters, found, looks }: Search, cursor: string | null): Html => {
  if (cursor === null) {
    return found === 0
      ? html`<tbody class="tail">${cell(emptyState('No such transaction', NOTHING))}</tbody>`
      : html`<tbody class="tail">${cell(html`<p class="quiet">That is all: ${counted(found, 'transaction')} here.</p>`)}</tbody>`;
  }
  const older = listPath(PATH, filters, { cursor });
  if (found >= PAGE_SIZE)
    return html`<tbody class="tail">${cell(html`<a class="older" href="${older}" data-testid="older">Older transactions →</a>`)}</tbody>`;
  const more = listPath(`${PATH}/more`, filters, { cursor, found, looks });
  return html`<tbody class="tail" hx-get="${more}" hx-trigger="load delay:100ms" hx-swap="outerHTML" data-testid="searching">${cell(html`<div class="searching"><progress aria-label="Searching older transactions"></progress>
<span>Looking through older transactions: ${counted(looks, 'look')}, ${found === 0 ? 'nothing found so far' : html`${found} found so far`}.</span>
<button type="button" id="stop-search" class="plain" data-stop-search>Stop</button> <a id="go-on" href="${older}">Go on from here</a></div>`)}</tbody>`;
};

const rowsOf = (page: Page, search: Search, now: number): Html =>
  html`<tbody>${page.items.map(item => row(item, now))}</tbody>${tail(search, page.nextCursor)}`;

const table = (
  rows: Html,
): Html => html`<div class="scroll" role="region" aria-label="Transactions" tabindex="0"><table>
<caption class="unseen">Transactions, newest first</caption>
<thead><tr><th scope="col">Transaction</th><th scope="col">State</th><th scope="col" class="roomy">Producer group</th><th scope="col" class="number">Age</th><th scope="col" class="roomy">Stored (UTC)</th><th scope="col" class="roomiest">Decided by</th></tr></thead>
${rows}
</table></div>`;

const listOf = (request: FastifyRequest, filters: Filters, limit: number, cursor: string | null): Promise<Page> =>
  request.visit.rest.get<Page>(`/v1/transactions${queryOf({ ...restQuery(filters), limit, cursor })}`);

export const transactionListRoutes: FastifyPluginAsync = async app => {
  app.get('/console/search', PAGE, async (request, reply) => {
    const text = (fieldsOf(request.query).q ?? '').trim();
    if (text === '') return reply.redirect(PATH, 303);
    const [, ofMessage, index] = MESSAGE_ID.exec(text) ?? [];
    const id = ofMessage ?? text;
    if (ID.test(id) && (await request.visit.rest.call('GET', `/v1/transactions/${id}`)).status === 200) {
      return reply.redirect(`${PATH}/${id}${index === undefined ? '' : `#message-${Number(index)}`}`, 303);
    }
    return reply.redirect(`${PATH}${queryOf({ key: text })}`, 303);
  });

  app.get(PATH, PAGE, async (request, reply) => {
    const filters = filtersOf(request.query);
    const { cursor = null } = fieldsOf(request.query);
    const status = await statusOf(request);
    const heading = html`<h1>Transactions</h1>${filterForm(filters)}`;
    try {
      const page = await listOf(request, filters, PAGE_SIZE, cursor);
      const search = { filters, found: page.items.length, looks: 1 };
      const newest = cursor !== null && html`<p><a href="${listPath(PATH, filters)}">← Newest</a></p>`;
      return await sendPage(
        request,
        reply,
        'Transactions',
        html`${heading}${newest}${table(rowsOf(page, search, Date.parse(status.now)))}`,
        status,
      );
    } catch (error) {
      if (!(error instanceof Refusal) || error.problem.status !== 400) throw error;
      return sendPage(
        request,
        reply.code(400),
        'Transactions',
        html`${heading}${notice('bad', error.problem.detail)}`,
        status,
      );
    }
  });

  app.get(`${PATH}/more`, PAGE, async (request, reply) => {
    const { cursor = null, found = '0', looks = '0' } = fieldsOf(request.query);
    const before = Math.min(PAGE_SIZE, Number(found) || 0);
    const filters = filtersOf(request.query);
    const [status, page] = await Promise.all([
      statusOf(request),
      listOf(request, filters, Math.max(1, PAGE_SIZE - before), cursor),
    ]);
    const search = { filters, found: before + page.items.length, looks: (Number(looks) || 0) + 1 };
    return sendHtml(reply, rowsOf(page, search, Date.parse(status.now)));
  });
};
