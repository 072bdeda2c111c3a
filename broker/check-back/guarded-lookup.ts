/**
 * Name resolution that gives out allowed addresses only. It runs at every connect, so a name that led somewhere
 * harmless at PUT and leads elsewhere now (DNS rebinding) is refused.
 */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import type { AddressPolicy } from './address-policy.ts';

/** All addresses of a name, in the order of preference. */
export type ResolveName = (name: string) => Promise<LookupAddress[]>;

/** The code of the error for a name that leads to no allowed address. */
export const ADDRESS_NOT_ALLOWED = 'CHECK_ADDRESS_NOT_ALLOWED';

/** The system's own resolution, hosts file included. */
export const resolveName: ResolveName = name => lookup(name, { all: true });

/** For `net.connect`. A name allowed by name may lead anywhere; any other only to addresses in an allowed network. */
export const guardedLookup = (policy: AddressPolicy, resolve: ResolveName): LookupFunction => {
  const resolveOnce = shared(resolve);
  return (name, options, callback) => {
    // The callback runs in a turn of its own: what it throws must not end up in this promise.
    const answer = (...result: Parameters<typeof callback>): void => process.nextTick(callback, ...result);
    resolveOnce(name).then(
      addresses => {
        const allowed = policy.allowsName(name) ? addresses : addresses.filter(a => policy.allowsAddress(a.address));
        const first = allowed[0];
        if (first === undefined) answer(Object.assign(new Error('not allowed'), { code: ADDRESS_NOT_ALLOWED }), []);
        else if (options.all) answer(null, allowed);
        else answer(null, first.address, first.family);
      },
      error => answer(error, []),
    );
  };
};

/**
 * One question about a name at a time. The system resolves on a few threads that all of the process shares: a name
 * that hangs must not fill them with one more question for every call.
 */
const shared = (resolve: ResolveName): ResolveName => {
  const underWay = new Map<string, Promise<LookupAddress[]>>();
  return name => {
    const asked = underWay.get(name);
    if (asked) return asked;
    const question = resolve(name).finally(() => underWay.delete(name));
    underWay.set(name, question);
    return question;
  };
};
