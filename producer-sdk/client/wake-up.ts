/** One timer for everything that must happen at some time, however many calls wait. */
import { clock } from '../clock.ts';

/** So that many deadlines close together cost one look. */
const CLOSEST_MS = 2;

export class WakeUp {
  /** Looks after everything that is due and says when it has to look again; Infinity: not before somebody asks. */
  readonly #look: () => number;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = Number.POSITIVE_INFINITY;
  #isNeeded = false;

  constructor(look: () => number) {
    this.#look = look;
  }

  /** Looks at this time on the monotonic clock at the latest. */
  at(time: number): void {
    if (time >= this.#dueAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueAt = time;
    const delay = Math.max(CLOSEST_MS, Math.ceil(time - clock.monotonic()));
    this.#timer = setTimeout(() => this.#wake(), delay);
    if (!this.#isNeeded) this.#timer.unref();
  }

  /** Whether the process must live until the timer: not while nobody waits. */
  set isNeeded(isNeeded: boolean) {
    if (isNeeded === this.#isNeeded) return;
    this.#isNeeded = isNeeded;
    if (isNeeded) this.#timer?.ref();
    else this.#timer?.unref();
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  #wake(): void {
    this.#timer = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
    const next = this.#look();
    if (next !== Number.POSITIVE_INFINITY) this.at(next);
  }
}
