/** What is made of the table of commands: help, dispatch, completion, the reference; and wrong use of every one. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { commandHelp } from '../../broker/cli/help.ts';
import { COMMANDS, commandsPart } from '../../tools/command-reference/commands.ts';
import { withPart } from '../../tools/generated-part.ts';
import { escrowmq, inside } from '../support/commands.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

t.test('the reference is the help of every command', async t => {
  const page = readFileSync('docs/commands.md', 'utf8');
  t.ok(page === withPart(page, 'commands', commandsPart()), 'npm run command-reference makes the same page');
});

t.test('help of every command: what it does, each flag, examples that begin with it', async t => {
  for (const command of COMMANDS) {
    const { name, flags, examples } = command;
    const { status, stdout } = await inside([...name.split(' '), '--help']);
    t.strictSame([status, stdout], [0, commandHelp(command)]);
    for (const flag of Object.keys(flags)) t.match(stdout, `\n  --${flag}`, `${name} --${flag}`);
    t.ok(examples.length > 0 && examples.every(example => example.startsWith(name)), name);
    for (const line of [command.does, ...(command.more ?? '').split('\n')]) t.ok(line.length <= 120, line);
  }
  t.match(await inside(['list', 'x', '-h']), { status: 0 });
  t.match(await inside(['show', '--', '--help']), { status: 1 }, 'an id, not a wish for help');
  t.match(await inside(['keys', '--help']), { status: 0, stdout: /keys create .*\n {2}keys list .*\n {2}keys revoke/ });
});

t.test('the real program shows help of all and of one', async t => {
  const { status, stdout } = await escrowmq(['--help']);
  t.equal(status, 0);
  for (const { name, does } of COMMANDS) t.match(stdout, new RegExp(`\n  ${name}.* ${does}\n`), name);
  for (const args of [
    ['commit', '--help'],
    ['help', 'commit'],
  ])
    t.match(await escrowmq(args), { status: 0, stderr: '', stdout: /^escrowmq commit: / });
});

const FULL = '/dev/full';

t.test('output that cannot be written is a failure', { skip: existsSync(FULL) ? false : `no ${FULL}` }, async t => {
  const [program, full] = [process.execPath, openSync(FULL, 'w')];
  const { status, stderr } = spawnSync(program, ['broker/bin/escrowmq.js', 'completion', 'bash'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  t.strictSame([status, stderr], [1, 'escrowmq: Standard output cannot be written (ENOSPC).\n']);
});

t.test('wrong use of every command exits 2, says why, and calls nobody', async t => {
  // Nobody listens there: whoever called would exit with 1.
  const env = { url: 'http://127.0.0.1:9' };
  const wrong = async (t: Test, args: string[], sentence: RegExp): Promise<void> => {
    const { status, stdout, stderr } = await inside(args, { env });
    t.match(stderr, sentence, args.join(' '));
    t.match(stderr, /\n.*`escrowmq .*--help` shows what there is\.\n$/);
    t.strictSame([status, stdout], [2, ''], args.join(' '));
  };
  for (const { name, operands = '', flags, isRaw } of COMMANDS) {
    if (isRaw) continue;
    const words = name.split(' ');
    await wrong(t, [...words, '--nonsense'], /Unknown option '--nonsense'/);
    if (operands !== '' && !operands.startsWith('[')) await wrong(t, words, /Something is missing: escrowmq/);
    if (!operands.includes('…') && !operands.startsWith('[')) {
      const enough = operands === '' ? [] : ['x'];
      await wrong(t, [...words, ...enough, 'stray'], /"stray" is not expected here/);
    }
    for (const [flag, { value, mayBeEmpty }] of Object.entries(flags)) {
      if (value === undefined) await wrong(t, [...words, `--${flag}=x`], /does not take an argument/);
      else if (!mayBeEmpty) await wrong(t, [...words, `--${flag}=`], new RegExp(`--${flag} needs a value`));
      if (flag === 'url') await wrong(t, [...words, '--url=http://a', '--url=http://a'], /--url is given twice/);
    }
  }
  const cases: [args: string, sentence: RegExp][] = [
    ['lst', /There is no command "lst"/],
    ['keys crate', /There is no command "keys crate"/],
    ['keys', /Say what to do: escrowmq keys create, keys list or keys revoke/],
    ['list --limit 0', /--limit must be a whole number from 1 to 500/],
    ['list --limit 5 --all', /--all knows no --limit/],
    ['list --all --follow', /Give --all or --follow, not both/],
    ['list --last-error x', /--last-error needs --unresolved/],
    ['commit t1', /Say why: --reason TEXT/],
    ['commit --reason r', /Say which: escrowmq commit ID, or --all and a filter/],
    ['commit --all --reason r', /--all needs at least one of --unresolved, --group, .* and --last-error/],
    ['commit t1 --all --group g --reason r', /Name them, or say --all; not both/],
    ['commit t1 --group g --reason r', /--group says something only with --all/],
    ['rollback t1 --yes --reason r', /--yes says something only with --all/],
    ['retry --all --reason r --yes', /--all needs at least one of --topic, --group and --last-error/],
    ['discard --all --topic a --reason r', /There is no terminal to ask on: say --yes/],
    ['backup x', /Say why: --reason TEXT/],
    ['list --state done', /--state must be one of prepared, committed, rolled_back\./],
    ['list --since yesterday', /--since must be a time like 2026-11-21T10:00:00Z, or so long ago: 30m, 2h, 7d\./],
    ['acts --until 2h30m', /--until must be a time like .*, or so long ago/],
    ['keys create --role root', /--role must be one of producer, viewer, operator\./],
    ['keys create --role producer', /Say whose key it is: --group GROUP\./],
    ['keys create --role viewer --expires soon', /--expires must be a time like .*, or so long from now/],
    ['keys create', /Say which role the key has: --role ROLE/],
    ['completion tcsh', /There are scripts for bash, zsh, fish alone/],
    ['dev --port x', /--port must be a whole number/],
    ['status --url ftp://x', /--url must be an http/],
    ['status --key a --key-file b', /Give the key once/],
    ['status --key-file /dev/null/x', /--key-file: \/dev\/null\/x cannot be read/],
  ];
  for (const [line, sentence] of cases) await wrong(t, line.split(' '), sentence);
});

/** What bash offers at the end of a line. The script is sourced, as whoever uses it does. */
const offered = (t: Test, script: string, line: string): string[] => {
  const file = join(temporaryFolder(t), 'completion');
  writeFileSync(file, script);
  const words = line.split(' ');
  const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _escrowmq; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', program, 'bash', file, ...words], {
    encoding: 'utf8',
  });
  if (status !== 0 || stderr !== '') throw new Error(`bash: ${status} ${stderr}`);
  return stdout.split('\n').filter(word => word !== '');
};

