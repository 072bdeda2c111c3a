/**
 * Too much at once is refused at the door, in this order: lists, new transactions, checks, and last of all what ends
 * something. What is begun must be able to end.
 */
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Load } from '../coordinator/waiting-line.ts';
import type { Fault } from './problem.ts';

export type Waiting = Pick<Coordinator, 'waiting' | 'waitingOf'>;

/** Commands that wait for their commit before each of these is refused. Lists go before even a greedy group's prepares. */
const MAX_WAITING = { list: 2_000, prepare: 10_000, check: 20_000, anything: 40_000 } as const;
/** Payloads, keys and headers of prepares that wait, before a further one is refused. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;
/** A group's part of both: there is room left for others whatever one wants. */
const GROUP_SHARE = 1 / 4;

const tooMany = (commands: number): Fault => refusal('OVERLOADED', `Too many commands wait for the disk (${commands})`);

const refusal = (code: 'OVERLOADED' | 'TOO_MANY_REQUESTS', detail: string): Fault => ({
  code,
  detail: `${detail}. Nothing was changed.`,
});

/** No room for new transactions, whoever begins them. */
const judgeRoom = ({ commands, bytes }: Load): Fault | null =>
  commands >= MAX_WAITING.prepare || bytes >= MAX_WAITING_BYTES ? tooMany(commands) : null;

/** Null where the command may join those that wait. `group`: whose new transactions it brings; null: it brings none. */
export const judgeLoad = (coordinator: Waiting, group: string | null): Fault | null => {
  const { waiting } = coordinator;
  if (group === null) return waiting.commands >= MAX_WAITING.anything ? tooMany(waiting.commands) : null;
  const full = judgeRoom(waiting);
  if (full !== null) return full;
  const own = coordinator.waitingOf(group);
  if (own.commands < MAX_WAITING.prepare * GROUP_SHARE && own.bytes < MAX_WAITING_BYTES * GROUP_SHARE) return null;
  return refusal(
    'TOO_MANY_REQUESTS',
    `Too many prepares of producer group ${group} wait for the disk (${own.commands})`,
  );
};

/**
 * The same of new transactions whose body is not read yet, so that a flood is refused at little cost. `group`: the only one
 * of which the caller may speak; null: whose they are is not known yet.
 */
export const judgeUnread = (coordinator: Waiting, group: string | null): Fault | null =>
  group === null ? judgeRoom(coordinator.waiting) : judgeLoad(coordinator, group);

/**
 * Null where there is time for what nobody's transaction waits for: a list, or a check, be it an operator's "ask now" or
 * one that is due.
 */
export const judgeLeisure = (coordinator: Pick<Waiting, 'waiting'>, what: 'list' | 'check'): Fault | null => {
  const { commands } = coordinator.waiting;
  return commands >= MAX_WAITING[what] ? tooMany(commands) : null;
};
