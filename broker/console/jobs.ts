/** Acts on many at once: their forms and pages. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type BulkJobs, type Job, NotConfirmed } from './bulk-jobs.ts';
import { wordsOf } from './causes.ts';
import { type EventStreams, LAST_EVENT } from './event-stream.ts';
import { type Fragment, html } from './html.ts';
import { jobArea, jobPath, jobTable } from './job-view.ts';
import { emptyState, notice } from './layout.ts';
import { FORM, PAGE, sendPage } from './pages.ts';
import { refusal } from './rest.ts';
import { fieldsOf, valuesOf } from './visit.ts';
import { restFilter } from './waiting.ts';
import { ACT_WORDS, actOf, countedTargets, kindOfAct, mayAct } from './waiting-kinds.ts';

/** Progress is shown so often at most. */
const SHOW_EVERY_MS = 250;

interface Params {
  readonly Params: { readonly id: string };
}

export interface JobSettings {
  readonly jobs: BulkJobs;
  readonly streams: EventStreams;
  readonly clock: { now(): number };
  /** What nobody foresaw, outside of any request. */
  readonly onError: (error: unknown) => void;
}

export const jobRoutes: FastifyPluginAsync<JobSettings> = async (app, { jobs, streams, clock, onError }) => {
  const found = (request: FastifyRequest<Params>): Job => {
    const job = jobs.find(request.visit.visitor, request.params.id);
    if (job === null) throw refusal('NOT_FOUND', 'There is no such job in this session.');
    return job;
  };

  app.post('/console/jobs', FORM, async (request, reply) => {
    const { visitor, rest } = request.visit;
    const { act: name, scope, place, lastError } = fieldsOf(request.body);
    const act = actOf(name);
    if (act === null) throw refusal('VALIDATION_FAILED', 'Say what is to be done: use one of the buttons.');
    if (!mayAct(visitor)) throw refusal('FORBIDDEN', 'Only an operator can do that.');
    const kind = kindOfAct(act);
    const ids = valuesOf(request.body, 'id');
    if (scope === 'chosen' && ids.length === 0)
      throw refusal('VALIDATION_FAILED', 'Nothing was chosen. Go back and choose, or take all of the list.');
    const of = place === undefined ? `everything ${kind.name}` : `${kind.placeName.toLowerCase()} ${place}`;
    const because = lastError === undefined ? '' : `, ${wordsOf(kind.name, lastError === '' ? null : lastError)}`;
    const job =
      scope === 'chosen'
        ? // The oldest first, as they came.
          jobs.begin(visitor, rest, act, `${countedTargets(ids.length, act)} that you chose`, { ids: ids.reverse() })
        : jobs.begin(visitor, rest, act, `${of}${because}`, { filter: restFilter(kind, { place, lastError }) });
    if (job === null) throw refusal('OVERLOADED', 'Too many of these run at this moment. Nothing was changed.');
    return reply.redirect(jobPath(job), 303);
  });

  app.get('/console/jobs', PAGE, async (request, reply) => {
    const own = jobs.of(request.visit.visitor);
    const list =
      own.length === 0
        ? emptyState(
            'You have done nothing to many at once',
            'What you do is listed here until your session ends. The history has every single act for ever.',
          )
        : jobTable(own, clock.now());
    return sendPage(request, reply, 'Acts on many', html`<h1>What you did to many at once</h1>${list}`);
  });

  const showPage = (
    request: FastifyRequest,
    reply: FastifyReply,
    job: Job,
    above: Fragment = null,
    reason = '',
  ): Promise<FastifyReply> => {
    const kind = kindOfAct(job.act);
    const isMoving = job.phase.name === 'counting' || job.phase.name === 'acting';
    const area = html`<div sse-swap="job" data-testid="job">${jobArea(job, request.visit.visitor, reason)}</div>`;
    const main = html`<p class="crumbs"><a href="${kind.path}">${kind.heading}</a></p>
<h1>${ACT_WORDS[job.act].name}: ${job.subject}</h1>${above}
${isMoving ? html`<div hx-ext="sse" sse-connect="${jobPath(job)}/live" sse-close="${LAST_EVENT}">${area}</div>` : area}`;
    return sendPage(request, reply, ACT_WORDS[job.act].name, main);
  };

  app.get<Params>('/console/jobs/:id', PAGE, (request, reply) => showPage(request, reply, found(request)));

  app.post<Params>('/console/jobs/:id/confirm', FORM, async (request, reply) => {
    const job = found(request);
    const { reason = '', typed = '' } = fieldsOf(request.body);
    try {
      jobs.confirm(request.visit.visitor, job.id, reason, typed);
      return reply.redirect(jobPath(job), 303);
    } catch (error) {
      if (!(error instanceof NotConfirmed)) throw error;
      return showPage(
        request,
        reply.code(409),
        job,
        notice('bad', html`${error.message} Nothing was changed.`),
        reason,
      );
    }
  });

  app.post<Params>('/console/jobs/:id/stop', FORM, async (request, reply) => {
    const job = found(request);
    jobs.stop(request.visit.visitor, job.id);
    return reply.redirect(jobPath(job), 303);
  });

  app.get<Params>('/console/jobs/:id/live', { ...PAGE, exposeHeadRoute: false }, async (request, reply) => {
    const { visitor } = request.visit;
    const { id } = found(request);
    let timer: NodeJS.Timeout | null = null;
    let leave = (): void => undefined;
    const stream = streams.open(reply, visitor.key, () => {
      leave();
      if (timer !== null) clearTimeout(timer);
    });
    const show = (): void => {
      const job = jobs.find(visitor, id);
      if (job !== null) stream.send('job', jobArea(job, visitor).toString());
      if (job?.phase.name !== 'counting' && job?.phase.name !== 'acting') stream.finish();
    };
    const tell = (): void => {
      timer = null;
      try {
        show();
      } catch (error) {
        // Of a timer nobody would catch it but the end of the process.
        onError(error);
        stream.end();
      }
    };
    leave = jobs.watch(visitor, id, () => {
      timer ??= setTimeout(tell, SHOW_EVERY_MS);
    });
    tell();
    return reply;
  });
};
