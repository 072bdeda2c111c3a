/** Too much at once is refused at the door, new transactions first: what is begun must be able to end. */
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Fault } from './problem.ts';

type Load = Pick<Coordinator, 'waiting' | 'waitingBytes'>;

/** Commands that wait for their commit before a prepare is refused, and before anything is. */
const MAX_WAITING = { prepare: 10_000, anything: 40_000 } as const;
/** Payloads, keys and headers of prepares that wait, before a further one is refused. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;

/** Null where the command may join the queue of those that wait. */
export const judgeLoad = ({ waiting, waitingBytes }: Load, isPrepare: boolean): Fault | null => {
  const isFree = isPrepare
    ? waiting < MAX_WAITING.prepare && waitingBytes < MAX_WAITING_BYTES
    : waiting < MAX_WAITING.anything;
  if (isFree) return null;
  return { code: 'OVERLOADED', detail: `Too many commands wait for the disk (${waiting}). Nothing was changed.` };
};
