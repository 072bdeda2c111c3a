/** Looking again and again for what is new, until Ctrl-C. */
import { pause } from '../pause.ts';
import { NoAnswerError } from './broker-client.ts';
import type { Terminal } from './terminal.ts';
import { plain } from './terminal-text.ts';

/** From the end of one look to the beginning of the next. */
const PAUSE_MS = 1_000;

/**
 * Looks once a second until `look` resolves with true or somebody interrupts. A broker that was there and is away is
 * waited for.
 */
export const follow = async (terminal: Terminal, look: () => Promise<boolean>): Promise<void> => {
  const { interrupted } = terminal;
  let wasThere = false;
  let isAway = false;
  while (!interrupted.aborted) {
    try {
      if (await look()) return;
      if (isAway) terminal.remark('The broker is there again.');
      wasThere = true;
      isAway = false;
    } catch (error) {
      if (interrupted.aborted) return;
      if (!wasThere || !(error instanceof NoAnswerError)) throw error;
      if (!isAway) terminal.remark(plain(`${error.message} Looking on for it.`));
      isAway = true;
    }
    await pause(PAUSE_MS, interrupted);
  }
};

/** Remembered at most; the oldest are forgotten. */
const MAX_SEEN = 20_000;

/** What was shown already. */
export class Seen {
  readonly #ids = new Set<string>();

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size <= MAX_SEEN) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }
}
