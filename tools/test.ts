/**
 * The test command: every `*.test.ts` below `test/` (or those whose path contains one of the given words) under node's own
 * runner, with one real Kafka, PostgreSQL and MariaDB shared by all of them. Ends with `N passed, N failed`.
 *
 *   npm test [-- WORD…]        npm run coverage
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMariadb } from './databases/mariadb.ts';
import { startPostgres } from './databases/postgres.ts';
import { type DatabaseAvailability, mariadbAvailable, postgresAvailable } from './databases/programs.ts';
import type { DatabaseServer } from './databases/server.ts';
import { kafkaAvailable, startKafka } from './kafka/cluster.ts';

const FILE_TIMEOUT_MS = 480_000;
/** Files at the same time. Tests mostly wait; more would only make each other late. */
const CONCURRENCY = 3;

const words = process.argv.slice(2).filter(word => word !== '--coverage');
const coverage = process.argv.includes('--coverage');
const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.ts'))
  .map(file => join('test', file))
  .filter(file => words.length === 0 || words.some(word => file.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`No test file's path contains ${words.join(' or ')}.`);
  process.exit(2);
}

const isWanted = (mention: RegExp): boolean => files.some(file => mention.test(readFileSync(file, 'utf8')));

const isKafkaWanted = isWanted(/sharedKafka/);
const availability = kafkaAvailable();
if (isKafkaWanted && availability.how === 'none') console.log(`Tests that need Kafka are skipped: ${availability.why}`);
const kafka = isKafkaWanted && availability.how !== 'none' ? await startKafka({ log: console.log }) : null;

const database = async (
  name: string,
  mention: RegExp,
  { why }: DatabaseAvailability,
  start: () => Promise<DatabaseServer>,
): Promise<DatabaseServer | null> => {
  if (!isWanted(mention)) return null;
  if (why !== undefined) console.log(`Tests that need ${name} are skipped: ${why}`);
  return why === undefined ? start() : null;
};
const [postgres, mariadb] = await Promise.all([
  database('PostgreSQL', /sharedPostgres|postgresPool|postgresDatabase/, postgresAvailable(), startPostgres),
  database('MariaDB', /sharedMariadb|mariadbPool|mariadbDatabase/, mariadbAvailable(), startMariadb),
]);

const scratch = mkdtempSync(join(tmpdir(), 'escrowmq-test-'));
const report = join(scratch, 'report.tap');
const runner = [
  '--test',
  `--import=${new URL('verdict.ts', import.meta.url).href}`,
  `--test-timeout=${FILE_TIMEOUT_MS}`,
  `--test-concurrency=${CONCURRENCY}`,
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
  '--test-reporter=tap',
  `--test-reporter-destination=${report}`,
  ...files,
];
const [command, ...args] = coverage
  ? ['c8', '--all', '--include=broker/**/*.ts', '--include=*-sdk/**/*.ts', '--reporter=text', 'node', ...runner]
  : [process.execPath, ...runner];
const child = spawn(command!, args, {
  stdio: 'inherit',
  env: {
    ...process.env,
    TAP_TIMEOUT: String(FILE_TIMEOUT_MS / 1000),
    ...(kafka ? { ESCROWMQ_TEST_KAFKA: kafka.brokers.join(',') } : {}),
    ...(postgres ? { ESCROWMQ_TEST_POSTGRES: JSON.stringify(postgres.address) } : {}),
    ...(mariadb ? { ESCROWMQ_TEST_MARIADB: JSON.stringify(mariadb.address) } : {}),
  },
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
const status = await new Promise<number>(resolve => child.on('close', code => resolve(code ?? 1)));
await Promise.all([kafka, postgres, mariadb].map(server => server?.close()));

let summary = '';
try {
  summary = readFileSync(report, 'utf8');
} catch {
  // The runner died before it wrote anything: the counts below are 0 and the status says failed.
}
rmSync(scratch, { recursive: true, force: true });
const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(summary)?.[1] ?? 0);
const passed = count('pass');
// A file that ran out of time counts as cancelled, one that crashed may count as neither.
const failed = Math.max(count('fail') + count('cancelled'), status === 0 && passed > 0 ? 0 : 1);
const skipped = count('skipped');
if (skipped > 0) console.log(`${skipped} skipped, each with its reason above`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
