/** What producers called at the broker and were told: one JSON object a line, in the file before the call goes out. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export type Operation = 'prepare' | 'commit' | 'rollback';

/**
 * `invoke`: a call goes out. `ok`: a 2xx, with the state that it tells. `fail`: refused, with the state that stands.
 * `info`: nothing certain is known of it. Commits of one key have rising numbers.
 */
export type CallEvent = {
  readonly op: Operation;
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** Of its messages, in their order; left out where there is one. */
  readonly keys?: readonly string[];
  readonly number: number;
} & (
  | { readonly event: 'invoke' }
  | { readonly event: 'ok' | 'fail'; readonly state: string }
  | { readonly event: 'info'; readonly why: string }
);

export class CallHistory {
  readonly #path: string;
  readonly #file: number;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'a');
  }

  write(event: CallEvent): void {
    writeSync(this.#file, `${JSON.stringify({ at: Date.now(), ...event })}\n`);
  }

  read(): CallEvent[] {
    const lines = readFileSync(this.#path, 'utf8').split('\n');
    lines.pop();
    return lines.map(line => JSON.parse(line) as CallEvent);
  }

  close(): void {
    closeSync(this.#file);
  }
}
