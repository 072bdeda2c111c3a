/** What waits for a person, by its cause, and the list of those with one cause, with what can be done about them. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { AttentionBody, ParkedMessageBody, TransactionListItem } from '../protocol/wire.ts';
import { tokenField } from './act-forms.ts';
import { type Cause, causeLink, causesOf, wordsOf } from './causes.ts';
import { age, figure, stamp } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { emptyState, notice } from './layout.ts';
import { PAGE, sendPage, statusOf } from './pages.ts';
import { queryOf } from './rest.ts';
import { fieldsOf } from './visit.ts';
import { ACT_WORDS, KINDS, type Kind, mayAct } from './waiting-kinds.ts';

const PAGE_SIZE = 100;

interface Row {
  readonly id: string;
  readonly path: string;
  readonly place: string;
  readonly since: string;
  readonly error: string | null;
}

interface Listed {
  readonly rows: readonly Row[];
  readonly nextCursor: string | null;
}

/** What is listed: of a place and with an error, or without these all. The empty error stands for none. */
interface Filter {
  readonly place?: string | undefined;
  readonly lastError?: string | undefined;
}

const MANY = 'There are so many that only the newest are counted here; acts reach all of them.';

const causeRow = (cause: Cause, now: number): Html => html`<tr>
<th scope="row"><a href="${causeLink(cause)}">${cause.place}</a></th>
<td><bdi class="error">${cause.words}</bdi></td>
<td class="number"><strong>${figure(cause.count)}</strong></td>
<td class="number">${age(cause.oldestAt, now)}</td>
<td><a class="act" href="${causeLink(cause)}">Open<span class="unseen"> those of ${cause.place}: ${cause.words}</span></a></td>
</tr>`;

const causeTable = (
  kind: Kind,
  causes: readonly Cause[],
  now: number,
): Html => html`<div class="scroll" role="region" aria-label="Causes" tabindex="0"><table data-testid="causes">
<caption class="unseen">${kind.heading}, by cause, the most first</caption>
<thead><tr><th scope="col">${kind.placeName}</th><th scope="col">Last error</th><th scope="col" class="number">Count</th><th scope="col" class="number">Oldest</th><th scope="col"><span class="unseen">Open</span></th></tr></thead>
<tbody>${causes.map(cause => causeRow(cause, now))}</tbody>
</table></div>
<p><a href="${kind.path}/list">All of them in one list</a></p>`;

const transactionRow = ({ id, group, preparedAt }: TransactionListItem, error: string | null): Row => ({
  id,
  path: `/console/transactions/${id}`,
  place: group,
  since: preparedAt,
  error,
});

const messageRow = ({ id, transactionId, topic, committedAt, lastError }: ParkedMessageBody): Row => ({
  id,
  path: `/console/transactions/${transactionId}`,
  place: topic,
  since: committedAt,
  error: lastError,
});

/** The query parameters that both the list and an act on all of it have. */
export const restFilter = (kind: Kind, { place, lastError }: Filter): Record<string, string> => ({
  ...(kind.name === 'unresolved' ? { unresolved: 'true' } : {}),
  ...(place === undefined || place === '' ? {} : { [kind.place]: place }),
  ...(lastError === undefined ? {} : { lastError }),
});

const listOf = async (
  { visit }: FastifyRequest,
  kind: Kind,
  filter: Filter,
  cursor: string | null,
): Promise<Listed> => {
  const query = { ...restFilter(kind, filter), limit: PAGE_SIZE, cursor };
  if (kind.name === 'parked') {
    const { items, nextCursor } = await visit.rest.get<{ items: ParkedMessageBody[]; nextCursor: string | null }>(
      `/v1/messages${queryOf({ ...query, state: 'parked' })}`,
    );
    return { rows: items.map(messageRow), nextCursor };
  }
  const { items, nextCursor } = await visit.rest.get<{ items: TransactionListItem[]; nextCursor: string | null }>(
    `/v1/transactions${queryOf(query)}`,
  );
  return { rows: items.map(item => transactionRow(item, filter.lastError ?? null)), nextCursor };
};

const chooser = (id: string): Html =>
  html`<td><label class="choose"><input type="checkbox" name="id" value="${id}"><span class="unseen">Choose ${id}</span></label></td>`;

const rowOf = ({ id, path, place, since, error }: Row, kind: Kind, canAct: boolean, now: number): Html => html`<tr>
${canAct && chooser(id)}
<th scope="row"><a class="id" href="${path}">${id}</a></th>
<td class="roomy name">${place}</td>
<td class="number">${age(since, now)}</td>
<td class="roomy stamp">${stamp(since)}</td>
${kind.name === 'parked' && html`<td class="roomy"><bdi class="error">${error ?? '–'}</bdi></td>`}
</tr>`;

