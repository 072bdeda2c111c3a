/** Nothing moves from the WAL into the database file any more. */
import type { PlantedFault } from '../planted-fault.ts';

export const CHECKPOINTS_OFF: PlantedFault = {
  name: 'checkpoint-loop-off',
  what: 'nothing moves what was committed from the WAL into the database',
  file: 'broker/store/checkpointer.ts',
  from: 'if (isDue || (this.#isTight && !wasTight && wal > 0)) this.#begin();',
  to: '',
};
