/** Who asks for a page: found before a body is read, and for what changes something also that it was one of our pages that asked. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { StatusBody } from '../protocol/wire.ts';
import { EVENT_STREAM, NO_MORE } from './event-stream.ts';
import { type Rest, refusal, restFor } from './rest.ts';
import { isSameText, newToken, type Sessions, type Visitor } from './sessions.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of whoever may see the console; set on its pages. */
    visit: Visit;
  }
}

export interface Visit {
  readonly visitor: Visitor;
  readonly rest: Rest;
}

export const COOKIE = 'escrowmq_session';
/** The cookie goes to the console alone. */
export const COOKIE_PATH = '/console';
/** Of the forms before a login, and of all forms where the broker runs without keys. */
const processToken = newToken();

export const loginFormToken = (): string => processToken;

const ANYBODY: Visitor = { id: newToken(), key: null, role: 'operator', name: 'no keys', formToken: processToken };

/** The parts of a form. What was given twice, or not as text, was not given. */
export const fieldsOf = (given: unknown): Readonly<Record<string, string>> => {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries((given ?? {}) as object)) {
    if (typeof value === 'string') fields[name] = value;
  }
  return fields;
};

/** All values that a form has under the name. */
export const valuesOf = (given: unknown, name: string): string[] =>
  [((given ?? {}) as Record<string, unknown>)[name] ?? []].flat().filter(value => typeof value === 'string');

export const isFromHtmx = ({ headers }: FastifyRequest): boolean => headers['hx-request'] === 'true';

const isForEvents = ({ headers }: FastifyRequest): boolean => headers.accept === 'text/event-stream';

/** What a page asks by itself, while perhaps nobody looks at it. */
const isByItself = (request: FastifyRequest): boolean => isFromHtmx(request) || isForEvents(request);

/** Leaves for the login. A part of a page cannot: the page as a whole is told to, and live ones to stay as they are. */
export const toLogin = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
  if (isForEvents(request)) return reply.type(EVENT_STREAM).send(NO_MORE);
  const next = request.method === 'GET' && !isFromHtmx(request) && request.url !== '/console' ? request.url : null;
  const login = `/console/login${next === null ? '' : `?next=${encodeURIComponent(next)}`}`;
  return isFromHtmx(request) ? reply.code(401).header('hx-redirect', login).send('') : reply.redirect(login, 303);
};

/** Whether browsers say that a page of this address asked. Programs say nothing. */
export const isFromOurPage = ({ headers }: FastifyRequest): boolean => {
  const { origin, host, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
};

/** Throws a Refusal where the form is none of ours. */
export const judgeForm = (request: FastifyRequest, formToken: string): void => {
  if (!isFromOurPage(request))
    throw refusal('FORBIDDEN', 'This was sent from a page of another address. Nothing was changed.');
  if (!isSameText(fieldsOf(request.body).formToken ?? '', formToken)) {
    throw refusal(
      'FORBIDDEN',
      'This form is from an earlier session. Go back, load the page again, and repeat. Nothing was changed.',
    );
  }
};

/** A broker without keys tells everybody what it tells people with one. */
export const isOpen = async (rest: Rest): Promise<boolean> =>
  ((await rest.call('GET', '/readyz')).body as Partial<StatusBody> | null)?.checks !== undefined;

/** For every route of the scope that is registered afterwards. */
export const guardPages = (scope: FastifyInstance, sessions: Sessions): void => {
  const anybody = restFor(scope.inject.bind(scope), null);
  scope.decorateRequest('visit');
  scope.addHook('preParsing', async (request, reply) => {
    const visitor = sessions.find(request.cookies[COOKIE], !isByItself(request));
    if (visitor !== null) {
      request.visit = { visitor, rest: restFor(scope.inject.bind(scope), visitor.key) };
    } else if (await isOpen(anybody)) {
      request.visit = { visitor: ANYBODY, rest: anybody };
    } else {
      return toLogin(request, reply);
    }
  });
  scope.addHook('preHandler', async request => {
    if (request.method === 'POST') judgeForm(request, request.visit.visitor.formToken);
  });
};
