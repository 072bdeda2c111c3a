/** Parking: messages that Kafka refuses leave the order, durably, before anything behind them goes on. */
import type { ReadyMessage, Lane as StoredLane } from '../store/store.ts';
import { submitIfRoom } from './room.ts';
import type { Surroundings } from './surroundings.ts';

/** Messages parked in one commit. */
const CHUNK = 500;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Resolves with false where there was no room on the disk: nothing may be passed over, try again later. */
export const parkAll = async (
  { coordinator, hooks }: Surroundings,
  topic: string,
  messages: readonly ReadyMessage[],
  error: string,
): Promise<boolean> => {
  const commands = messages.map(({ transactionId, index }) => ({ type: 'park', transactionId, index, error }) as const);
  if (!(await submitIfRoom(coordinator, commands))) return false;
  hooks.onParked?.(topic, messages.length);
  return true;
};

/**
 * Parks what waits in the lane behind `after`, up to and with `upTo`, as long as `goOn` says so. `cursor`: place of the
 * last message parked, or `after`. `drained`: nothing is left up to `upTo`.
 */
export const parkWaiting = async (
  around: Surroundings,
  task: { lane: StoredLane; after: number; upTo: number; error: string; goOn: () => boolean },
): Promise<{ cursor: number; drained: boolean }> => {
  const { lane, after, upTo, error, goOn } = task;
  let cursor = after;
  while (goOn() && !around.stopping) {
    const messages = await around.store.readyMessages(lane, cursor, upTo, CHUNK, CHUNK_BYTES);
    if (messages.length === 0) return { cursor, drained: true };
    if (!(await parkAll(around, lane.topic, messages, error))) break;
    cursor = messages.at(-1)!.commitOrder;
  }
  return { cursor, drained: false };
};