const chooseAll = html`<label class="choose" hidden><input type="checkbox" data-choose-all><span class="unseen">Choose all on this page</span></label>`;

const listTable = (
  { rows }: Listed,
  kind: Kind,
  canAct: boolean,
  now: number,
): Html => html`<div class="scroll" role="region" aria-label="${kind.heading}" tabindex="0"><table>
<caption class="unseen">${kind.heading}, newest first</caption>
<thead><tr>${canAct && html`<th scope="col">${chooseAll}<span class="unseen">Choose</span></th>`}<th scope="col">${kind.name === 'parked' ? 'Message' : 'Transaction'}</th><th scope="col" class="roomy">${kind.placeName}</th><th scope="col" class="number">Age</th><th scope="col" class="roomy">${kind.name === 'parked' ? 'Committed (UTC)' : 'Stored (UTC)'}</th>${kind.name === 'parked' && html`<th scope="col" class="roomy">Last error</th>`}</tr></thead>
<tbody>${rows.map(row => rowOf(row, kind, canAct, now))}</tbody>
</table></div>`;

const actBar = (kind: Kind): Html => html`<fieldset class="bulk"><legend>Do something about many at once</legend>
<p><label><input type="radio" name="scope" value="all" checked> all that this list has, on every page</label>
<label><input type="radio" name="scope" value="chosen"> only those chosen below</label></p>
<div class="acts">${kind.acts.map(act => html`<button class="act ${ACT_WORDS[act].isGrave && 'grave'}" name="act" value="${act}">${ACT_WORDS[act].name}…</button>`)}</div>
<p class="quiet">They are counted first; then you give a reason, and nothing happens before you confirm.</p></fieldset>`;

const subject = (kind: Kind, { place, lastError }: Filter): Html =>
  html`<p>${place && html`${kind.placeName} <strong>${place}</strong>`}${lastError !== undefined && html` · <bdi class="error">${wordsOf(kind.name, lastError === '' ? null : lastError)}</bdi>`}</p>`;

export const waitingRoutes: FastifyPluginAsync = async app => {
  for (const kind of Object.values(KINDS)) {
    app.get(kind.path, PAGE, async (request, reply) => {
      const [status, attention] = await Promise.all([
        statusOf(request),
        request.visit.rest.get<AttentionBody>('/v1/attention'),
      ]);
      const causes = causesOf(attention).filter(cause => cause.kind === kind.name);
      const main = html`<h1>${kind.heading}</h1><p class="lead">${kind.meaning}</p>
${!attention.isComplete && notice('warn', MANY)}
${causes.length === 0 ? emptyState(`Nothing is ${kind.name}`, kind.emptyWords, 'good') : causeTable(kind, causes, Date.parse(status.now))}
<p><a href="/console/jobs">What you did to many at once</a></p>`;
      return sendPage(request, reply, kind.heading, main, status);
    });

    app.get(`${kind.path}/list`, PAGE, async (request, reply) => {
      const { cursor = null, [kind.place]: place, lastError } = fieldsOf(request.query);
      const filter = { place, lastError };
      const [status, listed] = await Promise.all([statusOf(request), listOf(request, kind, filter, cursor)]);
      const { visitor } = request.visit;
      const canAct = mayAct(visitor);
      const table = listTable(listed, kind, canAct, Date.parse(status.now));
      const hidden = (name: string, value: string | undefined): Html | false =>
        value !== undefined && html`<input type="hidden" name="${name}" value="${value}">`;
      const content = canAct
        ? html`<form method="post" action="/console/jobs" data-testid="bulk">${tokenField(visitor.formToken)}${hidden('place', place)}${hidden('lastError', lastError)}${actBar(kind)}${table}</form>`
        : table;
      const older =
        listed.nextCursor !== null &&
        html`<p><a href="${kind.path}/list${queryOf({ [kind.place]: place, lastError, cursor: listed.nextCursor })}">Older →</a></p>`;
      const main = html`<p class="crumbs"><a href="${kind.path}">${kind.heading}</a></p>
<h1>${kind.heading}</h1>${subject(kind, filter)}
${listed.rows.length === 0 && listed.nextCursor === null ? emptyState('Nothing of this is left', `It was settled meanwhile. ${kind.emptyWords}`, 'good') : content}${older}`;
      return sendPage(request, reply, kind.heading, main, status);
    });
  }
};
