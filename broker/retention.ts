/**
 * Forgets transactions that ended long ago: by age, in chunks, going through the store in the order of arrival. What is
 * prepared, ready or parked never ends, so it is never purged.
 */
import type { Coordinator } from './coordinator/coordinator.ts';
import { Poller } from './poller.ts';
import { StorageFullError, type Store } from './store/store.ts';

/** Transactions deleted in one commit. */
const CHUNK = 500;
/** Pause between two chunks, so that purging stays in the background. */
const PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 60_000;
const SHORTEST_PAUSE_MS = 500;

export interface RetentionSettings {
  readonly store: Store;
  readonly coordinator: Coordinator;
  readonly clock: {
    now(): number;
    /** By how much it was set forward of late (see clock.ts). Left out: it never is. */
    setForwardMs?(withinMs: number): number;
  };
  /** Age since the end of a transaction, in milliseconds. */
  readonly retentionMs: number;
  readonly onFatal: (error: Error) => void;
}

export const createRetention = ({ store, coordinator, clock, retentionMs, onFatal }: RetentionSettings): Poller => {
  /** Between two rounds: short against the retention, so that nothing is kept much longer than promised. */
  const roundMs = Math.min(Math.max(retentionMs / 10, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
  let after = 0;
  let waiting: string[] = [];
  let endedBefore = 0;
  const step = async (): Promise<number> => {
    if (waiting.length === 0) {
      // Whatever ended before somebody set the clock forward is younger than it looks.
      endedBefore = clock.now() - retentionMs - (clock.setForwardMs?.(retentionMs) ?? 0);
      const { ids, next } = await store.ended(endedBefore, after, clock.now());
      waiting = ids;
      after = next ?? 0;
      if (ids.length === 0) return next === null ? roundMs : PAUSE_MS;
    }
    try {
      await coordinator.submit(waiting.slice(0, CHUNK).map(id => ({ type: 'purge', id, endedBefore })));
      waiting = waiting.slice(CHUNK);
      if (waiting.length === 0) await store.shrink();
    } catch (error) {
      // Whatever of it was not deleted is tried again.
      if (error instanceof StorageFullError) return roundMs;
      throw error;
    }
    return PAUSE_MS;
  };
  return new Poller({ step, onFatal });
};
