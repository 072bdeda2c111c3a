/**
 * Time that passes only when nothing is left to do at a moment, so that hours take seconds and every run of a seed is
 * the same. Timers of the product (the global ones) belong to the life of a process and die with it; those of the world
 * around it do not.
 */
import type { Clock } from '../../broker/clock.ts';

/** 2026-01-01, as every simulated world begins. */
const BEGIN = 1_767_225_600_000;
/** Turns without a step of time, after which something spins. */
const MOST_TURNS = 200_000;

type Timer = { readonly at: number; readonly order: number; readonly life: number | null; run: (() => void) | null };

const real = { setImmediate: globalThis.setImmediate };
const replaced = ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] as const;

export class VirtualTime {
  /** Milliseconds since the beginning of the world. */
  ms = 0;
  /** Whose timers the global ones are; null: nobody's, such as of a process that is dead. */
  life = 0;
  /** A heap: the earliest first, of equal ones the one that was set first. */
  readonly #timers: Timer[] = [];
  #order = 0;

  readonly clock: Clock = { now: () => BEGIN + Math.floor(this.ms), monotonic: () => this.ms };

  /** Takes the place of the global timers. What it replaced is put back by the function that it returns. */
  install(): () => void {
    const before = Object.fromEntries(replaced.map(name => [name, globalThis[name]]));
    const set = (ms: number, run: (...given: unknown[]) => void, given: unknown[]): Timer =>
      this.#add(Math.max(ms, 0), () => run(...given), this.life);
    const clear = (timer: Timer | null | undefined): void => {
      if (timer) timer.run = null;
    };
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms = 0, ...given: unknown[]) => set(Math.max(ms, 1), run, given),
      setImmediate: (run: () => void, ...given: unknown[]) => set(0, run, given),
      clearTimeout: clear,
      clearImmediate: clear,
    });
    return () => void Object.assign(globalThis, before);
  }

  /** The world's own timer. */
  after(ms: number, run: () => void): void {
    this.#add(ms, run, null);
  }

  wait(ms: number): Promise<void> {
    return new Promise(resolve => this.after(ms, resolve));
  }

  /** The process is gone, with all that it wanted to do. The next one has another life. */
  die(): void {
    this.life++;
    for (const timer of this.#timers) if (timer.life !== null) timer.run = null;
  }

  /** Runs the world until the promise is settled. Rejects where nothing is left to do before, or something spins. */
  async until<Result>(promise: Promise<Result>): Promise<Result> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.#turn();
    for (let turns = 0; !isSettled; ) {
      const timer = this.#take();
      if (timer === undefined) throw new Error('nothing is left to do, and somebody still waits');
      if (timer.run === null) continue;
      turns = timer.at > this.ms ? 0 : turns + 1;
      if (turns > MOST_TURNS) throw new Error(`at ${this.ms} ms it does not come to rest`);
      this.ms = Math.max(this.ms, timer.at);
      timer.run();
      await this.#turn();
    }
    return promise;
  }

  /** Lets everything happen that follows at once. */
  #turn(): Promise<void> {
    return new Promise(resolve => real.setImmediate(resolve));
  }

  #add(ms: number, run: () => void, life: number | null): Timer {
    const timer = { at: this.ms + ms, order: this.#order++, life, run };
    const heap = this.#timers;
    let place = heap.push(timer) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isEarlier(timer, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = timer;
    return timer;
  }

  #take(): Timer | undefined {
    const heap = this.#timers;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1]!, heap[child]!)) child++;
      if (!isEarlier(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

const isEarlier = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
