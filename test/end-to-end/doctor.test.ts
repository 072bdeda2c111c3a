/** `escrowmq doctor`, on what is well and on everything that can be wrong. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { type Ended, escrowmq, folderWithParked, inside } from '../support/commands.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

const MEMORY = ['--publisher', 'memory', '--port', '0'];

interface Finding {
  check: string;
  status: string;
  detail: string;
  advice: string | null;
}

const findings = ({ stdout }: Ended): Finding[] => JSON.parse(stdout).findings;

/** What is said of one thing. */
const of = (ended: Ended, check: string): Finding[] => findings(ended).filter(finding => finding.check === check);

const doctor = (...args: string[]) => inside(['doctor', '--json', ...args]);

/** Everything in the folder, the folder too, for its owner alone. */
const privateFolder = (t: Test): string => {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o700);
  return folder;
};

t.test('before the first start: nothing is made, and the memory publisher is not for long', async t => {
  const dataDir = join(temporaryFolder(t), 'data');
  const ended = await escrowmq(['doctor', ...MEMORY, '--data-dir', dataDir]);
  t.match(ended, { status: 0, stderr: '' });
  t.match(
    ended.stdout,
    /^ok {4}settings: They fit together\.\nok {4}data folder: \/.*data will be made at the first start\.\n/,
  );
  t.match(
    ended.stdout,
    /\nok {4}disk: .* are free, the reserve is 64\.0 MiB\.\nok {4}SQLite: Version 3\.\d+\.\d+ is built in\.\n/,
  );
  t.match(ended.stdout, /\nwarn {2}Kafka: The memory publisher.*\n {6}→ For more than trying out: /);
  t.notOk(existsSync(dataDir));
});

t.test('settings that do not fit: all of them, and exit code 1', async t => {
  const ended = await doctor('--port', '99999', '--retention', 'x', '--host', '0.0.0.0');
  t.equal(ended.status, 1);
  t.strictSame(
    findings(ended).map(({ check, status }) => `${check} ${status}`),
    Array(4).fill('settings fail'),
  );
  t.match(ended.stdout, /--port must be.*--retention must be.*/);
  t.match(await doctor(...MEMORY, '--check-allow', '10.0.0.0/99'), {
    status: 1,
    stdout: /--check-allow: .*10\.0\.0\.0\/99/,
  });
  t.match(await doctor('--nonsense'), { status: 2 });
});

t.test('the folder of a broker that is stopped: read through, and not changed', async t => {
  const dataDir = await folderWithParked(t, [{ id: 't1', topic: 'audit', error: 'e' }]);
  const database = () => readFileSync(join(dataDir, 'escrowmq.db'));
  const before = database();
  const ended = await doctor(...MEMORY, '--data-dir', dataDir);
  t.match(ended.status, 0);
  t.match(of(ended, 'data folder'), [{ status: 'ok', detail: /can be written; no broker is using it/ }]);
  t.match(of(ended, 'database'), [{ status: 'ok', detail: 'It was read through and is whole.' }]);
  t.match(of(ended, 'file modes'), [{ status: 'ok' }]);
  t.ok(before.equals(database()), 'nothing is changed');
  t.strictSame(
    readdirSync(dataDir).filter(name => !/-(wal|shm)$/.test(name)),
    ['broker.lock', 'escrowmq.db'],
  );

  chmodSync(dataDir, 0o755);
  chmodSync(join(dataDir, 'escrowmq.db'), 0o644);
  const open = await doctor(...MEMORY, '--data-dir', dataDir);
  t.equal(open.status, 0, 'it works');
  t.match(of(open, 'file modes'), [
    {
      status: 'warn',
      detail: 'Others can read or change the folder (755), escrowmq.db (644).',
      advice: `Payloads are in there: chmod 700 ${dataDir}; chmod 600 ${dataDir}/*`,
    },
  ]);
});

t.test('folders that cannot be, and a database that is damaged', async t => {
  t.match(of(await doctor(...MEMORY, '--data-dir', '/dev/null/x'), 'data folder'), [
    { status: 'fail', detail: '/dev/null is no folder.' },
  ]);
  const dataDir = await folderWithParked(t, [{ id: 't1', topic: 'audit', error: 'e' }]);
  writeFileSync(join(dataDir, 'escrowmq.db'), Buffer.alloc(8_192, 'junk'));
  const ended = await doctor(...MEMORY, '--data-dir', dataDir);
  t.equal(ended.status, 1);
  t.match(of(ended, 'database'), [
    { status: 'fail', detail: /It cannot be read: file is not a database/, advice: /backup/ },
  ]);
  const full = await doctor(...MEMORY, '--data-dir', privateFolder(t), '--disk-reserve', '999999999999');
  t.match(of(full, 'disk'), [{ detail: /are free, the reserve is/ }]);
});

