/** API keys, for operators: made (and shown once), listed, revoked. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { KeyBody, NewKeyBody } from '../protocol/wire.ts';
import { actForm, MAX_REASON, tokenField } from './act-forms.ts';
import { moment } from './clock-words.ts';
import { notFound } from './failures.ts';
import { type Fragment, type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { notice } from './layout.ts';
import { asInstant } from './list-filters.ts';
import { FORM, PAGE, sendPage, statusOf } from './pages.ts';
import { Refusal } from './rest.ts';
import type { Visitor } from './sessions.ts';
import { fieldsOf } from './visit.ts';

const PATH = '/console/keys';
/** Over for long: they are a matter of the history. */
const MAX_OVER_SHOWN = 50;

const isOver = ({ revokedAt, expiresAt }: KeyBody, now: number): boolean =>
  revokedAt !== null || (expiresAt !== null && Date.parse(expiresAt) <= now);

const standing = (key: KeyBody, now: number): Html => {
  if (key.revokedAt !== null)
    return html`<span class="state bad">${icon('bad')}revoked</span> ${moment(key.revokedAt, now)} by ${key.revokedBy}${key.revokedReason && html`: <bdi>${key.revokedReason}</bdi>`}`;
  if (isOver(key, now))
    return html`<span class="state none">${icon('none')}expired</span> ${moment(key.expiresAt, now)}`;
  return html`<span class="state good">${icon('good')}active</span> ${key.expiresAt === null ? html`<span class="quiet">until it is revoked</span>` : html`until ${moment(key.expiresAt, now)}`}`;
};

const revokeForm = ({ prefix, role, group }: KeyBody, { formToken }: Visitor): Html =>
  actForm(
    {
      action: `${PATH}/${prefix}/revoke`,
      name: 'Revoke…',
      does: `Revoke ${prefix}`,
      words: html`Whoever uses this key of ${role === 'producer' ? html`producer group <strong>${group}</strong>` : `a ${role}`} is refused from now on. This is final.`,
      isGrave: true,
      among: 'revoke',
      testId: 'revoke',
    },
    formToken,
  );

const row = (
  key: KeyBody,
  now: number,
): Html => html`<tr><th scope="row"><a class="id prefix" href="${PATH}/${key.prefix}">${key.prefix}</a></th>
<td>${key.role}${key.group && html` of <a href="/console/producer-groups/${key.group}">${key.group}</a>`}</td>
<td>${standing(key, now)}</td>
<td class="roomy">${moment(key.createdAt, now)} by ${key.createdBy}${key.reason && html`: <bdi>${key.reason}</bdi>`}</td></tr>`;

const table = (
  caption: string,
  keys: readonly KeyBody[],
  now: number,
): Html => html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr><th scope="col">Prefix</th><th scope="col">Role</th><th scope="col">How it stands</th><th scope="col" class="roomy">Made</th></tr></thead>
<tbody>${keys.map(key => row(key, now))}</tbody>
</table></div>`;

const createForm = ({
  formToken,
  key,
}: Visitor): Html => html`<details class="act-form" name="key" data-testid="create-key">
<summary class="act">Make a key…</summary>
<form method="post" action="${PATH}">
${tokenField(formToken)}
${key === null && notice('warn', 'This broker runs without keys. The first one must be an operator’s, and from then on everybody needs one, producers too.')}
<label for="role">Role</label>
<select id="role" name="role"><option value="viewer">viewer: reads</option><option value="operator">operator: may do everything</option><option value="producer">producer: sends, for one group</option></select>
<label for="group">Producer group <span class="quiet">(of a producer’s key, and of no other)</span></label>
<input id="group" name="group" maxlength="64" autocomplete="off" spellcheck="false">
<label for="expiresAt">Good until (UTC) <span class="quiet">(left out: until it is revoked)</span></label>
<input id="expiresAt" name="expiresAt" type="datetime-local" step="1">
<label for="reason">Reason <span class="quiet">(it stands in the history)</span></label>
<textarea id="reason" name="reason" required maxlength="${MAX_REASON}" rows="2" placeholder="For whom, and for what"></textarea>
<button class="act main">Make the key</button>
</form></details>`;

/** The only page that ever holds a key. */
const newKey = ({
  key,
  prefix,
  role,
}: NewKeyBody): Html => html`<div class="card warn" data-testid="new-key" role="status">
<h2>The new ${role}’s key</h2>
<p>Copy it now: it is shown this once, and stored nowhere. In the history and in lists it is called <span class="id">${prefix}</span>.</p>
<p><code class="payload key" data-copy>${key}</code></p></div>`;

export const keyRoutes: FastifyPluginAsync = async app => {
  const show = async (request: FastifyRequest, reply: FastifyReply, above: Fragment): Promise<FastifyReply> => {
    const { visit } = request;
    const [status, { items }] = await Promise.all([
      statusOf(request),
      visit.rest.get<{ items: KeyBody[] }>('/v1/keys'),
    ]);
    const now = Date.parse(status.now);
    const newest = items.toReversed();
    const [active, over] = [newest.filter(key => !isOver(key, now)), newest.filter(key => isOver(key, now))];
    const main = html`<h1>Keys</h1>${above}<p class="lead">Who may call the broker. A key is bound to a role; a producer’s to its group besides.</p>${createForm(visit.visitor)}