t.test('bash completes commands, flags and values', async t => {
  const { stdout: script, status } = await escrowmq(['completion', 'bash']);
  t.equal(status, 0);
  const complete = (line: string): string[] => offered(t, script, line);
  t.strictSame(complete('escrowmq co'), ['commit', 'completion']);
  t.strictSame(complete('escrowmq '), [...new Set(COMMANDS.map(({ name }) => name.split(' ')[0]))]);
  t.strictSame(complete('escrowmq keys '), ['create', 'list', 'revoke']);
  t.strictSame(complete('escrowmq groups '), ['test']);
  t.strictSame(complete('escrowmq groups --j'), ['--json']);
  t.strictSame(complete('escrowmq keys create --r'), ['--role', '--reason']);
  t.strictSame(complete('escrowmq keys create --role '), ['producer', 'viewer', 'operator']);
  t.strictSame(complete('escrowmq list --state pre'), ['prepared']);
  t.strictSame(complete('escrowmq list --state prepared --un'), ['--unresolved', '--until']);
  t.strictSame(complete('escrowmq completion '), ['bash', 'zsh', 'fish']);
  t.strictSame(complete('escrowmq status --key-file '), [], 'files are for bash to offer');
  t.strictSame(complete('escrowmq commit --reason '), []);
  for (const { name, flags } of COMMANDS)
    t.strictSame(
      complete(`escrowmq ${name} --`),
      Object.keys(flags).map(flag => `--${flag}`),
      name,
    );
});

t.test('the scripts of zsh and fish have every command and flag', async t => {
  for (const shell of ['zsh', 'fish']) {
    const { stdout } = await inside(['completion', shell]);
    for (const { name, flags } of COMMANDS) {
      for (const word of name.split(' ')) t.match(stdout, word);
      for (const flag of Object.keys(flags)) t.match(stdout, shell === 'zsh' ? `'--${flag}:` : ` -l ${flag} `);
    }
    // Where there is no such shell, it cannot be asked.
    const check = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    if (check.error === undefined) t.strictSame([check.status, check.stderr], [0, ''], `${shell} can read it`);
  }
  const { stdout } = await inside(['completion', 'fish']);
  const ask = `${stdout}complete -C 'escrowmq keys '; complete -C 'escrowmq list --un'`;
  const found = spawnSync('fish', ['--no-config'], { input: ask, encoding: 'utf8' });
  if (found.error !== undefined) return;
  const words = found.stdout
    .trim()
    .split('\n')
    .map(line => line.split('\t')[0]);
  t.strictSame([words, found.stderr], [['create', 'list', 'revoke', '--unresolved', '--until'], '']);
});
