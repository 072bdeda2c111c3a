/** Too much at once is refused at the door, new transactions first: what is begun must be able to end. */
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Fault } from './problem.ts';

type Waiting = Pick<Coordinator, 'waiting' | 'waitingOf'>;

/** Commands that wait for their commit before a prepare is refused, and before anything is. */
const MAX_WAITING = { prepare: 10_000, anything: 40_000 } as const;
/** Payloads, keys and headers of prepares that wait, before a further one is refused. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;
/** A group's part of both: there is room left for others whatever one wants. */
const GROUP_SHARE = 1 / 4;

const refusal = (code: 'OVERLOADED' | 'TOO_MANY_REQUESTS', detail: string): Fault => ({
  code,
  detail: `${detail}. Nothing was changed.`,
});

/** Null where the command may join those that wait. `group`: whose new transactions it brings; null: it brings none. */
export const judgeLoad = (coordinator: Waiting, group: string | null): Fault | null => {
  const { commands, bytes } = coordinator.waiting;
  const most = group === null ? MAX_WAITING.anything : MAX_WAITING.prepare;
  if (commands >= most || (group !== null && bytes >= MAX_WAITING_BYTES)) {
    return refusal('OVERLOADED', `Too many commands wait for the disk (${commands})`);
  }
  if (group === null) return null;
  const own = coordinator.waitingOf(group);
  if (own.commands < MAX_WAITING.prepare * GROUP_SHARE && own.bytes < MAX_WAITING_BYTES * GROUP_SHARE) return null;
  return refusal(
    'TOO_MANY_REQUESTS',
    `Too many prepares of producer group ${group} wait for the disk (${own.commands})`,
  );
};
