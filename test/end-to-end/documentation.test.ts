/** What the documentation says to do is done, and what it shows is seen: every block of every page, or a reason why not. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { mariadbPool, needsMariadb, needsPostgres, postgresPool } from '../support/databases.ts';
import { EXCEPTIONS, TERMINALS } from '../support/documentation/exceptions.ts';
import { followPage, names, readPage } from '../support/documentation/page.ts';
import { isShell } from '../support/documentation/steps.ts';
import { typeCheck } from '../support/documentation/type-check.ts';
import { needsKafka, sharedKafka } from '../support/kafka.ts';
import { type Block, linksOf } from '../support/markdown.ts';
import { needsPython } from '../support/python.ts';

t.setTimeout(120_000);

const PAGES = globSync([
  '*.md',
  'docs/*.md',
  'examples/*/README.md',
  '{broker,producer-sdk,consumer-sdk}/README.md',
]).sort();
const pages = new Map(PAGES.map(page => [page, readPage(page)]));
const all = [...pages].flatMap(([page, blocks]) => blocks.map(block => ({ page, block })));

const isExcepted = (page: string, block: Block): boolean => EXCEPTIONS.some(one => names(one, page, block));
const inLanguage = (...languages: string[]): { page: string; block: Block }[] =>
  all.filter(({ page, block }) => languages.includes(block.language) && !isExcepted(page, block));

/** Blocks that are looked at, and those that are drawings, output or protocols: nothing can be run of these. */
const RUN = ['sh', 'bash', 'console', 'json', 'js', 'ts', 'sql', 'yaml', 'python'];
const SHOWN = ['', 'text', 'http'];

t.test('every block is of a kind that is known here, and the list of exceptions has nothing stale', async t => {
  for (const { page, block } of all) {
    t.ok([...RUN, ...SHOWN].includes(block.language), `${page}:${block.line}: ${block.language}`);
  }
  for (const mention of [...EXCEPTIONS, ...TERMINALS]) {
    const meant = all.filter(({ page, block }) => names(mention, page, block));
    t.equal(meant.length, 1, `${mention.page}: a block begins with ${JSON.stringify(mention.begins)}`);
  }
});

t.test('every page of docs is reached from docs/README.md', async t => {
  const reached = new Set<string>();
  const go = (page: string): void => {
    if (reached.has(page)) return;
    reached.add(page);
    for (const { path } of linksOf(readFileSync(page, 'utf8'))) {
      const target = normalize(join(dirname(page), path));
      if (target.startsWith('docs/') && target.endsWith('.md')) go(target);
    }
  };
  go('docs/README.md');
  for (const page of globSync('docs/**/*.md')) t.ok(reached.has(page), page);
});

t.test('scripts, tests and files that are named exist', async t => {
  const manifests = globSync('{.,*,examples/*}/package.json', { exclude: ['node_modules'] });
  const scripts = manifests.flatMap(file => Object.keys(JSON.parse(readFileSync(file, 'utf8')).scripts ?? {}));
  const tests = globSync('test/**/*.test.ts');
  const paths = /`((?:broker|docs|examples|ops|producer-sdk|consumer-sdk|test|tools|torture|bench)\/[\w./-]+\w)`/g;
  for (const page of PAGES) {
    const text = readFileSync(page, 'utf8');
    for (const [, name] of text.matchAll(/npm run ([\w-]+)/g))
      t.ok(scripts.includes(name!), `${page}: npm run ${name}`);
    for (const [, word] of text.matchAll(/npm test -- ([\w-]+)/g)) {
      t.ok(
        tests.some(file => file.includes(word!)),
        `${page}: npm test -- ${word}`,
      );
    }
    for (const [, path] of text.matchAll(paths)) t.ok(existsSync(path!), `${page}: ${path}`);
  }
});

/** Flags with their defaults ('' where there is none), from lines that say both. */
const flagsIn = (text: string, line: RegExp): Map<string, string> =>
  new Map([...text.matchAll(line)].map(([, flag, value]) => [flag!, (value ?? '').trim()]));

