/** `npm run demo` tells its story to the end, with and without a Kafka, on every database. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { needsMariadb, needsPostgres } from '../support/databases.ts';
import { needsKafka, sharedKafka } from '../support/kafka.ts';

t.setTimeout(200_000);

const DEMO = resolve('examples/transfer/demo.ts');

interface Told {
  readonly code: number | null;
  readonly text: string;
}

const tell = async (t: Test, env: Record<string, string | undefined>, args: string[] = []): Promise<Told> => {
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', DEMO, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGTERM'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      text += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, text };
};

const judge = (t: Test, { code, text }: Told): void => {
  t.match(text, /transfer-1 of 100: committed/);
  t.match(text, /transfer-2 of 5000: not committed: alice does not have 5000/);
  t.match(text, /transfer-2 is rolled_back/);
  t.match(text, /power-cut-3 is still prepared: it was on the disk/);
  t.match(text, /power-cut-3 is committed, decided by: check/);
  t.match(text, /A \(alice\) 800 {2}\+ {2}B \(bob\) 1200 {2}= {2}2000 {3}The sum held\./);
  t.equal(code, 0, code === 0 ? 'it ends well' : text);
};

/** Only what the demo itself runs: no Java, no Docker. */
const withoutKafka = (t: Test): Record<string, string | undefined> => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-path-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const where = [...(process.env.PATH ?? '').split(delimiter), '/bin'];
  for (const program of ['sh', 'sleep', 'rm', 'id']) {
    const file = where.map(place => join(place, program)).find(existsSync);
    if (file !== undefined) symlinkSync(file, join(folder, program));
  }
  return { PATH: folder, KAFKA_BROKERS: undefined };
};

t.test('without a Kafka, in memory', async t => {
  const told = await tell(t, withoutKafka(t));
  t.match(told.text, /keeps the records in memory instead/);
  judge(t, told);
});

t.test('with Kafka, on PostgreSQL', needsKafka.skip ? needsKafka : needsPostgres, async t => {
  const { brokers } = await sharedKafka(t);
  judge(t, await tell(t, { KAFKA_BROKERS: brokers.join(',') }, ['--database', 'postgres']));
});

t.test('with Kafka, on MariaDB', needsKafka.skip ? needsKafka : needsMariadb, async t => {
  const { brokers } = await sharedKafka(t);
  judge(t, await tell(t, { KAFKA_BROKERS: brokers.join(',') }, ['--database', 'mariadb']));
});

t.test('a database that there is none of', async t => {
  const { code, text } = await tell(t, {}, ['--database', 'oracle']);
  t.equal(code, 1);
  t.match(text, /--database must be one of sqlite, postgres, mariadb/);
});
