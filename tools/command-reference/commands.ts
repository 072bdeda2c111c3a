/** The table of commands, to look at, and the part of docs/commands.md that is made of it. */
import type { Command } from '../../broker/cli/command.ts';
import { commandTable } from '../../broker/cli/commands.ts';
import { commandHelp } from '../../broker/cli/help.ts';

const nobody = (): never => {
  throw new Error('no broker is run here');
};

/** As the program has it, but for `serve` and `dev`, which run nothing. */
export const COMMANDS: readonly Command[] = commandTable({ serve: nobody, startToTry: nobody });

export const commandsPart = (): string =>
  COMMANDS.map(command => `\n## escrowmq ${command.name}\n\n\`\`\`text\n${commandHelp(command)}\`\`\`\n`).join('');
