/** So many at the same time, the others in the order in which they asked. */
import { setImmediate as nextTurn } from 'node:timers/promises';

export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the work when it is its turn, and never in the same turn of the event loop as the one before. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      // A synchronous database never waits for anything: timers and heartbeats need their time between two messages.
      await nextTurn();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