t.test('files with secrets that others can read', async t => {
  const folder = temporaryFolder(t);
  const [mine, everybodys] = [join(folder, 'mine'), join(folder, 'everybodys')];
  for (const file of [mine, everybodys])
    writeFileSync(file, 'an-operator-key-of-at-least-32-characters', { mode: 0o600 });
  chmodSync(everybodys, 0o644);
  const settings = [...MEMORY, '--data-dir', join(folder, 'data'), '--operator-key-file'];
  t.strictSame(of(await doctor(...settings, mine), 'secrets'), []);
  t.match(of(await doctor(...settings, everybodys), 'secrets'), [
    { status: 'warn', detail: `Others can read ${everybodys} of --operator-key-file (644).` },
  ]);
});

t.test('a Kafka that does not answer', async t => {
  const ended = await doctor('--port', '0', '--kafka-brokers', '127.0.0.1:1', '--data-dir', privateFolder(t));
  t.equal(ended.status, 1);
  t.match(of(ended, 'Kafka'), [{ status: 'fail', detail: /ECONNREFUSED/, advice: /Is a Kafka at 127\.0\.0\.1:1\?/ }]);
});

t.test('a broker that runs: what it says, and whether each group answers', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const settings = [...MEMORY, '--data-dir', broker.dataDir];
  await broker.put('/v1/producer-groups/silent', {});
  t.match(await doctor(...settings, '--url', broker.url), { status: 0 });
  await broker.put('/v1/producer-groups/dead', { checkUrl: 'http://127.0.0.1:1/check' });
  const ended = await doctor(...settings, '--url', broker.url);
  t.equal(ended.status, 1);
  t.match(of(ended, 'data folder'), [{ status: 'ok', detail: /a broker is using it/ }]);
  t.match(of(ended, 'database'), [{ status: 'ok', detail: /A broker holds it/ }]);
  t.match(of(ended, 'broker'), [{ status: 'ok', detail: /all is well/ }]);
  t.match(of(ended, 'group dead'), [{ status: 'fail', detail: /refused the connection/, advice: /check handler/ }]);
  t.match(of(ended, 'group silent'), [{ status: 'warn', detail: /has no check address/ }]);

  const port = new URL(broker.url).port;
  const found = await doctor('--publisher', 'memory', '--data-dir', broker.dataDir, '--port', port);
  t.match(of(found, 'group dead'), [{ status: 'fail' }], 'found where the settings say');
  const lost = await doctor(...settings, '--url', 'http://127.0.0.1:9');
  t.match(of(lost, 'broker'), [{ status: 'fail', detail: /There is no answer/, advice: /Say where it is: --url/ }]);
});

t.test('a broker with keys says more to who has one', async t => {
  const key = 'an-operator-key-of-at-least-32-characters';
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'], env: { ESCROWMQ_OPERATOR_KEY: key } });
  const as = (given: string[]) => doctor(...MEMORY, '--data-dir', broker.dataDir, '--url', broker.url, ...given);
  const call = (method: string, path: string, body: object) =>
    broker.call(method, path, body, { authorization: `Bearer ${key}` });
  await call('PUT', '/v1/producer-groups/dead', { checkUrl: 'http://127.0.0.1:1/check' });
  t.match(of(await as([]), 'broker'), [{ status: 'warn', detail: /says more with a key/ }]);
  t.match(of(await as(['--key', 'wrong']), 'broker'), [{ status: 'fail', detail: /UNAUTHENTICATED/ }]);
  t.match(of(await as(['--key', key]), 'group dead'), [{ status: 'fail', detail: /refused the connection/ }]);
  const { body: viewer } = await call('POST', '/v1/keys', { role: 'viewer' });
  t.match(of(await as(['--key', viewer.key]), 'group dead'), [
    { status: 'fail', detail: /403 FORBIDDEN/, advice: /operator/ },
  ]);
});

t.test('a real Kafka: its brokers, and the topics that messages were prepared for', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const dataDir = await folderWithParked(t, [
    { id: 't1', topic, error: 'e' },
    { id: 't2', topic: 'nowhere', error: 'e' },
  ]);
  const ended = await doctor('--port', '0', '--data-dir', dataDir, ...kafkaArgs(kafka));
  t.equal(ended.status, 0);
  t.match(of(ended, 'Kafka'), [{ status: 'ok', detail: /^Cluster .+ answers, with \d+ brokers? \(.+:\d+\)\.$/ }]);
  t.match(of(ended, 'topic nowhere'), [{ status: 'warn', detail: /There is no such topic\./ }]);
  t.match(of(ended, `topic ${topic}`), [
    { status: 'warn', detail: 'It has one replica: what is on a lost disk of Kafka is lost.' },
  ]);
});

t.test('a folder of another kind of thing is only looked at', async t => {
  const folder = privateFolder(t);
  mkdirSync(join(folder, 'x'), { mode: 0o700 });
  const ended = await doctor(...MEMORY, '--data-dir', folder);
  t.match(ended.status, 0);
  t.strictSame(readdirSync(folder), ['x']);
  t.strictSame(of(ended, 'database'), []);
});