t.test('the table of settings is that of the program', async t => {
  const table = /\| flag \| default \| \|\n([\s\S]*?)\n\n/.exec(readFileSync('README.md', 'utf8'))![1]!;
  const help = /## escrowmq serve\n[\s\S]*?\n## /.exec(readFileSync('docs/commands.md', 'utf8'))![0];
  const settings = flagsIn(help, /^ {2}(--[\w-]+) .*?(?:\(default ([^)]+)\))?$/gm);
  const told = flagsIn(table, /(?<=\| |, )`(--[\w-]+)`(?: \| ([^|]*))?/g);
  t.same([...told.keys()].sort(), [...settings.keys()].filter(flag => flag !== '--help').sort());
  for (const [flag, value] of told) t.equal(value, settings.get(flag) ?? '', `default of ${flag}`);
});

t.test('JSON is JSON, and Python is Python', async t => {
  for (const { page, block } of inLanguage('json')) {
    t.doesNotThrow(() => JSON.parse(block.text), `${page}:${block.line}`);
  }
  for (const { page, block } of inLanguage('python')) {
    const parse = ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'];
    t.doesNotThrow(() => execFileSync('python3', parse, { input: block.text }), `${page}:${block.line}`);
  }
});

t.test('TypeScript and JavaScript compile', async t => {
  t.same(await typeCheck(t, inLanguage('ts', 'js')), []);
});

/** The database that a block of SQL is for, by its first line. */
const databaseOf = ({ text }: Block): string => /^-- ([\w, ]+)$/m.exec(text.split('\n', 1)[0]!)?.[1] ?? 'none';

/** With values in the place of the names that a page gives them. What makes a table bears repeats, and is run twice. */
const runsOf = ({ text }: Block): string[] => {
  const real = text.replaceAll(/(?<!:):(?:group|id|token)\b/g, name => `'${name.slice(1)}-1'`);
  return real === text ? [text, text] : [real];
};

t.test('SQL runs', async t => {
  const of = (name: string): string[] =>
    inLanguage('sql').flatMap(({ block }) => (databaseOf(block).includes(name) ? runsOf(block) : []));
  for (const { page, block } of inLanguage('sql')) {
    t.match(databaseOf(block), /SQLite|PostgreSQL|MariaDB/, `${page}:${block.line} says which database it is for`);
  }
  await t.test('SQLite', async t => {
    const db = new Database(':memory:');
    for (const text of of('SQLite')) t.doesNotThrow(() => db.exec(text), text);
    db.close();
  });
  await t.test('PostgreSQL', needsPostgres, async t => {
    const pool = await postgresPool(t);
    for (const text of of('PostgreSQL')) await t.resolves(pool.query(text), text);
  });
  await t.test('MariaDB', needsMariadb, async t => {
    const pool = await mariadbPool(t, { multipleStatements: true });
    for (const text of of('MariaDB')) await t.resolves(pool.query(text), text);
  });
});

/** Programs that a page may use and a machine may lack, with what says that they are there. */
const PROGRAMS: Record<string, string[]> = {
  bash: ['--version'],
  // 7.76 or newer.
  curl: ['--fail-with-body', '--version'],
  openssl: ['version'],
};

const whyNotFollowed = (commands: string): string | false => {
  const lacking = Object.entries(PROGRAMS).filter(
    ([name, args]) =>
      (name === 'bash' || commands.includes(`${name} `)) && spawnSync(name, args, { stdio: 'ignore' }).status !== 0,
  );
  if (lacking.length > 0) return `not there, or too old: ${lacking.map(([name]) => name).join(', ')}`;
  if (commands.includes('127.0.0.1:9092') && needsKafka.skip) return needsKafka.skip;
  return commands.includes('python3 ') && needsPython.skip;
};

for (const [page, blocks] of pages) {
  const shells = blocks.filter(block => isShell(block) && !isExcepted(page, block));
  if (shells.length === 0) continue;
  const commands = shells.map(({ text }) => text).join('');
  t.test(`${page} is followed`, { skip: whyNotFollowed(commands) }, async t => {
    const kafka = commands.includes('127.0.0.1:9092') ? (await sharedKafka(t)).brokers[0]! : null;
    const steps = await followPage(t, { name: page, blocks, exceptions: EXCEPTIONS, terminals: TERMINALS, kafka });
    t.ok(steps >= shells.length, `${steps} steps`);
  });
}
