/** An act on many at once, as its page shows it: the count, the question, the progress, the result. */
import { type BulkOutcome, MAX_TARGETS } from '../bulk-act.ts';
import { MAX_REASON, tokenField } from './act-forms.ts';
import { type Job, mustBeTyped } from './bulk-jobs.ts';
import { duration, figure, stamp } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { notice } from './layout.ts';
import type { Visitor } from './sessions.ts';
import { ACT_WORDS, countedTargets, kindOfAct } from './waiting-kinds.ts';

/** Ids that are shown before somebody confirms. */
const SAMPLE = 5;

export const jobPath = ({ id }: Job): string => `/console/jobs/${id}`;

const stopForm = (job: Job, { formToken }: Visitor, words: string): Html =>
  html`<form method="post" action="${jobPath(job)}/stop">${tokenField(formToken)}<button id="stop" class="act">${words}</button></form>`;

const targetPath = (job: Job, id: string): string =>
  `/console/transactions/${kindOfAct(job.act).name === 'parked' ? id.slice(0, id.lastIndexOf('.')) : id}`;

const question = (job: Job, found: number, visitor: Visitor, reason: string): Html => {
  const { act, ids } = job;
  const words = ACT_WORDS[act];
  const count = countedTargets(ids.length, act);
  const sample = ids.slice(0, SAMPLE).map(id => html`<li><a class="id" href="${targetPath(job, id)}">${id}</a></li>`);
  return html`<p class="count"><strong>${figure(ids.length)}</strong> ${kindOfAct(act).one}${ids.length === 1 ? '' : 's'}</p>
${found > ids.length && notice('warn', `There are ${figure(found)}. One job takes the oldest ${figure(MAX_TARGETS)}; do the same again for the rest.`)}
<p>${words.means}</p>
<p>The oldest of them:</p><ul class="sample">${sample}${ids.length > SAMPLE && html`<li class="quiet">and ${figure(ids.length - SAMPLE)} more</li>`}</ul>
<form method="post" action="${jobPath(job)}/confirm" class="confirm" data-testid="confirm">
${tokenField(visitor.formToken)}
<label for="reason">Reason <span class="quiet">(it stands in the history of each of them)</span></label>
<textarea id="reason" name="reason" required maxlength="${MAX_REASON}" rows="2" placeholder="What you know, and from where">${reason}</textarea>
${
  mustBeTyped(job) &&
  html`<label for="typed">Type <strong>${String(ids.length)}</strong> to confirm</label>
<input id="typed" name="typed" inputmode="numeric" autocomplete="off" required>`
}
<button class="act main ${words.isGrave && 'grave'}">${words.does} ${count}</button>
</form>
${stopForm(job, visitor, 'Cancel')}`;
};

const refusalTable = (
  refusals: BulkOutcome['refusals'],
  refused: number,
  job: Job,
): Html => html`<div class="scroll" role="region" aria-label="Refused" tabindex="0"><table>
<caption>Refused</caption><thead><tr><th scope="col">${kindOfAct(job.act).one}</th><th scope="col">Why</th></tr></thead>
<tbody>${refusals.map(({ id, detail }) => html`<tr><th scope="row"><a class="id" href="${targetPath(job, id)}">${id}</a></th><td><bdi>${detail}</bdi></td></tr>`)}</tbody>
</table></div>
${refused > refusals.length && html`<p class="quiet">and ${figure(refused - refusals.length)} more</p>`}`;

const result = (job: Job, outcome: BulkOutcome, refused: number): Html => {
  const { total, done, refusals, stopped } = outcome;
  const left = total - done - refused;
  const tone = stopped !== null || refused > 0 ? 'warn' : 'good';
  return html`<div class="story ${tone}" role="status" data-testid="result">${icon(tone)}<div>
<p class="headline">${figure(done)} of ${countedTargets(total, job.act)} ${ACT_WORDS[job.act].didTo}</p>
${refused > 0 && html`<p>${figure(refused)} refused: they were settled otherwise meanwhile, or cannot be settled like this.</p>`}
${stopped !== null && html`<p>It ended early: ${stopped} ${left > 0 && `${figure(left)} were not tried, or nothing is known of them. To do the same again is safe.`}</p>`}
<p>Reason: <q>${job.reason}</q></p></div></div>
${refused > 0 && refusalTable(refusals, refused, job)}
<p><a href="${kindOfAct(job.act).path}">What still waits</a> · <a href="/console/history?act=${job.act}">History</a></p>`;
};

/** The part of the page that moves. `reason`: what somebody wrote into the form before it was refused. */
export const jobArea = (job: Job, visitor: Visitor, reason = ''): Html => {
  const { phase } = job;
  switch (phase.name) {
    case 'counting':
      return html`<p>Counting: <strong>${figure(phase.found)}</strong> so far</p><progress aria-label="Counting"></progress>${stopForm(job, visitor, 'Stop')}`;
    case 'counted':
      return question(job, phase.found, visitor, reason);
    case 'acting': {
      const { total, done, refused } = phase.progress;
      return html`<p><strong>${figure(done)}</strong> of ${countedTargets(total, job.act)} ${ACT_WORDS[job.act].didTo}${refused > 0 && html`, ${figure(refused)} refused`}</p>
<progress class="whole" max="${total}" value="${done + refused}" aria-label="Progress">${done + refused} of ${total}</progress>
<p class="quiet">It goes on when you leave this page. What is done stays done.</p>${stopForm(job, visitor, 'Stop')}`;
    }
    case 'over':
      return result(job, phase.outcome, phase.refused);
    case 'given up':
      return html`${notice('warn', html`Nothing was changed. ${phase.why}`)}<p><a href="${kindOfAct(job.act).path}">Back to what waits</a></p>`;
  }
};

const phaseWords = ({ phase }: Job): string => {
  switch (phase.name) {
    case 'counting':
      return `counting, ${figure(phase.found)} so far`;
    case 'counted':
      return 'waits for your confirmation';
    case 'acting':
      return `running, ${figure(phase.progress.done)} of ${figure(phase.progress.total)}`;
    case 'over':
      return `${figure(phase.outcome.done)} of ${figure(phase.outcome.total)} done${phase.outcome.stopped === null ? '' : ', ended early'}`;
    case 'given up':
      return 'nothing was changed';
  }
};

export const jobTable = (
  jobs: readonly Job[],
  now: number,
): Html => html`<div class="scroll" role="region" aria-label="Jobs" tabindex="0"><table>
<caption class="unseen">What you did to many at once, newest first</caption>
<thead><tr><th scope="col">What</th><th scope="col">How it stands</th><th scope="col" class="number">Begun</th></tr></thead>
<tbody>${jobs.map(job => html`<tr><th scope="row"><a href="${jobPath(job)}">${ACT_WORDS[job.act].name}: ${job.subject}</a></th><td>${phaseWords(job)}</td><td class="number"><span title="${stamp(new Date(job.begunAt).toISOString())}">${duration(now - job.begunAt)} ago</span></td></tr>`)}</tbody>
</table></div>`;
