/** The one content type parser: a JSON object, strictly read. */
import type { FastifyRequest } from 'fastify';
import { ApiError } from './problem.ts';
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

/** An empty body is no body; whether that will do is the route's matter. */
export const jsonBody = (
  request: FastifyRequest,
  bytes: Buffer,
  done: (error: Error | null, body?: unknown) => void,
): void => {
  let body: unknown;
  let failure: Error | null = null;
  try {
    body = read(request, bytes);
  } catch (error) {
    failure = error as Error;
  }
  done(failure, body);
};
