/**
 * How much room is left on the disk of the data folder. The last of it, the reserve, is for the end of what was begun:
 * resolutions, answers of checks, marks of what was forwarded.
 */
import { statfsSync } from 'node:fs';

/** The reserve of a small disk: this part of it. */
const MOST_OF_DISK = 1 / 8;
/** In reserves: below this room is tight, and from this on new transactions are accepted again. */
const TIGHT = 2;
const AGAIN = 1.25;

export class DiskRoom {
  readonly #folder: string;
  readonly #reserveBytes: number;
  #isTight = false;
  #isShort = false;

  constructor(folder: string, reserveBytes: number) {
    this.#folder = folder;
    this.#reserveBytes = reserveBytes;
  }

  /** As of the last look: there is not much more than the reserve. What is used without need should be given back. */
  get isTight(): boolean {
    return this.#isTight;
  }

  /** As of the last look: only the reserve is left. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** As it is now. Throws where the disk does not say. */
  space(): { freeBytes: number; reserveBytes: number } {
    const { bavail, blocks, bsize } = statfsSync(this.#folder);
    return {
      freeBytes: bavail * bsize,
      reserveBytes: Math.floor(Math.min(this.#reserveBytes, blocks * bsize * MOST_OF_DISK)),
    };
  }

  /** `owedBytes` are free as yet, but needed for what is stored already. A few microseconds. */
  look(owedBytes: number): void {
    try {
      const { freeBytes, reserveBytes } = this.space();
      const reserves = (freeBytes - owedBytes) / reserveBytes;
      this.#isTight = reserves < TIGHT;
      this.#isShort = reserves < (this.#isShort ? AGAIN : 1);
    } catch {
      // A disk that does not even say this will not take a commit: the commit tells.
    }
  }
}
