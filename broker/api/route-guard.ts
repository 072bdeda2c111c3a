/** What every route gets without asking: the gate, strict queries, and a place in the figures; and what is no route. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify';
import { NoQuery } from './address-schemas.ts';
import { answerHeaders } from './answer-headers.ts';
import { createGate } from './gate.ts';
import { ApiError, pathOf, sendProblem } from './problem.ts';
import type { ServerSettings } from './surroundings.ts';
import { KnownPaths } from './unmatched.ts';

/** Pages that plug-ins register, which name no right themselves. */
const PLUG_IN_PAGES = '/docs';
/** Common servers draw the line there; what Node itself allows is 2,000, and the rest it drops without a word. */
const MAX_HEADER_FIELDS = 100;
/** Route label of requests that no route took. */
const UNMATCHED = 'unmatched';

const hooks = <T>(own: T, given: T | T[] | undefined): T[] => [own, ...[given ?? []].flat()] as T[];

const noBodyIsEmpty = (request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction): void => {
  request.body ??= {};
  done();
};

/** Before the first route is registered. */
export const guardRoutes = (
  app: FastifyInstance,
  settings: Pick<ServerSettings, 'metrics' | 'operatorKey' | 'keys' | 'clock' | 'accepting' | 'tls'>,
): void => {
  const { metrics } = settings;
  const gate = createGate(settings);
  const known = new KnownPaths();

  const observe = (route: string, method?: string) => {
    return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
      metrics.onRequest(route, method ?? request.method, reply.statusCode, reply.elapsedTime);
      if (request.refusal !== null) metrics.onRefusal(request.refusal);
      done();
    };
  };

  app.decorateRequest('caller');
  app.decorateRequest('refusal', null);
  app.addHook('onRoute', (route: RouteOptions) => {
    const { url } = route;
    const method = [route.method].flat().join(' ');
    if (url.startsWith(PLUG_IN_PAGES)) route.config = { right: 'viewer', ...route.config };
    else route.schema = { querystring: NoQuery, ...route.schema };
    known.add(url, [route.method].flat());
    route.onRequest = hooks(gate.before(route), route.onRequest);
    route.onResponse = hooks(observe(url, method), route.onResponse);
    if (route.config?.bodyIsOptional) route.preValidation = hooks(noBodyIsEmpty, route.preValidation);
  });

  const observeUnmatched = observe(UNMATCHED);
  app.addHook('onResponse', (request, reply, done) =>
    request.is404 ? observeUnmatched(request, reply, done) : done(),
  );
  const headers = answerHeaders(settings.tls != null);
  app.addHook('onRequest', (request, reply, done) => {
    void reply.headers(headers);
    if (request.raw.rawHeaders.length <= 2 * MAX_HEADER_FIELDS) return done();
    const detail = `The request has more than ${MAX_HEADER_FIELDS} header fields.`;
    done(new ApiError({ code: 'HEADERS_TOO_LARGE', detail }));
  });
  // Before the body is read: what leads nowhere is not worth reading.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    const fault = gate.identify(request, 'reader') ?? known.refuse(request.method, pathOf(request.url));
    if ('allow' in fault) void reply.header('allow', fault.allow);
    done(new ApiError(fault));
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, { code: 'NOT_FOUND', detail: 'There is nothing at this address.' }),
  );
};
