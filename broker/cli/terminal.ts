/** The terminal, or what stands in its place: a file, a pipe, a test. */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { WriteStream } from 'node:tty';

export interface Terminal {
  /** Of a flag, from the environment; null where it is not set. */
  environment(flag: string): string | null;
  /** To standard output. Awaited by whoever writes much. */
  write(text: string): void | Promise<void>;
  /** For what is said besides, on standard error: a sentence. */
  remark(sentence: string): void;
  /** Replaces the line that shows how far it is; null takes it away. Nothing happens where nobody sees it. */
  progress(line: string | null): void;
  /** Columns of standard output; null: it is no terminal, and nothing is shortened. */
  readonly columns: number | null;
  readonly hasColours: boolean;
  /** A person's answer to a question; null: there is nobody who could answer. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Aborted by the first Ctrl-C after somebody has asked for it. A second one ends the process. */
  readonly interrupted: AbortSignal;
}

const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\u001b[K';

/** What the process has to offer. `widthSet` and `isColourless` come from the environment. */
export interface Surroundings {
  readonly environment: Terminal['environment'];
  readonly widthSet: number | null;
  readonly isColourless: boolean;
}

const askOn =
  (input: NodeJS.ReadStream, output: WriteStream): NonNullable<Terminal['ask']> =>
  async question => {
    const reader = createInterface({ input, output });
    try {
      return await reader.question(question);
    } catch {
      return '';
    } finally {
      reader.close();
    }
  };

/** `onLostOutput`: standard output cannot be written any more. EPIPE: nobody reads it. */
export const processTerminal = (
  { environment, widthSet, isColourless }: Surroundings,
  onLostOutput: (code: string) => never,
): Terminal => {
  const { stdin, stdout, stderr } = process;
  let interruption: AbortController | null = null;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    onLostOutput(error.code ?? error.message);
  });
  let isProgressShown = false;
  const progress = (line: string | null): void => {
    if (!stderr.isTTY || (line === null && !isProgressShown)) return;
    stderr.write(CLEAR_LINE + (line ?? ''));
    isProgressShown = line !== null;
  };
  return {
    environment,
    columns: stdout.isTTY ? (widthSet ?? (stdout.columns || DEFAULT_COLUMNS)) : widthSet,
    hasColours: stdout.isTTY === true && !isColourless,
    write: text => {
      progress(null);
      if (!stdout.write(text)) return once(stdout, 'drain').then(() => undefined);
    },
    remark: sentence => {
      progress(null);
      stderr.write(`escrowmq: ${sentence}\n`);
    },
    progress,
    ask: stdin.isTTY && stderr.isTTY ? askOn(stdin, stderr) : null,
    get interrupted() {
      if (interruption === null) {
        const controller = new AbortController();
        for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => controller.abort());
        interruption = controller;
      }
      return interruption.signal;
    },
  };
};
