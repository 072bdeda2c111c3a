/** A wall clock of a process that can be set while it runs (libfaketime). Its monotonic clock goes on as it is. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where Debian's package `faketime` puts it. */
const LIBRARIES = ['x86_64', 'aarch64'].map(cpu => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`);

const library = (): string | undefined => LIBRARIES.find(existsSync);

/** What is lacking, in a sentence; null: nothing. */
export const lacksWallClock = (): string | null =>
  library() === undefined ? 'The wall clock of a process is set with libfaketime (Debian: faketime).' : null;

export class WallClock {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, 'wall-clock');
    this.set(0);
  }

  /** For the processes that go by it. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: library()!,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      // It is read anew whenever somebody asks for the time.
      FAKETIME_NO_CACHE: '1',
    };
  }

  /** It differs so many seconds from ours from now on. */
  set(seconds: number): void {
    const next = `${this.#file}.next`;
    writeFileSync(next, `${seconds < 0 ? '' : '+'}${Math.round(seconds)}\n`);
    renameSync(next, this.#file);
  }
}
