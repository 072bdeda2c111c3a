/** Every setting, command, flag and variable that the documentation and ops/ name is one that the program knows. */
import { globSync, readFileSync, statSync } from 'node:fs';
import t from 'tap';
import type { Command } from '../../broker/cli/command.ts';
import { commandTable } from '../../broker/cli/commands.ts';
import { environmentName } from '../../broker/config.ts';

/** One is made of the commands, the other is about those who put the broker to the test. */
const NOT_LOOKED_AT = ['docs/commands.md', 'docs/reliability.md'];
const PAGES = globSync(['README.md', 'SECURITY.md', 'docs/*.md']).filter(page => !NOT_LOOKED_AT.includes(page));
const FILES = globSync(['Dockerfile', 'ops/**/*']).filter(file => statSync(file).isFile());
const read = (file: string): string => readFileSync(file, 'utf8');

const notRun = async (): Promise<never> => Promise.reject(new Error('Only named here.'));
const commands = commandTable({ serve: notRun, startToTry: notRun });
/** Of other programs, where they stand alone. */
const FOREIGN = ['cacert'];
/** Every command has these. */
const EVERYWHERE = ['help', 'version'];
const flagsOf = (command: Command): Set<string> => new Set([...Object.keys(command.flags), ...EVERYWHERE]);
const everyFlag = new Set(commands.flatMap(command => [...flagsOf(command)]).concat(FOREIGN));
/** The key itself, which no flag takes: others could read it in a list of processes. */
const variables = new Set([...everyFlag, 'operator-key'].map(environmentName));

/** What stands in code: spans and lines of blocks. */
const codeOf = (page: string): string[] => {
  const blocks = [...page.matchAll(/^ *```\w*\n([\s\S]*?)^ *```/gm)].flatMap(([, text]) => text!.split('\n'));
  const indented = [...page.matchAll(/^ {4}\S.*$/gm)].map(([line]) => line);
  const rest = page.replaceAll(/^ *```\w*\n[\s\S]*?^ *```/gm, '');
  return [...blocks, ...indented, ...[...rest.matchAll(/`([^`]+)`/g)].map(([, span]) => span!)];
};

/** The command that the words begin with, the longest name first; undefined: none. */
const commandOf = (words: string): Command | undefined =>
  commands
    .toSorted((a, b) => b.name.length - a.name.length)
    .find(({ name }) => words === name || words.startsWith(`${name} `));

/** Up to the next command of a shell, and without what only looks like a flag: texts in quotes. */
const flagsIn = (words: string): string[] => {
  const [own] = words.replaceAll(/"[^"]*"|'[^']*'/g, '""').split(/[|;&>#]/, 1);
  return [...own!.matchAll(/(?<=\s)--([a-z][a-z-]*)/g)].map(([, flag]) => flag!);
};

const isFirstWord = (word: string): boolean => commands.some(({ name }) => name.split(' ', 1)[0] === word);

/** What is wrong with the line, in words. `isProse`: the program's name may stand before any word. */
const faults = (line: string, isProse = false): string[] => {
  const found: string[] = [];
  for (const [, words] of line.matchAll(/\bescrowmq ([a-z].*)$/g)) {
    if (isProse && !isFirstWord(words!.split(' ', 1)[0]!)) continue;
    const command = commandOf(words!);
    if (command === undefined) found.push(`there is no command escrowmq ${words}`);
    else
      for (const flag of flagsIn(words!))
        if (!flagsOf(command).has(flag)) found.push(`${command.name} has no flag --${flag}`);
  }
  const [, alone] = /^--([a-z][a-z-]*)(?: [^-]\S*)?$/.exec(line) ?? [];
  if (alone !== undefined && !everyFlag.has(alone)) found.push(`there is no flag --${alone}`);
  for (const [name] of line.matchAll(/\bESCROWMQ_[A-Z][A-Z_]*\b/g))
    if (!variables.has(name)) found.push(`there is no variable ${name}`);
  return found;
};

t.test('what does not exist is found', async t => {
  const wrong: [line: string, found: number][] = [
    ['escrowmq backup /backup/monday.db --reason "the --old disk" | sort --unique', 0],
    ['npx escrowmq serve --publisher memory', 0],
    ['escrowmq serve --reason x', 1],
    ['escrowmq dance', 1],
    ['--retention 72h', 0],
    ['--retentions', 1],
    ['ESCROWMQ_DATA_DIR=/data', 0],
    ['ESCROWMQ_DATA_FOLDER=/data', 1],
  ];
  for (const [line, found] of wrong) t.equal(faults(line).length, found, line);
});

t.test('the documentation and ops/ name what there is', async t => {
  let named = 0;
  for (const file of [...PAGES, ...FILES]) {
    const isPage = file.endsWith('.md');
    for (const line of isPage ? codeOf(read(file)) : read(file).split('\n')) {
      if (!/escrowmq [a-z]|^--|ESCROWMQ_/.test(line)) continue;
      named++;
      t.same(faults(line.trim(), !isPage), [], `${file}: ${line}`);
    }
  }
  t.ok(named > 60, `${named} lines name something`);
});
