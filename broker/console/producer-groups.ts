/** Producer groups: whether they answer when they are asked, and a way to ask them now. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { ProducerGroupBody } from '../protocol/wire.ts';
import { tokenField } from './act-forms.ts';
import { duration, figure, moment } from './clock-words.ts';
import { type Fragment, type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { emptyState, notice } from './layout.ts';
import { findForm, narrowed } from './narrowing.ts';
import { FORM, PAGE, sendPage, statusOf } from './pages.ts';
import { Refusal } from './rest.ts';
import { fieldsOf } from './visit.ts';
import { mayAct } from './waiting-kinds.ts';

const PATH = '/console/producer-groups';

interface Params {
  readonly Params: { readonly group: string };
}

interface TestAnswer {
  readonly ok: boolean;
  readonly status: number | null;
  readonly tookMs: number;
  readonly error: string | null;
}

type Health = readonly ['good' | 'warn' | 'none', string];

const healthOf = ({ checkUrl, health }: ProducerGroupBody): Health => {
  if (checkUrl === null) return ['none', 'is never asked'];
  if (health.lastError !== null) return ['warn', 'does not answer'];
  return health.lastAnswerAt === null ? ['none', 'was not asked yet'] : ['good', 'answers'];
};

const healthMark = (group: ProducerGroupBody): Html => {
  const [tone, words] = healthOf(group);
  return html`<span class="state ${tone}">${icon(tone)}${words}</span>`;
};

const trouble = ({ health }: ProducerGroupBody): number =>
  (health.lastError === null ? 0 : 2) + (health.unresolved + health.overdue > 0 ? 1 : 0);

/** Those in trouble first, each part by name. */
const worstFirst = (groups: readonly ProducerGroupBody[]): ProducerGroupBody[] =>
  groups.toSorted((a, b) => trouble(b) - trouble(a) || (a.group < b.group ? -1 : 1));

const unresolvedLink = (group: string, count: number): Fragment =>
  count === 0 ? '0' : html`<a href="/console/unresolved/list?group=${group}">${figure(count)}</a>`;

const row = (body: ProducerGroupBody, now: number): Html => {
  const { group, health } = body;
  return html`<tr><th scope="row"><a href="${PATH}/${group}">${group}</a></th>
<td>${healthMark(body)}${health.lastError && html`<bdi class="error detail">${health.lastError}</bdi>`}</td>
<td class="number">${figure(health.overdue)}</td>
<td class="number">${unresolvedLink(group, health.unresolved)}</td>
<td class="number roomy">${health.lastCallMs === null ? '–' : duration(health.lastCallMs)}</td>
<td class="roomy">${moment(health.lastAnswerAt, now)}</td></tr>`;
};

const table = (
  groups: readonly ProducerGroupBody[],
  now: number,
): Html => html`<div class="scroll" role="region" aria-label="Producer groups" tabindex="0"><table>
<caption class="unseen">Producer groups, those in trouble first</caption>
<thead><tr><th scope="col">Group</th><th scope="col">When asked</th><th scope="col" class="number">Overdue</th><th scope="col" class="number">Unresolved</th><th scope="col" class="number roomy">Last call took</th><th scope="col" class="roomy">Last answer</th></tr></thead>
<tbody>${groups.map(group => row(group, now))}</tbody>
</table></div>`;

const fact = (name: string, value: Fragment): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

const settings = ({ checkUrl, hasSecret, check, topics }: ProducerGroupBody): Html => html`<dl class="facts">
${fact('Check address', checkUrl === null ? 'none: its transactions become unresolved' : html`<bdi>${checkUrl}</bdi>`)}
${fact('Calls are signed', hasSecret ? 'yes' : 'no')}
${fact('First asked after', duration(check.afterMs))}
${fact('Then every', html`${duration(check.intervalMs)}, doubling up to ${duration(check.maxIntervalMs)}`)}
${fact('Answers “unknown” allowed', figure(check.limit))}
${fact('And then', check.onLimit === 'unresolved' ? 'a person decides' : 'it is rolled back')}
${fact('May send to', topics === null ? 'all topics' : topics.join(', '))}
</dl>`;

const testResult = ({ ok, status, tookMs, error }: TestAnswer): Html =>
  ok
    ? notice('good', `It answered as it should, within ${duration(tookMs)}.`)
    : notice(
        'bad',
        `No answer: ${error ?? 'it did not answer as it should'}${status === null ? '' : ` (status ${status})`}, after ${duration(tookMs)}.`,
      );

const detail = (body: ProducerGroupBody, now: number): Html => html`<dl class="facts">
${fact('When asked', healthMark(body))}
${fact('Last answer', moment(body.health.lastAnswerAt, now))}
${body.health.lastError && fact('Last error', html`<bdi class="error">${body.health.lastError}</bdi>`)}
${fact('Last call took', body.health.lastCallMs === null ? '–' : duration(body.health.lastCallMs))}
${fact('Overdue to be asked', figure(body.health.overdue))}
${fact('Unresolved', unresolvedLink(body.group, body.health.unresolved))}
</dl>`;

export const producerGroupRoutes: FastifyPluginAsync = async app => {
  app.get(PATH, PAGE, async (request, reply) => {
    const { name = '' } = fieldsOf(request.query);
    const [status, { items }] = await Promise.all([
      statusOf(request),
      request.visit.rest.get<{ items: ProducerGroupBody[] }>('/v1/producer-groups'),
    ]);
    const { shown, remark } = narrowed(worstFirst(items), ({ group }) => group, name);
    const list =
      shown.length === 0
        ? emptyState(
            'No producer group',
            'A group is made by PUT /v1/producer-groups/{group}, or with the first key of its producer.',
          )
        : table(shown, Date.parse(status.now));
    return sendPage(
      request,
      reply,
      'Producer groups',
      html`<h1>Producer groups</h1>${findForm(PATH, 'Name has in it', name)}${remark}${list}`,
      status,
    );
  });

  const show = async (request: FastifyRequest<Params>, reply: FastifyReply, above: Fragment): Promise<FastifyReply> => {
    const { group } = request.params;
    const [status, body] = await Promise.all([
      statusOf(request),
      request.visit.rest.get<ProducerGroupBody>(`/v1/producer-groups/${encodeURIComponent(group)}`),
    ]);
    const { visitor } = request.visit;
    const test =
      mayAct(visitor) &&
      body.checkUrl !== null &&
      html`<form method="post" action="${PATH}/${group}/test">${tokenField(visitor.formToken)}<button class="act" data-testid="test">Ask a test question now</button> <span class="quiet">It is about no transaction, and changes nothing.</span></form>`;
    const main = html`<p class="crumbs"><a href="${PATH}">Producer groups</a></p><h1>${group}</h1>${above}${detail(body, Date.parse(status.now))}${test}
<h2>Settings</h2>${settings(body)}<p><a href="/console/transactions?group=${group}">Its transactions</a></p>`;
    return sendPage(request, reply, group, main, status);
  };

  app.get<Params>(`${PATH}/:group`, PAGE, (request, reply) => show(request, reply, null));

  app.post<Params>(`${PATH}/:group/test`, FORM, async (request, reply) => {
    try {
      const answer = await request.visit.rest.ask<TestAnswer>(
        'POST',
        `/v1/producer-groups/${encodeURIComponent(request.params.group)}/test`,
      );
      return await show(request, reply, testResult(answer));
    } catch (error) {
      if (!(error instanceof Refusal) || error.problem.status !== 409) throw error;
      return show(request, reply.code(409), notice('bad', error.problem.detail));
    }
  });
};
