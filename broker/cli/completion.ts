/** `escrowmq completion`: scripts for shells, made of the table of commands. Nothing is started while somebody types. */
import type { Command } from './command.ts';
import { type Flag, UsageError } from './flags.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** In single quotes, which bash and zsh take as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const isFile = ({ value }: Flag): boolean => value === 'FILE' || value === 'FOLDER';

/** First words, each once, in the order of help. */
const firstWords = (commands: readonly Command[]): string[] => [
  ...new Set(commands.map(({ name }) => name.split(' ')[0]!)),
];

/** First word → the second words that may follow. */
const families = (commands: readonly Command[]): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const { name } of commands) {
    const [first, second] = name.split(' ');
    if (second !== undefined) found.set(first!, [...(found.get(first!) ?? []), second]);
  }
  return found;
};

const flagsOf = ({ flags }: Command): string[] => Object.keys(flags).map(flag => `--${flag}`);

/** `command:--flag` → its choices; null: any file, or a text that nobody can guess. */
const values = (commands: readonly Command[]): [at: string, flag: Flag][] =>
  commands.flatMap(({ name, flags }) =>
    Object.entries(flags)
      .filter(([, { value }]) => value !== undefined)
      .map(([flag, one]): [string, Flag] => [`${name}:--${flag}`, one]),
  );

const bash = (commands: readonly Command[]): string => {
  const pairs = commands.filter(({ name }) => name.includes(' ')).map(({ name }) => quoted(name));
  const second = [...families(commands)].map(
    ([first, words]) => `      ${quoted(first)}) words=${quoted(words.join(' '))} ;;\n`,
  );
  const choices = values(commands)
    .filter(([, { choices }]) => choices !== undefined)
    .map(([at, { choices }]) => `    ${quoted(at)}) words=${quoted(choices!.join(' '))} ;;\n`);
  const texts = values(commands)
    .filter(([, { choices }]) => choices === undefined)
    .map(([at]) => quoted(at));
  const flags = commands.map(
    command =>
      `      ${quoted(command.name)}) words=${quoted([...(command.choices ?? []), ...flagsOf(command)].join(' '))} ;;\n`,
  );
  return `# bash completion of escrowmq; to use it: source <(escrowmq completion bash)
_escrowmq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" words=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    words=${quoted(firstWords(commands).join(' '))}
  elif ((COMP_CWORD == 2)) && [[ $current != -* ]]; then
    case "$command" in
${second.join('')}    esac
  fi
  if ((COMP_CWORD > 2)); then
    case "$command \${COMP_WORDS[2]}" in
      ${pairs.join(' | ')}) command="$command \${COMP_WORDS[2]}" ;;
    esac
  fi
  case "$command:\${COMP_WORDS[COMP_CWORD - 1]}" in
${choices.join('')}    # A file, or what nobody can guess.
    ${texts.join(' | ')}) return ;;
  esac
  if [[ -z $words ]]; then
    case "$command" in
${flags.join('')}    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _escrowmq escrowmq
`;
};

const described = (word: string, text: string): string => quoted(`${word.replaceAll(':', '\\:')}:${text}`);

