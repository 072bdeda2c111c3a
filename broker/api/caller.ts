/**
 * Who calls, and what that caller may do: the operator key from outside, stored keys with their roles, or, where there
 * is neither, anybody.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { isActive } from '../coordinator/key-decisions.ts';
import type { ApiKey } from '../store/store.ts';
import { type Fault, invalid } from './problem.ts';

/**
 * The right that a route asks for. Every route names one. `reader` and `producer` are for operators and for producers,
 * to whom the route shows nothing but what is their group's; viewers are readers too.
 */
export type Right = 'public' | 'reader' | 'viewer' | 'producer' | 'operator';

export interface Caller {
  /** `anybody`: the broker runs without keys. */
  readonly role: 'nobody' | 'anybody' | ApiKey['role'];
  /** The only producer group there is for this caller; null: all are. */
  readonly group: string | null;
  /** As the history names whoever acts as an operator. */
  readonly who: string;
  /** Why there is no better role, where the caller has a key that was good once. */
  readonly lapse: string | null;
}

const RIGHTS: Record<Caller['role'], ReadonlySet<Right>> = {
  nobody: new Set(['public']),
  viewer: new Set(['public', 'reader', 'viewer']),
  producer: new Set(['public', 'reader', 'producer']),
  operator: new Set(['public', 'reader', 'viewer', 'producer', 'operator']),
  anybody: new Set(['public', 'reader', 'viewer', 'producer', 'operator']),
};

const NOBODY: Caller = { role: 'nobody', group: null, who: 'nobody', lapse: null };
const ANYBODY: Caller = { role: 'anybody', group: null, who: 'operator', lapse: null };
const OPERATOR: Caller = { role: 'operator', group: null, who: 'operator', lapse: null };

/** What the broker knows of keys. */
export interface KeyRing {
  /** From outside; null: there is none. */
  readonly operatorKey: string | null;
  readonly keys: {
    key(prefix: string): ApiKey | undefined;
    /** All that were ever made. */
    keys(): { readonly size: number };
  };
  readonly clock: { now(): number };
}

export const KEY_PREFIX_PATTERN = '^emq_[0-9a-f]{12}$';
const KEY = /^(emq_[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export const digestOf = (key: string): Buffer => hash('sha256', key, 'buffer');

/** No text has this one: keys that are not known are compared with it, so that they take the same way as the others. */
const NO_DIGEST = Buffer.alloc(32);

/**
 * Whether everybody may do everything. A broker that ever had a key stays closed, also when that one is over: a key
 * that expires must not open the door.
 */
export const isOpen = ({ operatorKey, keys }: KeyRing): boolean => operatorKey === null && keys.keys().size === 0;

const lapseOf = ({ revokedAt, expiresAt }: ApiKey): string =>
  revokedAt === null
    ? `This key expired at ${new Date(expiresAt!).toISOString()}.`
    : `This key was revoked at ${new Date(revokedAt).toISOString()}.`;

/** Tells callers apart by their `Authorization` header, anew at each request. */
export const callers = (ring: KeyRing): ((authorization: string | undefined) => Caller) => {
  const { operatorKey, keys, clock } = ring;
  const operatorDigest = operatorKey === null ? NO_DIGEST : digestOf(operatorKey);
  return authorization => {
    if (isOpen(ring)) return ANYBODY;
    if (authorization === undefined || !/^bearer /i.test(authorization)) return NOBODY;
    const text = authorization.slice('bearer '.length).trim();
    const key = keys.key(KEY.exec(text)?.[1] ?? '');
    // Digests are compared, all of them, so that neither content nor length of a key shows in the time it takes.
    const digest = digestOf(text);
    const isOperator = timingSafeEqual(digest, operatorDigest);
    const isStored = timingSafeEqual(digest, key?.hash ?? NO_DIGEST);
    if (isOperator) return OPERATOR;
    if (!isStored || key === undefined) return NOBODY;
    if (!isActive(key, clock.now())) return { ...NOBODY, lapse: lapseOf(key) };
    return { role: key.role, group: key.group, who: `${key.role}:${key.prefix}`, lapse: null };
  };
};

export const hasRight = (caller: Caller, right: Right): boolean => RIGHTS[caller.role].has(right);

/** Why the caller may not use a route that asks for the right, null where it may. */
export const judgeRight = (caller: Caller, right: Right): Fault | null => {
  if (hasRight(caller, right)) return null;
  if (caller.role === 'nobody') {
    const detail = caller.lapse ?? 'This broker wants a key: Authorization: Bearer <key>.';
    return { code: 'UNAUTHENTICATED', detail };
  }
  return { code: 'FORBIDDEN', detail: `This key is a ${caller.role}’s; the call asks for the right “${right}”.` };
};

/** Whether there is nothing of the group for the caller: it must not even learn whether the group exists. */
export const isForeign = (caller: Caller, group: string): boolean => caller.group !== null && caller.group !== group;

/** Of which the caller may speak. */
export const judgeGroup = (caller: Caller, group: string): Fault | null =>
  isForeign(caller, group)
    ? {
        code: 'PRODUCER_GROUP_NOT_FOUND',
        detail: `There is no producer group ${group} for this key: it is bound to ${caller.group}.`,
      }
    : null;

/** In whose name a commit or rollback is done: a reason makes it the operator's, and the operator must give one. */
export const judgeResolver = (
  caller: Caller,
  reason: string | undefined,
): { by: 'producer' | 'operator'; who: string; within: string | null } | Fault => {
  if (caller.role === 'producer') {
    if (reason === undefined) return { by: 'producer', who: 'producer', within: caller.group };
    const detail = 'Only an operator gives a reason: this key is a producer’s. Leave it out.';
    return { code: 'FORBIDDEN', detail, pointer: '/reason' };
  }
  if (reason !== undefined) return { by: 'operator', who: caller.who, within: null };
  if (caller.role !== 'operator') return { by: 'producer', who: 'producer', within: null };
  return invalid('/reason', 'must be there: with an operator key a resolution is an operator’s act');
};
