/** A process of the load, and the messages it sends. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(message: { event: string }) => void>();
  #ended: Error | null = null;

  constructor(file: string, args: readonly string[]) {
    this.#child = fork(file, args, {
      serialization: 'advanced',
      // kafkajs arms timers with times in the past, which is harmless.
      execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    });
    this.#child.on('message', message => {
      for (const listener of this.#listeners) listener(message as { event: string });
    });
    this.#child.on('exit', code => {
      this.#ended = new Error(`${file} ended with ${code}`);
      for (const listener of this.#listeners) listener({ event: 'ended' });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves with the next message that `fits`; with null after so long without any message. */
  next<T extends { event: string }>(fits: (message: T) => boolean, patienceMs = 600_000): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
      };
      const giveUp = (): void => {
        done();
        resolve(null);
      };
      const listener = (message: { event: string }): void => {
        if (message.event === 'ended') {
          done();
          reject(this.#ended);
        } else if (fits(message as T)) {
          done();
          resolve(message as T);
        } else timer.refresh();
      };
      const timer = setTimeout(giveUp, patienceMs);
      if (this.#ended) reject(this.#ended);
      else this.#listeners.add(listener);
    });
  }

  async nextEvent<T extends { event: string }>(event: T['event']): Promise<T> {
    const message = await this.next<T>(candidate => candidate.event === event);
    if (message === null) throw new Error(`the load said nothing of ${event}`);
    return message;
  }

  send(word: string): void {
    this.#child.send(word);
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}
