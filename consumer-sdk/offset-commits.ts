/** Which offsets the group has handled and Kafka has not been told yet; told together, now and then. */
import { clock } from './clock.ts';

export interface Position {
  readonly topic: string;
  readonly partition: number;
  /** Of the first record that is not handled. */
  readonly offset: string;
}

/** Resolves once Kafka has stored them. */
export type Commit = (positions: readonly Position[]) => Promise<void>;

export const partitionKey = (topic: string, partition: number): string => `${topic}/${partition}`;

/**
 * A commit that fails or never happens costs deliveries that the inbox answers, nothing else; so it is tried again at
 * the next turn, and only with whatever is still ours.
 */
export class OffsetCommits {
  readonly #commit: Commit;
  readonly #everyMs: number;
  readonly #waiting = new Map<string, Position>();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #isClosed = false;
  /** Monotonic: since when commits have failed; null: the last one did not. */
  failingSince: number | null = null;
  lastError: unknown = null;

  constructor(commit: Commit, everyMs: number) {
    this.#commit = commit;
    this.#everyMs = everyMs;
  }

  /** Everything of the partition before this offset is handled. */
  mark(position: Position): void {
    if (this.#isClosed) return;
    this.#waiting.set(partitionKey(position.topic, position.partition), position);
    this.#timer ??= setTimeout(() => void this.flush(), this.#everyMs);
  }

  /** Tells nothing more about partitions that are not among these. */
  keepOnly(owned: ReadonlySet<string>): void {
    for (const key of this.#waiting.keys()) if (!owned.has(key)) this.#waiting.delete(key);
  }

  /** Tells Kafka now, after whatever it is being told already. Never rejects. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#running !== null) await this.#running;
    if (this.#waiting.size === 0 || this.#isClosed) return;
    this.#running = this.#tell().finally(() => {
      this.#running = null;
    });
    await this.#running;
  }

  /** The last word: nothing is told any more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #tell(): Promise<void> {
    const told = [...this.#waiting];
    try {
      await this.#commit(told.map(([, position]) => position));
      for (const [key, position] of told) if (this.#waiting.get(key) === position) this.#waiting.delete(key);
      this.failingSince = null;
      this.lastError = null;
    } catch (error) {
      this.failingSince ??= clock.monotonic();
      this.lastError = error;
      if (!this.#isClosed) this.#timer ??= setTimeout(() => void this.flush(), this.#everyMs);
    }
  }
}
