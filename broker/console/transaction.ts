/** The page of one transaction, and the acts on it and on its messages. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { StatusBody, TransactionDetail } from '../protocol/wire.ts';
import { html } from './html.ts';
import { notice } from './layout.ts';
import { FORM, PAGE, sendHtml, sendPage, statusOf } from './pages.ts';
import { FORMATS, type Format, payloadView } from './payload-view.ts';
import { Refusal } from './rest.ts';
import { actArea, knownArea, standOf, storyArea, transactionPath } from './transaction-view.ts';
import { fieldsOf } from './visit.ts';

interface Params {
  readonly Params: { readonly id: string };
}

const DONE: Readonly<Record<string, string>> = {
  commit: 'It is committed; your reason stands in the history.',
  rollback: 'It is rolled back; your reason stands in the history.',
  check: 'Its producer group is being asked; your reason stands in the history.',
  retry: 'The message is sent again; your reason stands in the history.',
  discard: 'The message is discarded; your reason stands in the history.',
};

/** The index of the message whose payload is to be shown. */
const shownIndex = (text: string | undefined): number | null => (/^\d{1,3}$/.test(text ?? '') ? Number(text) : null);

const formatOf = (text: string | undefined): Format | null => FORMATS.find(format => format === text) ?? null;

const detailOf = (request: FastifyRequest, id: string, withPayload: boolean): Promise<TransactionDetail> =>
  request.visit.rest.get<TransactionDetail>(
    `/v1/transactions/${encodeURIComponent(id)}${withPayload ? '?payload=true' : ''}`,
  );

const messageAt = ({ messages }: TransactionDetail, index: number | null) =>
  index === null ? undefined : messages[index];

const show = async (
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  refused: string | null = null,
): Promise<FastifyReply> => {
  const { show: shown, as, done } = fieldsOf(request.query);
  const index = shownIndex(shown);
  const [status, detail] = await Promise.all([statusOf(request), detailOf(request, id, index !== null)]);
  const message = messageAt(detail, index);
  const { visitor } = request.visit;
  const now = Date.parse(status.now);
  const sent = refused === null ? null : { action: request.url, reason: fieldsOf(request.body).reason ?? '' };
  const main = html`<p class="crumbs"><a href="/console/transactions">Transactions</a></p>
<h1 class="id"><span data-copy>${detail.id}</span></h1>
${refused && notice('bad', html`${refused} Nothing was changed by this.`)}
${!refused && DONE[done ?? ''] && notice('good', DONE[done ?? '']!)}
<p class="unseen" role="status" id="stand"></p>
<div id="story">${storyArea(detail, now)}</div>
<div id="acts">${actArea(detail, visitor, sent)}</div>
${message && payloadView(transactionPath(id), index!, message, formatOf(as))}
${knownArea(detail, now)}`;
  return sendPage(request, reply, detail.id, main, status);
};

export const transactionRoutes: FastifyPluginAsync = async app => {
  app.get<Params>('/console/transactions/:id', PAGE, (request, reply) => show(request, reply, request.params.id));

  app.get<Params>('/console/transactions/:id/now', PAGE, async (request, reply) => {
    const { stand } = fieldsOf(request.query);
    const [status, detail] = await Promise.all([statusOf(request), detailOf(request, request.params.id, false)]);
    const now = Date.parse(status.now);
    const known = html`${knownArea(detail, now)}<div id="story" hx-swap-oob="true">${storyArea(detail, now)}</div>`;
    if (stand === standOf(detail)) return sendHtml(reply, known);
    // It is no longer what the forms were made for.
    return sendHtml(
      reply,
      html`${known}<div id="acts" hx-swap-oob="true">${actArea(detail, request.visit.visitor)}</div>
<p class="unseen" role="status" id="stand" hx-swap-oob="true">The transaction has changed: ${standWords(detail, status)}</p>`,
    );
  });

  /** Acts, and shows what is the case afterwards; a refusal is shown above it. */
  const act = async (request: FastifyRequest, reply: FastifyReply, id: string, path: string, name: string) => {
    const { reason = '' } = fieldsOf(request.body);
    try {
      await request.visit.rest.ask('POST', path, { reason });
      return reply.redirect(`${transactionPath(id)}?done=${name}`, 303);
    } catch (error) {
      if (!(error instanceof Refusal) || error.problem.status === 401 || error.problem.status === 404) throw error;
      return show(request, reply.code(error.problem.status), id, error.problem.detail);
    }
  };

  for (const name of ['commit', 'rollback', 'check'] as const) {
    app.post<Params>(`/console/transactions/:id/${name}`, FORM, (request, reply) => {
      const { id } = request.params;
      return act(request, reply, id, `/v1/transactions/${encodeURIComponent(id)}/${name}`, name);
    });
  }

  for (const name of ['retry', 'discard'] as const) {
    app.post<Params>(`/console/messages/:id/${name}`, FORM, (request, reply) => {
      const { id } = request.params;
      const transactionId = id.slice(0, Math.max(0, id.lastIndexOf('.')));
      return act(request, reply, transactionId, `/v1/messages/${encodeURIComponent(id)}/${name}`, name);
    });
  }
};

const standWords = ({ state, unresolved }: TransactionDetail, { now }: StatusBody): string =>
  `${unresolved ? 'unresolved' : state.replace('_', ' ')} as of ${now}`;