const zsh = (commands: readonly Command[]): string => {
  const first = firstWords(commands).map(word => {
    const command = commands.find(({ name }) => name === word);
    return described(
      word,
      command?.does ??
        commands
          .filter(({ name }) => name.startsWith(`${word} `))
          .map(({ name }) => name)
          .join(', '),
    );
  });
  const second = [...families(commands)].map(([word, words]) => {
    const known = words.map(each => described(each, commands.find(({ name }) => name === `${word} ${each}`)!.does));
    return `      ${word}) list=(${known.join(' ')}) ;;\n`;
  });
  const pairs = commands.filter(({ name }) => name.includes(' ')).map(({ name }) => quoted(name));
  const choices = values(commands).map(([at, flag]) => {
    if (flag.choices !== undefined) return `    ${quoted(at)}) compadd -- ${flag.choices.join(' ')}; return ;;\n`;
    return isFile(flag) ? `    ${quoted(at)}) _files; return ;;\n` : `    ${quoted(at)}) return ;;\n`;
  });
  const flags = commands.map(command => {
    const known = Object.entries(command.flags).map(([flag, { help }]) => described(`--${flag}`, help));
    const operands = (command.choices ?? []).map(word => described(word, ''));
    return `    ${quoted(command.name)}) list=(${[...operands, ...known].join(' ')}) ;;\n`;
  });
  return `#compdef escrowmq
# zsh completion of escrowmq; to use it: source <(escrowmq completion zsh), after compinit
_escrowmq() {
  local command=$words[2]
  local -a list
  if ((CURRENT == 2)); then
    list=(${first.join(' ')})
    _describe 'command' list
    return
  fi
  if ((CURRENT == 3)) && [[ $words[3] != -* ]]; then
    case $command in
${second.join('')}    esac
    (($#list)) && _describe 'command' list && return
  fi
  if ((CURRENT > 3)); then
    case "$command $words[3]" in
      ${pairs.join(' | ')}) command="$command $words[3]" ;;
    esac
  fi
  case "$command:$words[CURRENT-1]" in
${choices.join('')}  esac
  case $command in
${flags.join('')}  esac
  _describe 'flag' list || _files
}
if [[ $funcstack[1] == _escrowmq ]]; then _escrowmq "$@"; else compdef _escrowmq escrowmq; fi
`;
};

/** fish knows two escapes in single quotes. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const fish = (commands: readonly Command[]): string => {
  const lines = firstWords(commands).map(word => {
    const does = commands.find(({ name }) => name === word)?.does ?? '';
    return `complete -c escrowmq -f -n __escrowmq_begins -a ${word} -d ${fishQuoted(does)}\n`;
  });
  for (const { name, does, flags, choices, operands = '' } of commands) {
    const [first, second] = name.split(' ');
    if (second !== undefined)
      lines.push(`complete -c escrowmq -f -n '__escrowmq_follows ${first}' -a ${second} -d ${fishQuoted(does)}\n`);
    const at = `complete -c escrowmq -n '__escrowmq_is ${name}'`;
    if (choices !== undefined) lines.push(`${at} -f -a ${fishQuoted(choices.join(' '))}\n`);
    else if (!operands.includes('FILE')) lines.push(`${at} -f\n`);
    for (const [flag, one] of Object.entries(flags)) {
      const value = one.value === undefined ? '' : isFile(one) ? ' -r -F' : ' -x';
      const offered = one.choices === undefined ? '' : ` -a ${fishQuoted(one.choices.join(' '))}`;
      lines.push(`${at} -l ${flag}${value}${offered} -d ${fishQuoted(one.help)}\n`);
    }
  }
  return `# fish completion of escrowmq; to use it: escrowmq completion fish | source
function __escrowmq_begins
  test (count (commandline -opc)) -eq 1
end
function __escrowmq_follows
  set -l words (commandline -opc)
  test (count $words) -eq 2; and test "$words[2]" = $argv[1]
end
function __escrowmq_is
  set -l words (commandline -opc)
  set -l last (math 1 + (count $argv))
  test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"
end
${lines.join('')}`;
};

const SCRIPTS: Record<Shell, (commands: readonly Command[]) => string> = { bash, zsh, fish };

/** `commands`: all of them, this one too; asked for when it runs. */
export const completionCommand = (commands: () => readonly Command[]): Command => ({
  name: 'completion',
  operands: 'SHELL',
  choices: SHELLS,
  does: 'writes a script that completes commands and flags in bash, zsh or fish',
  flags: {},
  more: `To have it in every new shell of bash, put \`source <(escrowmq completion bash)\` into ~/.bashrc.`,
  examples: [
    'completion bash > /etc/bash_completion.d/escrowmq',
    'completion zsh > "$HOME/.zfunc/_escrowmq"',
    'completion fish > "$HOME/.config/fish/completions/escrowmq.fish"',
  ],
  async run(input, terminal) {
    const [shell] = input.operands;
    if (!Object.hasOwn(SCRIPTS, shell!)) throw new UsageError(`There are scripts for ${SHELLS.join(', ')} alone.`);
    await terminal.write(SCRIPTS[shell as Shell](commands()));
    return 0;
  },
});
