/** What becomes of a producer group's settings: as `decide`, for the command about them. */
import { isDeepStrictEqual } from 'node:util';
import type { ProducerGroup } from '../store/store.ts';
import type { Outcome, PutGroupCommand } from './commands.ts';
import type { WorkingSet } from './working-set.ts';

/** A secret that was replaced signs beside the new one for this long. */
const PREVIOUS_SECRET_MS = 24 * 60 * 60 * 1000;
/** Of those changed more often in a day, the oldest stop. */
const MAX_PREVIOUS_SECRETS = 10;

const settingsOf = ({ checkUrl, checkSecret, check, topics }: ProducerGroup) => ({
  checkUrl,
  checkSecret,
  check,
  topics,
});

export const putGroup = (set: WorkingSet, { group, who = null }: PutGroupCommand, now: number): Outcome => {
  const before = set.group(group.name);
  const replaced =
    before?.checkSecret && group.checkSecret !== before.checkSecret
      ? [{ secret: before.checkSecret, until: now + PREVIOUS_SECRET_MS }]
      : [];
  const standing = before?.previousSecrets.filter(({ until }) => until > now) ?? [];
  set.changedGroups.set(group.name, {
    ...group,
    previousSecrets: [...replaced, ...standing].slice(0, MAX_PREVIOUS_SECRETS),
    lastAnswerAt: before?.lastAnswerAt ?? null,
    // Of another address nothing is known yet.
    lastError: before?.checkUrl === group.checkUrl ? before.lastError : null,
  });
  const isOther = before === undefined || !isDeepStrictEqual(settingsOf(before), settingsOf(group));
  if (who !== null && isOther) {
    set.act({ at: now, act: 'put_group', by: who, target: group.name, group: group.name, reason: null });
  }
  return { kind: 'done', changed: before === undefined };
};
