/** Help, made of the table of commands. */
import type { Command } from './command.ts';

/** Lines of two columns, the first as wide as its widest cell, at least `least`. */
const columns = (rows: readonly (readonly [left: string, right: string])[], least = 0): string => {
  const width = Math.max(least, ...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}\n`).join('');
};

const usage = ({ name, operands }: Command): string =>
  `escrowmq ${name}${operands === undefined ? '' : ` ${operands}`} [flags]`;

const flagList = ({ flags }: Command): string =>
  columns(
    Object.entries(flags).map(
      ([flag, { value, help }]) => [`--${flag}${value === undefined ? '' : ` ${value}`}`, help] as const,
    ),
  );

export const commandHelp = (command: Command): string => {
  const { name, does, flags, more, examples } = command;
  return [
    `escrowmq ${name}: ${does}\n`,
    `Usage: ${usage(command)}\n`,
    ...(Object.keys(flags).length === 0 ? [] : [flagList(command)]),
    ...(more === undefined ? [] : [`${more}\n`]),
    'Exit codes: 0 done, 1 failed or refused, 2 wrong use.\n',
    `Examples:\n${examples.map(example => `  escrowmq ${example}\n`).join('')}`,
  ].join('\n');
};

/** The commands with what each does. */
const commandList = (commands: readonly Command[]): string =>
  columns(commands.map(({ name, operands, does }) => [`${name}${operands ? ` ${operands}` : ''}`, does]));

/** Of a word that several commands begin with. */
export const familyHelp = (word: string, commands: readonly Command[]): string =>
  `Usage: escrowmq ${word} …\n\n${commandList(commands)}\n\`escrowmq ${commands[0]!.name} --help\` says more of each.\n`;

/** Of the program as a whole, which the settings of its main command belong to. */
export const overview = (title: string, commands: readonly Command[]): string => `${title}

Usage: escrowmq COMMAND …
       escrowmq COMMAND --help
       escrowmq --help | --version

${commandList(commands)}
Settings of serve (each also as environment variable: --data-dir is ESCROWMQ_DATA_DIR):

${flagList(commands.find(({ name }) => name === 'serve')!)}
Times are written 500ms, 10s, 10m, 72h.
`;
