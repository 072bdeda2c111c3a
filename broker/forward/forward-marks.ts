/**
 * The marks "this message is in Kafka" on their way into the store. They ride on other commits. One is never dropped:
 * without it the message would be sent again at the next start.
 */
import type { SentCommand } from '../coordinator/commands.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import { type ReadyMessage, StorageFullError } from '../store/store.ts';
import { messageId } from '../transaction/transaction.ts';
import { within } from './deadline.ts';

/** Messages in Kafka whose mark is not durable; above this nothing more is sent. */
const MAX_UNMARKED = 10_000;
/** When the disk was full, the marks are submitted again after this time. */
const AGAIN_MS = 1_000;

export interface ForwardMarksSettings {
  readonly coordinator: Pick<Coordinator, 'submitLazily'>;
  /** There may be room for more messages. */
  readonly onRoom: () => void;
  readonly onFatal: (error: Error) => void;
}

interface Marks {
  readonly isRepeat?: boolean;
  readonly commands: readonly SentCommand[];
  readonly onDurable: () => void;
}

export class ForwardMarks {
  readonly #settings: ForwardMarksSettings;
  #unmarked = 0;
  #kept: Marks[] = [];
  #again: NodeJS.Timeout | null = null;
  #empty: PromiseWithResolvers<void> | null = null;

  constructor(settings: ForwardMarksSettings) {
    this.#settings = settings;
  }

  /** No further send is to start. */
  get full(): boolean {
    return this.#unmarked >= MAX_UNMARKED;
  }

  /** The messages are in Kafka from `baseOffset` on, in this order. */
  add(messages: readonly ReadyMessage[], baseOffset: number, onDurable: () => void): void {
    this.#unmarked += messages.length;
    const commands = messages.map(({ transactionId, index }, i) => {
      return { type: 'forwarded', transactionId, index, offset: baseOffset + i } as const;
    });
    void this.#save({ commands, onDurable });
  }

  /** Resolves when all marks are durable, at the latest after `deadlineMs`; those that are not yet are given up. */
  async flush(deadlineMs: number): Promise<void> {
    this.#submitKept();
    if (this.#unmarked > 0) {
      this.#empty ??= Promise.withResolvers<void>();
      await within(deadlineMs, this.#empty.promise, 'not all marks are durable').catch(() => {});
    }
    if (this.#again) clearTimeout(this.#again);
  }

  async #save(marks: Marks): Promise<void> {
    const { coordinator, onFatal, onRoom } = this.#settings;
    try {
      const outcomes = await coordinator.submitLazily(marks.commands);
      const unknown = outcomes.findIndex(({ kind }) => kind === 'refused');
      // A repeat may find some marked the first time, and long forgotten since.
      if (unknown >= 0 && !marks.isRepeat) {
        const { transactionId, index } = marks.commands[unknown]!;
        throw new Error(`message ${messageId(transactionId, index)} went to Kafka and is not in the store`);
      }
    } catch (error) {
      if (error instanceof StorageFullError) this.#keep(marks);
      else onFatal(error as Error);
      return;
    }
    const wasFull = this.full;
    this.#unmarked -= marks.commands.length;
    marks.onDurable();
    if (this.#unmarked === 0) this.#empty?.resolve();
    if (wasFull && !this.full) onRoom();
  }

  #keep(marks: Marks): void {
    this.#kept.push({ ...marks, isRepeat: true });
    this.#again ??= setTimeout(() => this.#submitKept(), AGAIN_MS);
  }

  #submitKept(): void {
    if (this.#again) clearTimeout(this.#again);
    this.#again = null;
    for (const marks of this.#kept.splice(0)) void this.#save(marks);
  }
}
