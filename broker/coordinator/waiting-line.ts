/**
 * Commands that wait for a commit. What ends something goes first, then new transactions, the producer groups in turn:
 * what is begun can end however much is begun, and a group with much to say does not silence one with little.
 */
import type { Command, Outcome } from './commands.ts';

/** Commands in one commit. Bounds the time one commit keeps the event loop. */
const MAX_COMMANDS = 1_000;
const MAX_MESSAGES = 5_000;
/** Commands of one group before it is the next one's turn. */
const TURN_COMMANDS = 50;

/** What one caller submitted together. It may be spread over several commits. */
export interface Submission {
  readonly commands: readonly Command[];
  readonly outcomes: Outcome[];
  /** Commands already taken into a commit. */
  taken: number;
  /** Of one that failed in part the rest is not carried out: its caller repeats all. */
  isFailed: boolean;
  readonly settle: (outcomes: Outcome[]) => void;
  readonly fail: (error: Error) => void;
}

/** What one commit holds: commands in order, each with whom it came from. */
export interface Batch {
  readonly commands: Command[];
  readonly from: Submission[];
  messages: number;
}

/** How much waits: commands, and content of the prepares among them. */
export interface Load {
  commands: number;
  bytes: number;
}

interface Queue extends Load {
  readonly submissions: Submission[];
}

const sizeOf = (command: Command): { messages: number; bytes: number } => {
  if (command.type !== 'prepare') return { messages: 0, bytes: 0 };
  let bytes = 0;
  for (const { key, payload, headers } of command.messages) {
    bytes += (key?.length ?? 0) + (payload?.length ?? 0);
    for (const [name, value] of headers) bytes += name.length + value.length;
  }
  return { messages: command.messages.length, bytes };
};

const emptyQueue = (): Queue => ({ submissions: [], commands: 0, bytes: 0 });
const NOTHING: Load = { commands: 0, bytes: 0 };

export class WaitingLine {
  #first = emptyQueue();
  /** In the order of their turns. */
  readonly #groups = new Map<string, Queue>();
  readonly #load: Load = { commands: 0, bytes: 0 };

  get load(): Readonly<Load> {
    return this.#load;
  }

  /** Of new transactions of the group. */
  loadOf(group: string): Readonly<Load> {
    return this.#groups.get(group) ?? NOTHING;
  }

  /** `group`: whose new transactions these are; null: they go first. */
  add(submission: Submission, group: string | null): void {
    let queue = this.#first;
    if (group !== null) {
      queue = this.#groups.get(group) ?? emptyQueue();
      this.#groups.set(group, queue);
    }
    queue.submissions.push(submission);
    for (const command of submission.commands) this.#count(queue, 1, sizeOf(command).bytes);
  }

  /** The next commit's commands. Empty where nothing waits. */
  take(): Batch {
    const batch: Batch = { commands: [], from: [], messages: 0 };
    let hasRoom = this.#fill(batch, this.#first, MAX_COMMANDS);
    while (hasRoom && this.#groups.size > 0) {
      const [group, queue] = this.#groups.entries().next().value!;
      hasRoom = this.#fill(batch, queue, TURN_COMMANDS);
      if (!hasRoom && queue.submissions.length > 0) break;
      this.#groups.delete(group);
      if (queue.submissions.length > 0) this.#groups.set(group, queue);
    }
    return batch;
  }

  /** Everything, so that it can be refused. */
  clear(): Submission[] {
    const all = [this.#first, ...this.#groups.values()].flatMap(({ submissions }) => submissions);
    this.#first = emptyQueue();
    this.#groups.clear();
    this.#load.commands = 0;
    this.#load.bytes = 0;
    return all;
  }

  /** Returns whether the batch has room for more. */
  #fill(batch: Batch, queue: Queue, most: number): boolean {
    let left = most;
    let done = 0;
    let hasRoom = true;
    for (const submission of queue.submissions) {
      while (left > 0 && hasRoom && submission.taken < submission.commands.length) {
        const command = submission.commands[submission.taken]!;
        const { messages, bytes } = sizeOf(command);
        const count = batch.commands.length;
        hasRoom = count < MAX_COMMANDS && (count === 0 || batch.messages + messages <= MAX_MESSAGES);
        if (!hasRoom) break;
        submission.taken++;
        this.#count(queue, -1, -bytes);
        if (submission.isFailed) continue;
        left--;
        batch.messages += messages;
        batch.commands.push(command);
        batch.from.push(submission);
      }
      if (submission.taken < submission.commands.length) break;
      done++;
    }
    queue.submissions.splice(0, done);
    return hasRoom;
  }

  #count(queue: Load, commands: number, bytes: number): void {
    queue.commands += commands;
    queue.bytes += bytes;
    this.#load.commands += commands;
    this.#load.bytes += bytes;
  }
}
