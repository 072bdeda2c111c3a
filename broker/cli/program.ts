/** From the arguments of the process to a command and its exit code. */
import { BulkStop } from '../bulk-act.ts';
import { CallError } from './broker-client.ts';
import type { Command, ExitCode } from './command.ts';
import { readArguments } from './command-line.ts';
import { UsageError } from './flags.ts';
import { commandHelp, familyHelp } from './help.ts';
import { Input } from './input.ts';
import type { Terminal } from './terminal.ts';
import { plain } from './terminal-text.ts';

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h';

/** The command that the arguments begin with, two words before one, and what is left of them. */
const find = (commands: readonly Command[], args: string[]): { command: Command; rest: string[] } | null => {
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(' ');
    const command = commands.find(each => each.name === name);
    if (command !== undefined) return { command, rest: args.slice(words) };
  }
  return null;
};

const listed = (names: readonly string[]): string =>
  names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;

/** There is no such command: why, and where to look. */
const lost = (family: readonly Command[], args: string[]): UsageError => {
  const [first, second] = args;
  if (family.length > 0 && (second === undefined || second.startsWith('-')))
    return new UsageError(`Say what to do: escrowmq ${listed(family.map(({ name }) => name))}.`);
  const wanted = family.length > 0 ? `${first} ${second}` : first;
  return new UsageError(`There is no command "${wanted}".`);
};

const runCommand = async (command: Command, args: string[], terminal: Terminal): Promise<ExitCode> => {
  const end = args.indexOf('--');
  if (args.slice(0, end === -1 ? undefined : end).some(isHelp)) {
    await terminal.write(commandHelp(command));
    return 0;
  }
  return command.run(command.isRaw ? new Input(command, args) : readArguments(command, args), terminal);
};

/** Resolves with the exit code. Rejects only with a mistake of the program. */
export const runProgram = async (
  commands: readonly Command[],
  args: string[],
  terminal: Terminal,
): Promise<ExitCode> => {
  const found = find(commands, args);
  const members = commands.filter(({ name }) => name.startsWith(`${args[0]} `));
  const family = members.length > 0 ? args[0]! : '';
  try {
    if (found !== null) return await runCommand(found.command, found.rest, terminal);
    if (members.length === 0 || !args.some(isHelp)) throw lost(members, args);
    await terminal.write(familyHelp(family, members));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.remark(plain(error.message));
      terminal.remark(`\`escrowmq ${found?.command.name ?? family} --help\` shows what there is.`.replace('  ', ' '));
      return 2;
    }
    if (!(error instanceof CallError || error instanceof BulkStop)) throw error;
    terminal.remark(plain(error.message));
    return 1;
  }
};