${active.length > 0 && table('Active keys', active, now)}
${over.length > 0 && table('Keys that are over', over.slice(0, MAX_OVER_SHOWN), now)}
${items.length === 0 && html`<p class="quiet">No key was ever made here.</p>`}`;
    return sendPage(request, reply, 'Keys', main, status);
  };

  app.get(PATH, PAGE, (request, reply) => show(request, reply, null));

  app.get<{ Params: { prefix: string } }>(`${PATH}/:prefix`, PAGE, async (request, reply) => {
    const { visit, params } = request;
    const [status, { items }] = await Promise.all([
      statusOf(request),
      visit.rest.get<{ items: KeyBody[] }>('/v1/keys'),
    ]);
    const key = items.find(({ prefix }) => prefix === params.prefix);
    if (key === undefined) return notFound(request, reply);
    const now = Date.parse(status.now);
    const main = html`<p class="crumbs"><a href="${PATH}">Keys</a></p><h1 class="id">${key.prefix}</h1>${table('This key', [key], now)}
${!isOver(key, now) && html`<div class="acts below">${revokeForm(key, visit.visitor)}</div>`}
<p><a href="/console/history?by=${key.prefix}">What was done with it</a></p>`;
    return sendPage(request, reply, key.prefix, main, status);
  });

  /** A refusal is shown above the list. */
  const told = async (
    request: FastifyRequest,
    reply: FastifyReply,
    act: () => Promise<FastifyReply>,
  ): Promise<FastifyReply> => {
    try {
      return await act();
    } catch (error) {
      const status = error instanceof Refusal ? error.problem.status : 0;
      if (!(error instanceof Refusal) || (status !== 400 && status !== 409)) throw error;
      return show(request, reply.code(status), notice('bad', html`${error.problem.detail} Nothing was changed.`));
    }
  };

  app.post(PATH, FORM, (request, reply) =>
    told(request, reply, async () => {
      const { role = '', group = '', expiresAt = '', reason = '' } = fieldsOf(request.body);
      const made = await request.visit.rest.ask<NewKeyBody>('POST', '/v1/keys', {
        role,
        reason,
        ...(group.trim() === '' ? {} : { group: group.trim() }),
        ...(expiresAt === '' ? {} : { expiresAt: asInstant(expiresAt) }),
      });
      // The first key closes a broker without keys: whoever has just made it can read nothing more without it.
      const isFirst = request.visit.visitor.key === null;
      const more = isFirst && html`<p><a href="/console/login">Log in with it</a></p>`;
      if (!isFirst) return show(request, reply, newKey(made));
      return sendPage(request, reply, 'Keys', html`<h1>Keys</h1>${newKey(made)}${more}`, null);
    }),
  );

  app.post<{ Params: { prefix: string } }>(`${PATH}/:prefix/revoke`, FORM, (request, reply) =>
    told(request, reply, async () => {
      const { prefix } = request.params;
      const { reason = '' } = fieldsOf(request.body);
      await request.visit.rest.ask('DELETE', `/v1/keys/${encodeURIComponent(prefix)}`, { reason });
      return reply.redirect(PATH, 303);
    }),
  );
};
