/** Whether transactions can be accepted, and what is not as it should be. */
import type { Readiness } from './api/surroundings.ts';
import type { Coordinator } from './coordinator/coordinator.ts';
import type { ForwarderStatus } from './forward/forwarder.ts';

interface Parts {
  readonly isAccepting: boolean;
  readonly coordinator: Pick<Coordinator, 'groups' | 'isStorageFull' | 'isNearlyFull'>;
  readonly forwarder: ForwarderStatus;
}

/** Names listed in a detail, at most. */
const LISTED = 5;

const list = (names: string[]): string =>
  names.slice(0, LISTED).join(', ') + (names.length > LISTED ? ` and ${names.length - LISTED} more` : '');

/** While only the reserve is left, what was begun must find the way to the broker. */
const room = ({ isStorageFull, isNearlyFull }: Parts['coordinator']): Readiness['checks'][string] => {
  if (isStorageFull) return { status: 'unavailable', detail: 'there is no room on the disk of the data folder' };
  if (!isNearlyFull) return { status: 'ok' };
  return { status: 'degraded', detail: 'the disk of the data folder is nearly full: only what was begun is accepted' };
};

/** `degraded` still accepts: Kafka or a producer group is away, or room is short. `unavailable` does not. */
export const readiness = ({ isAccepting, coordinator, forwarder }: Parts): Readiness => {
  const { kafka, topics } = forwarder;
  const troubled = topics.filter(topic => topic.trouble !== null && (topic.waitingLanes > 0 || topic.unassigned));
  const silent = [...coordinator.groups()].filter(group => group.lastError !== null);
  const since = new Date(kafka.since).toISOString();
  const checks: Readiness['checks'] = {
    process: isAccepting ? { status: 'ok' } : { status: 'unavailable', detail: 'starting or stopping' },
    store: room(coordinator),
    kafka:
      kafka.status === 'up'
        ? { status: 'ok' }
        : { status: 'degraded', detail: `away since ${since}${kafka.lastError ? `: ${kafka.lastError}` : ''}` },
    topics:
      troubled.length === 0
        ? { status: 'ok' }
        : {
            status: 'degraded',
            detail: `messages wait: ${list(troubled.map(topic => `${topic.topic} (${topic.trouble!.error})`))}`,
          },
    producerGroups:
      silent.length === 0
        ? { status: 'ok' }
        : {
            status: 'degraded',
            detail: `do not answer: ${list(silent.map(group => `${group.name} (${group.lastError})`))}`,
          },
  };
  const states = Object.values(checks).map(check => check.status);
  const status = states.includes('unavailable') ? 'unavailable' : states.includes('degraded') ? 'degraded' : 'ok';
  return { status, checks };
};
