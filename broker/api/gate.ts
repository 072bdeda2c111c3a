/** What stands before every route: who calls, whether the broker is ready, and whether there may be a body. */

import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify';
import type { ErrorCode } from '../protocol/errors.ts';
import { bareHost, isLoopbackUrl } from '../protocol/loopback.ts';
import { type Caller, callers, isOpen, judgeRight, type KeyRing, type Right } from './caller.ts';
import { ApiError, type Fault } from './problem.ts';
import type { ServerSettings } from './surroundings.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The right a caller must have. A route without one fails at start. */
    right?: Right;
    /** It changes the store. */
    writes?: boolean;
    /** The body may be left out altogether. */
    bodyIsOptional?: boolean;
    /** What it may refuse, beside what every route may. */
    problems?: readonly ErrorCode[];
  }
  interface FastifyRequest {
    caller: Caller;
  }
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void;

const SHUTTING_DOWN: Fault = {
  code: 'SHUTTING_DOWN',
  detail: 'The broker is starting or stopping. Nothing was changed.',
};

const fail = (detail: string): ApiError => new ApiError({ code: 'VALIDATION_FAILED', detail });

const hasBody = ({ headers }: FastifyRequest['raw']): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** Judged by name, not by configuration: whatever is served below /v1 touches the store. */
const needsStore = (url: string): boolean => url.startsWith('/v1/');

const FOREIGN: Fault = {
  code: 'FORBIDDEN',
  detail:
    'A broker without keys answers only to its own machine, not to web pages of others: call it by a loopback address.',
};

/**
 * Without keys the loopback address is the whole protection, and browsers reach it for any page: blindly from another
 * site, or by a name of that site which leads here.
 */
const judgeOrigin = (
  { host = '', origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  method: string,
): Fault | null => {
  if (origin !== undefined && !isLoopbackUrl(origin)) return FOREIGN;
  if (host.includes('.') && !isIP(bareHost(host.replace(/:\d+$/, ''))) && !isLoopbackUrl(`http://${host}`))
    return FOREIGN;
  return site === 'cross-site' && method !== 'GET' && method !== 'HEAD' ? FOREIGN : null;
};

export interface Gate {
  /** The hook for one route. */
  before(route: RouteOptions): Hook;
  /** Sets the caller; the fault where the caller may not do it. */
  identify(request: FastifyRequest, right: Right): Fault | null;
}

export const createGate = ({ accepting, ...ring }: KeyRing & Pick<ServerSettings, 'accepting'>): Gate => {
  const callerOf = callers(ring);

  const identify = (request: FastifyRequest, right: Right): Fault | null => {
    // HTTP/1.1 wants it, and Node's own refusal would be no problem document.
    if (request.raw.headers.host === undefined && request.raw.httpVersion === '1.1') {
      return { code: 'VALIDATION_FAILED', detail: 'The request has no Host header.' };
    }
    const foreign = isOpen(ring) ? judgeOrigin(request.raw.headers, request.method) : null;
    if (foreign !== null) return foreign;
    request.caller = callerOf(request.raw.headers.authorization);
    return judgeRight(request.caller, right);
  };

  const before = ({ url, method, config, schema }: RouteOptions): Hook => {
    const right = config?.right;
    if (right === undefined) throw new Error(`${method} ${url} does not say which right it asks for`);
    const takesBody = schema?.body !== undefined;
    const isOptional = config?.bodyIsOptional === true;
    return (request, _reply, done) => {
      const fault = identify(request, right);
      if (fault !== null) return done(new ApiError(fault));
      if (needsStore(url) && !accepting()) return done(new ApiError(SHUTTING_DOWN));
      if (!takesBody && hasBody(request.raw)) return done(fail('This call takes no body.'));
      if (takesBody && !isOptional && !hasBody(request.raw)) return done(fail('This call needs a JSON body.'));
      done();
    };
  };

  return { before, identify };
};
