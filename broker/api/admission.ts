/** Too much at once is refused at the door, new transactions first: what is begun must be able to end. */
import type { Fault } from './problem.ts';

/** Commands that wait for their commit before a prepare is refused, and before anything is. */
const MAX_WAITING = { prepare: 10_000, anything: 40_000 } as const;

/** Null where the command may join the queue of `waiting` ones. */
export const judgeLoad = (waiting: number, isPrepare: boolean): Fault | null =>
  waiting < (isPrepare ? MAX_WAITING.prepare : MAX_WAITING.anything)
    ? null
    : { code: 'OVERLOADED', detail: `Too many commands wait for the disk (${waiting}). Nothing was changed.` };
