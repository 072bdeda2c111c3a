/** The console's way to the broker: the REST interface, called inside the process with the visitor's key. */
import type { FastifyInstance } from 'fastify';
import { ERRORS, type ErrorCode, errorAnchor, type Problem } from '../protocol/errors.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Parsed; null where there is none. */
  readonly body: unknown;
}

/** What the broker refused. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export interface Rest {
  /** Whatever the broker answers. */
  call(method: Method, path: string, body?: object): Promise<Answer>;
  /** The body of a 2xx. Rejects with a Refusal. */
  ask<T>(method: Method, path: string, body?: object): Promise<T>;
  get<T>(path: string): Promise<T>;
}

export type Inject = FastifyInstance['inject'];

/** What the console itself refuses, in the shape of what the broker refuses. */
export const refusal = (code: ErrorCode, detail: string): Refusal => {
  const { status, title, retryable } = ERRORS[code];
  return new Refusal({ type: `/errors#${errorAnchor(code)}`, title, status, detail, code, retryable });
};

/** `key` null: without one. */
export const restFor = (inject: Inject, key: string | null): Rest => {
  const call: Rest['call'] = async (method, path, body) => {
    const answer = await inject({
      method,
      url: path,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    const isJson = /json/.test(String(answer.headers['content-type'] ?? ''));
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: isJson && answer.body !== '' ? answer.json() : null,
    };
  };
  const ask = async <T>(method: Method, path: string, body?: object): Promise<T> => {
    const answer = await call(method, path, body);
    if (answer.status >= 400) {
      throw answer.body === null
        ? refusal('INTERNAL', 'The broker gave no reason.')
        : new Refusal(answer.body as Problem);
    }
    return answer.body as T;
  };
  return { call, ask, get: path => ask('GET', path) };
};

/** `?a=b&c=d` of the members that are given; empty where none is. */
export const queryOf = (members: Readonly<Record<string, string | number | null | undefined>>): string => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(members)) {
    if (value !== null && value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? '' : `?${query}`;
};
