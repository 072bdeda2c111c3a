/** One transaction: what is the case, what an operator can do, its messages, and all that happened. */
import type { MessageBody, TransactionDetail } from '../protocol/wire.ts';
import { actForm, type Sent } from './act-forms.ts';
import { counted, figure, moment, size } from './clock-words.ts';
import { type Fragment, type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { notice } from './layout.ts';
import { shortBytes } from './payload-view.ts';
import type { Visitor } from './sessions.ts';
import { messageMark, resolverWords } from './state-words.ts';
import { timeline } from './timeline.ts';
import { storyOf } from './transaction-story.ts';

export const transactionPath = (id: string): string => `/console/transactions/${id}`;

const topicsOf = (messages: readonly MessageBody[]): string =>
  [...new Set(messages.map(({ topic }) => topic))].join(', ');

const decisionForms = ({ id, group, messages }: TransactionDetail, formToken: string, sent: Sent | null): Html => {
  const path = transactionPath(id);
  const what = messages.length === 1 ? 'Its message' : `Its ${figure(messages.length)} messages`;
  const commit = {
    action: `${path}/commit`,
    name: 'Commit…',
    does: `Commit ${id}`,
    words: html`${what} will go to Kafka (<strong>${topicsOf(messages)}</strong>). This is final. Only where the local transaction of <strong>${group}</strong> did take place.`,
    testId: 'commit',
  };
  const rollback = {
    action: `${path}/rollback`,
    name: 'Roll back…',
    does: `Roll back ${id}`,
    words: html`${what} will be dropped, and nobody will ever see ${messages.length === 1 ? 'it' : 'them'}. This is final. Only where the local transaction of <strong>${group}</strong> did not take place, and never will.`,
    isGrave: true,
    testId: 'rollback',
  };
  const ask = {
    action: `${path}/check`,
    name: 'Ask again…',
    does: `Ask ${group} now`,
    words: html`<strong>${group}</strong> is asked at once what became of it, and its answer counts. The count of “unknown” begins anew. This decides nothing by itself.`,
    testId: 'check',
  };
  return html`<div class="acts">${[ask, commit, rollback].map(form => actForm({ ...form, among: 'act' }, formToken, sent))}</div>`;
};

const parkedForms = ({ id, topic }: MessageBody, formToken: string, sent: Sent | null): Html => {
  const path = `/console/messages/${id}`;
  const retry = {
    action: `${path}/retry`,
    name: 'Retry…',
    does: `Retry message ${id}`,
    words: html`It is sent to <strong>${topic}</strong> again, behind what was forwarded meanwhile. Where the cause is not mended it is parked again.`,
    testId: `retry-${id}`,
  };
  const discard = {
    action: `${path}/discard`,
    name: 'Discard…',
    does: `Discard message ${id} for ever`,
    words: html`No consumer of <strong>${topic}</strong> will ever see it, although its transaction is committed. This is final.`,
    isGrave: true,
    testId: `discard-${id}`,
  };
  return html`<div class="acts">${[retry, discard].map(form => actForm({ ...form, among: `act-${id}` }, formToken, sent))}</div>`;
};

const parkedCard = (
  message: MessageBody,
  { role, formToken }: Visitor,
  sent: Sent | null,
): Html => html`<div class="card warn">
<p>${messageMark(message.state)} <strong>Message ${indexOf(message)}</strong> to ${message.topic}: <bdi class="error">${message.lastError ?? 'no reason given'}</bdi></p>
${role === 'operator' ? parkedForms(message, formToken, sent) : html`<p class="quiet">An operator can retry or discard it.</p>`}
</div>`;

const indexOf = ({ id }: MessageBody): number => Number(id.slice(id.lastIndexOf('.') + 1));

/** What can be done. Stands apart from what is refreshed, so that nobody's half-written reason is lost. */
export const actArea = (detail: TransactionDetail, visitor: Visitor, sent: Sent | null = null): Html | null => {
  const parked = detail.messages.filter(message => message.state === 'parked');
  if (detail.state === 'prepared') {
    const forms =
      visitor.role === 'operator'
        ? decisionForms(detail, visitor.formToken, sent)
        : html`<p class="quiet">An operator can have it asked again, commit it or roll it back.</p>`;
    return html`<section aria-labelledby="acts-h"><h2 id="acts-h">Settle it</h2>${forms}</section>`;
  }
  if (parked.length === 0) return null;
  return html`<section aria-labelledby="acts-h"><h2 id="acts-h">Settle what is parked</h2>${parked.map(message => parkedCard(message, visitor, sent))}</section>`;
};

const fact = (name: string, value: Fragment): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

const facts = (detail: TransactionDetail, now: number): Html => {
  const { group, preparedAt, resolvedAt, resolvedBy, check } = detail;
  return html`<dl class="facts">
${fact('Producer group', html`<a id="group" href="/console/producer-groups/${group}">${group}</a>`)}
${fact('Stored', moment(preparedAt, now))}
${fact('Decided', resolvedAt === null ? html`<span class="quiet">not yet</span>` : html`${moment(resolvedAt, now)} by ${resolverWords(resolvedBy)}`)}
${fact('Last asked', moment(check.lastAt, now))}
${detail.state === 'prepared' && fact('Asked next', moment(check.nextAt, now, 'not planned'))}
${fact('Answers “unknown”', figure(check.attempts))}
${check.lastError && fact('Last try to ask', html`<bdi class="error">${check.lastError}</bdi>`)}
</dl>`;
};

const messageRow = (message: MessageBody, path: string): Html => {
  const index = indexOf(message);
  return html`<tr id="message-${index}">
<th scope="row" class="number">${index}</th>
<td>${messageMark(message.state)}</td>
<td><a id="show-${index}" href="${path}?show=${index}#payload">Show<span class="unseen"> the payload of message ${index}</span></a></td>
<td><bdi>${message.topic}</bdi></td>
<td class="number">${message.partition ?? '–'}</td>
<td class="number">${message.offset === null ? '–' : figure(message.offset)}</td>
<td class="roomy">${shortBytes(message.key)}</td>
<td class="number roomy">${figure(message.attempts)}</td>
<td class="number roomy">${size(message.payloadBytes)}</td>
<td class="roomy">${message.lastError ? html`<bdi class="error">${message.lastError}</bdi>` : '–'}</td>
</tr>`;
};

const messageTable = ({
  id,
  messages,
}: TransactionDetail): Html => html`<div class="scroll" role="region" aria-label="Messages" tabindex="0" id="message-table"><table>
<caption class="unseen">Messages of the transaction</caption>
<thead><tr><th scope="col" class="number">No.</th><th scope="col">State</th><th scope="col">Payload</th><th scope="col">Topic</th><th scope="col" class="number">Partition</th><th scope="col" class="number">Offset</th><th scope="col" class="roomy">Key</th><th scope="col" class="number roomy">Tries</th><th scope="col" class="number roomy">Size</th><th scope="col" class="roomy">Last error</th></tr></thead>
<tbody>${messages.map(message => messageRow(message, transactionPath(id)))}</tbody>
</table></div>`;

/** Whether it will change without anybody's doing. */
const isMoving = ({ state, unresolved, messageStates }: TransactionDetail): boolean =>
  (state === 'prepared' && !unresolved) || (messageStates.ready ?? 0) > 0;

/** What decides whether the acts that are offered are still the right ones. */
export const standOf = ({ state, messageStates }: TransactionDetail): string => `${state}.${messageStates.parked ?? 0}`;

const CONTRADICTED =
  'Two systems disagree: the opposite resolution came after this one stood, and changed nothing. Look at the history, and set the producer right.';

/** What is the case, above everything else. */
export const storyArea = (detail: TransactionDetail, now: number): Html => {
  const { tone, headline, more } = storyOf(detail, now);
  return html`<div class="story ${tone}" data-testid="story">${icon(tone)}<div><p class="headline">${headline}</p>${more && html`<p>${more}</p>`}</div></div>
${detail.contradicted && notice('bad', CONTRADICTED)}`;
};

/** What the broker knows. Asks for itself anew while it is moving; what can have the focus has an id, by which htmx gives it back. */
export const knownArea = (detail: TransactionDetail, now: number): Html => {
  const content = html`${facts(detail, now)}
<h2 id="messages">${counted(detail.messages.length, 'message')}</h2>
${messageTable(detail)}
<h2>What happened</h2>
${timeline(detail)}`;
  const path = `${transactionPath(detail.id)}/now?stand=${standOf(detail)}`;
  return isMoving(detail)
    ? html`<div id="known" hx-get="${path}" hx-trigger="every 2s" hx-swap="outerHTML">${content}</div>`
    : html`<div id="known">${content}</div>`;
};
