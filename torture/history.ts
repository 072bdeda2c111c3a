/** What each process saw, in its own file: one JSON object a line, in the file before the process goes on. */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export type Happening =
  /** A call began: of the caller at bank A, or of bank A at the SDK. */
  | { readonly event: 'invoke'; readonly id: string }
  /** It was told that the transfer happens. */
  | { readonly event: 'ok'; readonly id: string; readonly repeated: boolean; readonly delivery: string }
  /** It was told that this call made nothing happen. */
  | { readonly event: 'fail'; readonly id: string; readonly code: string }
  /** It was told nothing certain. */
  | { readonly event: 'info'; readonly id: string; readonly code: string }
  /** Bank A's local transaction has committed. */
  | { readonly event: 'local'; readonly id: string }
  /** Bank A's answer to a check-back. */
  | { readonly event: 'answer'; readonly id: string; readonly resolution: string }
  /** Bank B's local transaction has committed. */
  | { readonly event: 'credit'; readonly id: string }
  /** A process is killed at this point of this transfer. */
  | { readonly event: 'die'; readonly id: string }
  /** A reply was lost on purpose. */
  | { readonly event: 'swallow'; readonly id: string }
  | { readonly event: 'act'; readonly act: string }
  /** What both banks held, and what was on its way between them. */
  | { readonly event: 'sample'; readonly a: number; readonly b: number; readonly underWay: number };

export type HistoryEvent = Happening & { readonly process: string; readonly at: number };

export class History {
  readonly #process: string;
  readonly #file: number;

  /** A process that is started again goes on in its file. */
  constructor(folder: string, process: string) {
    this.#process = process;
    this.#file = openSync(join(folder, `${process}.jsonl`), 'a');
  }

  write(happening: Happening): void {
    writeSync(this.#file, `${JSON.stringify({ process: this.#process, at: Date.now(), ...happening })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Of all processes; each one's in its order. What a process was killed in the middle of writing is left out. */
export const readHistory = (folder: string): HistoryEvent[] =>
  readdirSync(folder)
    .filter(name => name.endsWith('.jsonl'))
    .sort()
    .flatMap(name => {
      const lines = readFileSync(join(folder, name), 'utf8').split('\n');
      lines.pop();
      return lines.map(line => JSON.parse(line) as HistoryEvent);
    });
