/** Commands on a message's way that must wait, not fail, while the disk is full. */
import type { Command } from '../coordinator/commands.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import { StorageFullError } from '../store/store.ts';

export const NO_ROOM = 'There is no room on the disk of the broker.';

/** Resolves with true when all are durable, with false where there was no room: submit them again after a pause. */
export const submitIfRoom = async (
  coordinator: Pick<Coordinator, 'submit'>,
  commands: readonly Command[],
): Promise<boolean> => {
  try {
    await coordinator.submit(commands);
    return true;
  } catch (error) {
    if (error instanceof StorageFullError) return false;
    throw error;
  }
};
