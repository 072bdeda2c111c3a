/** Who calls, and what that caller may do. One operator key today; producer and viewer keys are further callers. */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Fault } from './problem.ts';

/** The right that a route asks for. Every route names one. */
export type Right = 'public' | 'viewer' | 'producer' | 'operator';

export interface Caller {
  readonly name: 'nobody' | 'anybody' | 'operator';
  readonly rights: ReadonlySet<Right>;
}

const ALL: ReadonlySet<Right> = new Set(['public', 'viewer', 'producer', 'operator']);

/** Came without a key, or with a wrong one. */
const NOBODY: Caller = { name: 'nobody', rights: new Set(['public']) };
/** Where the broker has no keys: everybody may do everything. */
const ANYBODY: Caller = { name: 'anybody', rights: ALL };
const OPERATOR: Caller = { name: 'operator', rights: ALL };

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

/** Tells callers apart by their `Authorization` header. `operatorKey` null: the broker runs without keys. */
export const callers = (operatorKey: string | null): ((authorization: string | undefined) => Caller) => {
  if (operatorKey === null) return () => ANYBODY;
  const expected = digest(operatorKey);
  return authorization => {
    if (authorization === undefined || !/^bearer /i.test(authorization)) return NOBODY;
    // Digests are compared, so that neither content nor length of the key shows in the time it takes.
    return timingSafeEqual(digest(authorization.slice('bearer '.length).trim()), expected) ? OPERATOR : NOBODY;
  };
};

/** Why the caller may not use a route that asks for the right, null where it may. */
export const judgeRight = (caller: Caller, right: Right): Fault | null => {
  if (caller.rights.has(right)) return null;
  if (caller === NOBODY) {
    return { code: 'UNAUTHENTICATED', detail: 'This broker wants a key: Authorization: Bearer <key>.' };
  }
  return { code: 'FORBIDDEN', detail: `This key lacks the right of a ${right}.` };
};

/** In whose name a commit or rollback is done: a reason makes it the operator's, and the operator must give one. */
export const judgeResolver = (caller: Caller, reason: string | undefined): { by: 'producer' | 'operator' } | Fault => {
  if (caller.name !== 'operator') return { by: reason === undefined ? 'producer' : 'operator' };
  if (reason !== undefined) return { by: 'operator' };
  const detail = 'must be there: with an operator key a resolution is an operator’s act';
  return { code: 'VALIDATION_FAILED', detail: `/reason ${detail}.`, errors: [{ pointer: '/reason', detail }] };
};
