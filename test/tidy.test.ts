/** The house rules, as a test. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { VERSION } from '../broker/version.ts';
import { anchorsOf, linksOf } from './support/markdown.ts';

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter(file => file !== '' && existsSync(file));
const read = (file: string): string => readFileSync(file, 'utf8');
const sources = files.filter(file => /\.(ts|js)$/.test(file));
const product = sources.filter(
  // What browsers run is theirs.
  file => /^(broker|local-transaction|producer-sdk|consumer-sdk)\//.test(file) && !file.includes('/static/'),
);
const markdown = files.filter(file => file.endsWith('.md'));

/** Relative imports of a file, as paths in the repository; types counted. */
const importsOf = (file: string): string[] =>
  [...read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(match =>
    normalize(join(dirname(file), match[1]!)),
  );

/** The room a file lives in: the floor plan below speaks of rooms. */
const room = (file: string): string => {
  const [top, second, third] = file.split('/');
  if (top !== 'broker') return top!;
  return third === undefined ? second!.replace(/\.ts$/, '') : second!;
};

/** Who may import whom. No arrow leads back up, and the rules import nothing. */
const MAY_IMPORT: Record<string, string[]> = {
  bin: ['main'],
  main: ['broker', 'cli', 'config', 'store', 'version'],
  // The settings and their surroundings are for the doctor alone.
  cli: ['bulk-act', 'pause', 'protocol', 'clock', 'config', 'inspection'],
  'bulk-act': ['pause', 'protocol'],
  pause: [],
  broker: [
    'api',
    'check-back',
    'forward',
    'coordinator',
    'store',
    'config',
    'clock',
    'retention',
    'readiness',
    'poller',
    'protocol',
    'version',
    'console',
  ],
  console: ['protocol', 'clock', 'bulk-act', 'version'],
  inspection: ['check-back', 'config', 'forward', 'store'],
  readiness: ['api', 'coordinator', 'forward'],
  api: ['coordinator', 'store', 'transaction', 'protocol', 'tracing', 'clock', 'version'],
  'check-back': ['coordinator', 'store', 'transaction', 'protocol', 'poller', 'tracing', 'clock'],
  forward: ['coordinator', 'store', 'transaction', 'protocol', 'poller', 'tracing', 'clock'],
  retention: ['coordinator', 'store', 'poller'],
  coordinator: ['store', 'transaction', 'protocol', 'clock'],
  store: ['transaction'],
  transaction: [],
  protocol: [],
  config: ['protocol'],
  clock: [],
  poller: [],
  tracing: ['protocol', 'clock', 'version'],
  version: [],
  'local-transaction': [],
  'producer-sdk': ['protocol', 'local-transaction'],
  'consumer-sdk': ['protocol', 'local-transaction'],
};

t.test('imports go down the floors only', async t => {
  for (const file of product) {
    const from = room(file);
    const allowed = MAY_IMPORT[from];
    if (!allowed) {
      t.fail(`${file}: the room ${from} has no place in the floor plan`);
      continue;
    }
    for (const target of importsOf(file)) {
      const to = room(target);
      if (from !== to && !allowed.includes(to)) t.fail(`${file} imports ${target}: ${from} may not import ${to}`);
    }
  }
  t.ok(product.length > 30, `${product.length} files looked at`);
});

t.test('each thing of the outside world has one door', async t => {
  const doors: [what: string, pattern: RegExp, where: RegExp][] = [
    ['real time', /\bDate\.now\(|\bperformance\.now\(|new Date\(\)/, /^(broker|producer-sdk|consumer-sdk)\/clock\.ts$/],
    ['the environment', /process\.env\b/, /^broker\/config\.ts$/],
    // The consumer's user brings the client: only its types are named there.
    ['kafkajs', /^import (?!type\b).*from 'kafkajs'/m, /^broker\/forward\/kafka-publisher\.ts$/],
    ['OpenTelemetry', /^import .*from '@opentelemetry\//m, /^broker\/tracing\.ts$/],
    ['SQLite', /from 'better-sqlite3'/, /^broker\/store\//],
    ['leaving the process', /process\.exit\(/, /^broker\/(main\.ts|bin\/escrowmq\.js)$/],
    ['the console', /\bconsole\.\w+\(/, /^broker\/bin\/escrowmq\.js$/],
  ];
  for (const [what, pattern, where] of doors) {
    const users = product.filter(file => pattern.test(read(file)));
    for (const file of users) if (!where.test(file)) t.fail(`${file} reaches for ${what}; only ${where} may`);
    t.ok(users.length > 0, `${what} is used where it should be`);
  }
});

t.test('files are of a readable length and have a name that says something', async t => {
  for (const file of sources) {
    const lines = read(file).split('\n').length;
    if (lines > 400) t.fail(`${file} has ${lines} lines; split it (400 at most, 30 to 200 are good)`);
    if (/(^|\/)(utils?|helpers?|common|types|lib|misc)(\.ts|\/)/.test(file)) t.fail(`${file}: say what it is`);
    const [name] = file.split('/').at(-1)!.split('.');
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name!)) t.fail(`${file}: names are kebab-case`);
  }
  t.ok(sources.length > 50);
});

t.test('nothing is left over', async t => {
  const marker = new RegExp(`\\b(${['TO', 'FIX', 'XX', 'HA'].join('|')})(DO|ME|X|CK)\\b`);
  const skipped = /\.(skip|only|todo)\(|skip: *true/;
  const foreign = new RegExp(`\\.\\./${'shared'}|/(home|root)/[a-z]`);
  for (const file of [...sources, ...markdown]) {
    const text = read(file);
    if (marker.test(text)) t.fail(`${file} has a leftover marker`);
    if (foreign.test(text)) t.fail(`${file} names a path outside the repository`);
    if (/\.test\.ts$/.test(file) && file !== 'test/tidy.test.ts' && skipped.test(text))
      t.fail(`${file} has a test that does not run`);
  }
  t.pass('looked');
});

t.test('a test file tests something', async t => {
  for (const file of sources.filter(name => name.endsWith('.test.ts'))) t.match(read(file), /\bt\.test\(/, file);
});

t.test('relative links in Markdown lead somewhere, and so do their anchors', async t => {
  for (const file of markdown) {
    for (const { path, anchor } of linksOf(read(file))) {
      const target = path === '' ? file : normalize(join(dirname(file), path));
      if (!existsSync(target)) t.fail(`${file} → ${path}: there is no such file`);
      else if (anchor !== undefined && target.endsWith('.md') && !anchorsOf(read(target)).has(anchor))
        t.fail(`${file} → ${path}#${anchor}: there is no such heading`);
    }
  }
  t.ok(markdown.length > 10);
});

t.test('one version everywhere', async t => {
  for (const file of [
    'package.json',
    'broker/package.json',
    'producer-sdk/package.json',
    'consumer-sdk/package.json',
  ]) {
    t.equal(JSON.parse(read(file)).version, VERSION, file);
  }
  t.match(read('CHANGELOG.md'), `## ${VERSION}`);
});

t.test('the lock file names no registry', async t => {
  t.notMatch(read('package-lock.json'), /"resolved": "https?:/);
});
