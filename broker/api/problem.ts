/** Faults as RFC 9457 problems. Everything that is refused, on whatever way, becomes one here. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Refused } from '../coordinator/commands.ts';
import { ERRORS, type ErrorCode, errorAnchor, type Problem } from '../protocol/errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What it was refused with; null: it was not. */
    refusal: ErrorCode | null;
  }
}

export const PROBLEM_TYPE = 'application/problem+json';

/** After how many milliseconds it makes sense to call again. */
const RETRY_AFTER_MS: Partial<Record<ErrorCode, number>> = {
  TOO_MANY_REQUESTS: 1_000,
  OVERLOADED: 1_000,
  SHUTTING_DOWN: 2_000,
  STORAGE_FULL: 5_000,
};

/** What is wrong with a request: a code, a sentence, and where. Pointers are JSON pointers into the body. */
export interface Fault extends Refused {
  readonly errors?: { pointer: string; detail: string }[];
}

/** A fault on its way to the error handler. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.detail);
    this.fault = fault;
  }
}

/** 400 about one member of the body; `detail` goes on the pointer: "must be a string". */
export const invalid = (pointer: string, detail: string): Fault => ({
  code: 'VALIDATION_FAILED',
  detail: `${pointer} ${detail}.`,
  errors: [{ pointer, detail }],
});

/** Throws 400 about a query parameter; `detail` goes on its name: "must be a whole number". */
export const refuseParameter = (parameter: string, detail: string): never => {
  throw new ApiError({
    code: 'VALIDATION_FAILED',
    detail: `Query parameter ${parameter} ${detail}.`,
    errors: [{ pointer: `/query/${parameter}`, detail }],
  });
};

/** The problem document. `instance` is the path of the request; left out inside a batch. */
export const problemOf = (fault: Fault, instance?: string): Problem => {
  const { code, detail, state, limitBytes, pointer } = fault;
  const { status, title, retryable } = ERRORS[code];
  // A 400 always says where; the empty pointer is the whole body.
  const whole = code === 'VALIDATION_FAILED' ? '' : undefined;
  const at = pointer ?? whole;
  const errors = fault.errors ?? (at === undefined ? undefined : [{ pointer: at, detail }]);
  const retryAfterMs = RETRY_AFTER_MS[code];
  return {
    type: `/errors#${errorAnchor(code)}`,
    title,
    status,
    detail,
    ...(instance === undefined ? {} : { instance }),
    code,
    retryable,
    ...(state === undefined ? {} : { state }),
    ...(errors === undefined ? {} : { errors }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
};

/** Header fields that belong to a problem beside its content type. */
export const problemHeaders = (code: ErrorCode): Record<string, string> => {
  const retryAfterMs = RETRY_AFTER_MS[code];
  if (retryAfterMs !== undefined) return { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
  return code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {};
};

/** Answers with the problem. As bytes, so that no response schema gets a hand on it. */
export const sendProblem = (request: FastifyRequest, reply: FastifyReply, fault: Fault): FastifyReply => {
  const problem = problemOf(fault, pathOf(request.url));
  request.refusal = fault.code;
  return reply
    .code(problem.status)
    .headers(problemHeaders(fault.code))
    .type(PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
};

/** The path of an address without its query. */
export const pathOf = (url: string): string => {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
};
