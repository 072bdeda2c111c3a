/** The one content type parser: a JSON object, strictly read. */
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { judgeUnread, type Waiting } from './admission.ts';
import { ApiError, type Fault } from './problem.ts';
import { parseStrictJson } from './strict-json.ts';

const JSON_TYPE = /^application\/json[ \t]*(;[ \t]*charset=("utf-8"|utf-8)[ \t]*)?$/i;

const unsupported = (detail: string): ApiError => new ApiError({ code: 'UNSUPPORTED_MEDIA_TYPE', detail });

const read = (request: FastifyRequest, bytes: Buffer): unknown => {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.raw.headers;
  if (type !== 'application/json' && !JSON_TYPE.test(type)) {
    throw unsupported('Content-Type must be application/json, with no parameter but charset=utf-8.');
  }
  if (encoding !== 'identity') throw unsupported('The body must not be compressed (no Content-Encoding).');
  if (bytes.length === 0) return undefined;
  const value = parseStrictJson(bytes);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new ApiError({ code: 'VALIDATION_FAILED', detail: 'The body must be a JSON object.' });
};

/** As every client writes it. Another spelling is found when the body has been read. */
const BEGINS = '"op":"prepare"';

/** Whether the body brings new transactions, as far as that can be told without reading it as JSON. */
const begins = ({ url }: FastifyRequest['routeOptions'], bytes: Buffer): boolean =>
  url === '/v1/transactions' || (url === '/v1/batch' && bytes.includes(BEGINS));

/** In the place of a body that was not read. */
class Unread {
  readonly fault: Fault;

  constructor(fault: Fault) {
    this.fault = fault;
  }
}

type Done = (error: Error | null, body?: unknown) => void;

/** The parser. An empty body is no body; whether that will do is the route's matter. */
export const jsonBody =
  (coordinator: Waiting) =>
  (request: FastifyRequest, bytes: Buffer, done: Done): void => {
    let body: unknown;
    let failure: Error | null = null;
    try {
      const overload = begins(request.routeOptions, bytes) ? judgeUnread(coordinator, request.caller.group) : null;
      body = overload === null ? read(request, bytes) : new Unread(overload);
    } catch (error) {
      failure = error as Error;
    }
    done(failure, body);
  };

/** A hook for `preValidation`. Were it the parser's own error, Fastify would close the connection of everybody refused. */
export const refuseUnread = ({ body }: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction): void => {
  if (body instanceof Unread) done(new ApiError(body.fault));
  else done();
};
