/** What a command is. The table of all of them (commands.ts) is what dispatch, help, completion and the reference read. */
import type { Flags } from './flags.ts';
import type { Input } from './input.ts';
import type { Terminal } from './terminal.ts';

/** Done; failed or refused; wrong use. */
export type ExitCode = 0 | 1 | 2;

export interface Command {
  /** One word or two, `keys create`. */
  readonly name: string;
  /** As help writes them: `ID`, `ID…` (one or more), `[GROUP]`, `[ID…]`, or nothing. */
  readonly operands?: string;
  /** What completion offers as the operand. */
  readonly choices?: readonly string[];
  /** Continues "escrowmq NAME: ". */
  readonly does: string;
  readonly flags: Flags;
  /** Paragraphs of help, in lines of at most 110 characters. */
  readonly more?: string;
  /** Without `escrowmq`. */
  readonly examples: readonly string[];
  /** Reads its arguments by itself: nothing is checked before. */
  readonly isRaw?: true;
  /** Rejects with a UsageError, or a CallError where the broker refuses. */
  run(input: Input, terminal: Terminal): Promise<ExitCode>;
}
