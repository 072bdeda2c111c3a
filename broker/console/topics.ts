/** Topics: what waits for each, and what stands in its way. */
import type { FastifyPluginAsync } from 'fastify';
import type { TopicBody } from '../protocol/wire.ts';
import { duration, figure } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { emptyState } from './layout.ts';
import { findForm, narrowed } from './narrowing.ts';
import { PAGE, sendPage } from './pages.ts';
import { queryOf } from './rest.ts';
import { fieldsOf } from './visit.ts';

const PATH = '/console/topics';

/** Those in whose way something stands first, then those with most that waits. */
const worstFirst = (topics: readonly TopicBody[]): TopicBody[] =>
  topics.toSorted(
    (a, b) =>
      Number(b.lastError !== null) - Number(a.lastError !== null) ||
      b.waiting + b.parked - a.waiting - a.parked ||
      (a.topic < b.topic ? -1 : 1),
  );

const standing = ({ lastError, waiting }: TopicBody): Html => {
  if (lastError !== null)
    return html`<span class="state warn">${icon('warn')}waits</span> <bdi class="error">${lastError}</bdi>`;
  return waiting > 0
    ? html`<span class="state wait">${icon('wait')}on its way</span>`
    : html`<span class="state good">${icon('good')}nothing waits</span>`;
};

const row = (body: TopicBody): Html => {
  const { topic, partitions, waiting, parked, lagMs } = body;
  return html`<tr><th scope="row"><a href="/console/transactions${queryOf({ topic })}">${topic}</a></th>
<td>${standing(body)}</td>
<td class="number">${figure(waiting)}</td>
<td class="number">${parked === 0 ? '0' : html`<a href="/console/parked/list${queryOf({ topic })}">${figure(parked)}</a>`}</td>
<td class="number">${lagMs === 0 ? '–' : duration(lagMs)}</td>
<td class="number roomy">${partitions ?? html`<span class="quiet">not known yet</span>`}</td></tr>`;
};

const table = (
  topics: readonly TopicBody[],
): Html => html`<div class="scroll" role="region" aria-label="Topics" tabindex="0"><table>
<caption class="unseen">Topics, those in trouble first</caption>
<thead><tr><th scope="col">Topic</th><th scope="col">How it stands</th><th scope="col" class="number">Waiting</th><th scope="col" class="number">Parked</th><th scope="col" class="number">Behind by</th><th scope="col" class="number roomy">Partitions</th></tr></thead>
<tbody>${topics.map(row)}</tbody>
</table></div>`;

export const topicRoutes: FastifyPluginAsync = async app => {
  app.get(PATH, PAGE, async (request, reply) => {
    const { name = '' } = fieldsOf(request.query);
    const { items } = await request.visit.rest.get<{ items: TopicBody[] }>('/v1/topics');
    const { shown, remark } = narrowed(worstFirst(items), ({ topic }) => topic, name);
    const list =
      shown.length === 0
        ? emptyState('No topic', 'A topic appears here with the first half message that is prepared for it.')
        : table(shown);
    return sendPage(
      request,
      reply,
      'Topics',
      html`<h1>Topics</h1>${findForm(PATH, 'Name has in it', name)}${remark}${list}`,
    );
  });
};
