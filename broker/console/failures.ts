/** What went wrong on the way to a page, as a page: what is the case, and what to do. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Problem } from '../protocol/errors.ts';
import { type Html, html } from './html.ts';
import { notice, type PageFrame, page } from './layout.ts';
import { Refusal } from './rest.ts';
import type { Sessions } from './sessions.ts';
import { COOKIE, isFromHtmx, toLogin } from './visit.ts';

interface Failure {
  readonly status: number;
  readonly heading: string;
  readonly detail: string;
  readonly advice: string;
}

const HEADINGS: Record<number, string> = {
  400: 'That cannot be asked like this',
  403: 'You may not do that',
  404: 'There is no such page',
  409: 'That is decided already',
  413: 'That is too much at once',
  415: 'That was not sent by a form',
  429: 'Too many at once',
  500: 'The broker failed',
  503: 'Not now',
  507: 'The broker’s disk is full',
};

const ADVICE: Record<number, string> = {
  403: 'A viewer reads; acts need an operator’s key.',
  404: 'Look for it in the search above, or begin at the overview. What ended long ago is forgotten after the retention time.',
  429: 'Load the page again in a moment.',
  500: 'Nothing is known about this call: load the page again and look at what is the case. The broker’s log says more.',
  503: 'The broker is starting, stopping, or has more to do than it can. What it accepted is safe. Load the page again in a moment.',
  507: 'Free space on the disk of the data folder. What was acknowledged is kept.',
};

const failureOf = (error: FastifyError | Refusal): Failure => {
  const problem = error instanceof Refusal ? error.problem : (error as { fault?: Partial<Problem> }).fault;
  const status = error instanceof Refusal ? error.problem.status : (error.statusCode ?? statusOf(problem?.code));
  const known = HEADINGS[status] === undefined ? 500 : status;
  const detail = problem?.detail ?? (known < 500 ? error.message : 'Something in the broker failed.');
  return { status, heading: HEADINGS[known]!, detail, advice: ADVICE[known] ?? '' };
};

/** Faults of the gate that every request passes carry a code and no status. */
const statusOf = (code: string | undefined): number => {
  if (code === undefined || code === 'INTERNAL') return 500;
  return code === 'FORBIDDEN' ? 403 : code === 'UNSUPPORTED_MEDIA_TYPE' ? 415 : 400;
};

const failurePage = (frame: PageFrame, { heading, detail, advice }: Failure): Html =>
  page(
    heading,
    frame,
    html`<h1>${heading}</h1>${notice('bad', detail)}<p>${advice}</p><p><a href="/console">To the overview</a></p>`,
  );

const show = (request: FastifyRequest, reply: FastifyReply, failure: Failure): FastifyReply => {
  const visitor = request.visit?.visitor ?? null;
  const body = isFromHtmx(request)
    ? notice('bad', failure.detail)
    : failurePage({ visitor, pulse: null, here: '' }, failure);
  return reply.code(failure.status).type('text/html; charset=utf-8').send(body.toString());
};

export const notFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  show(request, reply, {
    status: 404,
    heading: HEADINGS[404]!,
    detail: 'Nothing is at this address of the console.',
    advice: ADVICE[404]!,
  });

/** For every route of the scope that is registered afterwards. */
export const showFailures = (scope: FastifyInstance, sessions: Sessions): void => {
  scope.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof Refusal && error.problem.status === 401) {
      sessions.end(request.cookies[COOKIE]);
      return toLogin(request, reply);
    }
    const failure = failureOf(error);
    if (failure.status >= 500 && !(error instanceof Refusal))
      request.log.error({ err: error, route: request.routeOptions.url }, 'a page failed');
    if (failure.status === 429 || failure.status === 503) void reply.header('retry-after', '2');
    return show(request, reply, failure);
  });
};
