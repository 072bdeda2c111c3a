/**
 * The one loop shape: a bounded step of work when a timer rings or somebody wakes it, then the next. A step that
 * throws stops the loop and is told to `onFatal`: what may fail and be repeated is handled inside the step.
 */
export interface PollerSettings {
  /** One bounded step; resolves with the milliseconds until the next one (0: at once, null: only when woken). */
  readonly step: () => Promise<number | null>;
  readonly onFatal: (error: Error) => void;
}

/** Longest time a timer of the platform can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Poller {
  readonly #settings: PollerSettings;
  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null;
  #running: Promise<void> | null = null;
  #woken = false;
  #state: 'new' | 'started' | 'stopped' = 'new';

  constructor(settings: PollerSettings) {
    this.#settings = settings;
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'started';
    this.#arm(0);
  }

  /** Runs a step soon: at once when idle, right after the one under way otherwise. Many calls are one. */
  wake(): void {
    if (this.#running) this.#woken = true;
    else if (this.#state === 'started') this.#arm(0);
  }

  /** No step starts any more; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#disarm();
    await this.#running;
  }

  #arm(afterMs: number): void {
    this.#disarm();
    const ring = (): void => {
      this.#timer = null;
      this.#running = this.#run();
    };
    this.#timer = afterMs <= 0 ? setImmediate(ring) : setTimeout(ring, Math.min(afterMs, MAX_TIMER_MS));
  }

  #disarm(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
    this.#timer = null;
  }

  async #run(): Promise<void> {
    let next: number | null = null;
    try {
      next = await this.#settings.step();
    } catch (error) {
      this.#state = 'stopped';
      this.#settings.onFatal(error as Error);
    } finally {
      this.#running = null;
    }
    const woken = this.#woken;
    this.#woken = false;
    if (this.#state !== 'started') return;
    if (woken) this.#arm(0);
    else if (next !== null) this.#arm(next);
  }
}
