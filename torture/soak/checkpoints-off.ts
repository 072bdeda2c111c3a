/** Nothing moves from the WAL into the database file any more. */
import type { PlantedFault } from '../planted-fault.ts';

export const CHECKPOINTS_OFF: PlantedFault = {
  name: 'checkpoint-loop-off',
  what: 'nothing moves what was committed from the WAL into the database',
  file: 'broker/store/checkpointer.ts',
  from: 'if (!this.#busy && this.#state().waiting >= CHECKPOINT_PAGES) this.#begin();',
  to: '',
};
