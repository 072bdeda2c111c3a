/** What becomes of API keys: as `decide`, for the commands about them. */
import type { ApiKey, ProducerGroup } from '../store/store.ts';
import type { CreateKeyCommand, Outcome, Refused, RevokeKeyCommand } from './commands.ts';
import type { WorkingSet } from './working-set.ts';

/** Of one group at the same time: the one in use, and the one that takes its place. */
const MAX_ACTIVE_OF_GROUP = 2;
/** Of all together; they are kept in memory. */
const MAX_ACTIVE = 10_000;

/** A key that is good at `now` (ms since 1970). */
export const isActive = ({ revokedAt, expiresAt }: Pick<ApiKey, 'revokedAt' | 'expiresAt'>, now: number): boolean =>
  revokedAt === null && (expiresAt === null || now < expiresAt);

/** A producer group as it is before anything is set. */
export const newGroup = (name: string): ProducerGroup => ({
  name,
  checkUrl: null,
  checkSecret: null,
  previousSecrets: [],
  check: {},
  topics: null,
  lastAnswerAt: null,
  lastError: null,
});

const refused = (code: Refused['code'], detail: string): Outcome => ({ kind: 'refused', refused: { code, detail } });

export const createKey = (set: WorkingSet, { key, isFromAnybody }: CreateKeyCommand, now: number): Outcome => {
  const { prefix, role, group } = key;
  const others = [...set.keys()];
  if (isFromAnybody && others.length === 0 && role !== 'operator') {
    const detail = `A first key of role ${role} would leave nobody who may make another one. Make an operator key first.`;
    return refused('OPERATOR_KEY_NEEDED', detail);
  }
  if (others.some(other => other.prefix === prefix)) {
    return refused('INTERNAL', 'The broker drew a prefix that is in use. Nothing was changed; repeat the call.');
  }
  const active = others.filter(other => isActive(other, now));
  const ofGroup = active.filter(other => group !== null && other.group === group);
  if (ofGroup.length >= MAX_ACTIVE_OF_GROUP) {
    const names = ofGroup.map(other => other.prefix).join(' and ');
    const detail = `Producer group ${group} has ${ofGroup.length} active keys, ${names}. Revoke one of them first.`;
    return refused('TOO_MANY_KEYS', detail);
  }
  if (active.length >= MAX_ACTIVE) {
    return refused('TOO_MANY_KEYS', `There are ${active.length} active keys. Revoke some of them first.`);
  }
  if (group !== null && set.group(group) === undefined) set.changedGroups.set(group, newGroup(group));
  set.changedKeys.set(prefix, { ...key, createdAt: now, revokedAt: null, revokedBy: null, revokedReason: null });
  set.act({ at: now, act: 'create_key', by: key.createdBy, target: prefix, group, reason: key.reason });
  return { kind: 'done', changed: true };
};

export const revokeKey = (set: WorkingSet, { prefix, who, reason }: RevokeKeyCommand, now: number): Outcome => {
  const key = set.key(prefix);
  if (key === undefined) return refused('KEY_NOT_FOUND', `There is no key ${prefix}.`);
  // The first revocation stands, with its time and its reason.
  if (key.revokedAt !== null) return { kind: 'done', changed: false };
  set.changedKeys.set(prefix, { ...key, revokedAt: now, revokedBy: who, revokedReason: reason });
  set.act({ at: now, act: 'revoke_key', by: who, target: prefix, group: key.group, reason });
  return { kind: 'done', changed: true };
};
