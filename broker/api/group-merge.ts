/** A PUT of a producer group: what is left out keeps its value, null removes it, and the result must make sense. */
import { checkPolicy } from '../coordinator/decisions.ts';
import { newGroup } from '../coordinator/key-decisions.ts';
import { secretKey } from '../protocol/signature.ts';
import type { ProducerGroupInput } from '../protocol/wire.ts';
import type { ProducerGroup } from '../store/store.ts';
import { topicAllowed } from '../transaction/allow-list.ts';
import type { CheckPolicy } from '../transaction/schedule.ts';
import { type Fault, invalid } from './problem.ts';
import type { Addresses } from './surroundings.ts';

const kept = <T>(given: T | undefined, before: T): T => (given === undefined ? before : given);

const mergedPolicy = (before: Partial<CheckPolicy>, given: ProducerGroupInput['check']): Partial<CheckPolicy> => {
  if (given === undefined) return before;
  if (given === null) return {};
  const merged: Record<string, unknown> = { ...before, ...given };
  // Null removes: the default holds again.
  for (const [name, value] of Object.entries(merged)) if (value === null || value === undefined) delete merged[name];
  return merged;
};

/** `input` has passed its schema. */
export const mergeGroup = (
  name: string,
  before: ProducerGroup | undefined,
  input: ProducerGroupInput,
  addresses: Addresses,
): ProducerGroup | Fault => {
  const base = before ?? newGroup(name);
  const merged: ProducerGroup = {
    ...base,
    checkUrl: kept(input.checkUrl, base.checkUrl),
    checkSecret: kept(input.checkSecret, base.checkSecret),
    check: mergedPolicy(base.check, input.check),
    topics: kept(input.topics, base.topics),
  };
  return judge(merged, input, addresses) ?? merged;
};

/** Whether the group may afterwards send to a topic that it might not send to before. */
export const widens = ({ topics: before }: ProducerGroup, { topics: after }: ProducerGroup): boolean => {
  if (before === null) return false;
  // A pattern is covered where another one matches its very text: only a star there can take the star here.
  return after === null || after.some(pattern => !topicAllowed(before, pattern));
};

const judge = (group: ProducerGroup, input: ProducerGroupInput, addresses: Addresses): Fault | null => {
  const { checkUrl, checkSecret } = group;
  const policy = checkPolicy(group);
  if (input.checkUrl && !URL.canParse(input.checkUrl)) return invalid('/checkUrl', 'must be an absolute address');
  if (input.checkSecret && secretKey(input.checkSecret) === null) {
    return invalid('/checkSecret', 'must be whsec_ and the canonical base64 of 24 to 64 bytes');
  }
  if (policy.maxIntervalMs < policy.intervalMs) {
    const member = input.check?.maxIntervalMs === undefined ? 'intervalMs' : 'maxIntervalMs';
    return invalid(
      `/check/${member}`,
      `does not fit: maxIntervalMs (${policy.maxIntervalMs}) would be less than intervalMs (${policy.intervalMs})`,
    );
  }
  if (policy.onLimit === 'rollback' && checkUrl === null) {
    const pointer = input.check?.onLimit === undefined ? '/checkUrl' : '/check/onLimit';
    return invalid(pointer, 'does not fit: without a check address nobody is asked, so nothing may be rolled back');
  }
  if (input.checkUrl) {
    const refusal = addresses.judge(input.checkUrl);
    if (refusal !== null) return { code: 'CHECK_ADDRESS_NOT_ALLOWED', detail: refusal, pointer: '/checkUrl' };
  }
  if (checkUrl !== null && checkSecret === null && !addresses.isLoopback(checkUrl)) {
    return invalid('/checkSecret', 'must be there: only a check address on loopback may go without one');
  }
  return null;
};
