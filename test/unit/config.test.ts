import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  ConfigError,
  environmentName,
  readConfig,
  SETTINGS,
  settingFlags,
  terminalWishes,
} from '../../broker/config.ts';

const mistakesOf = (args: string[], env: NodeJS.ProcessEnv = {}): readonly string[] => {
  try {
    readConfig(args, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
};
const MEMORY = ['--publisher', 'memory'];

t.test('defaults', async t => {
  t.match(readConfig(MEMORY, {}), {
    host: '127.0.0.1',
    port: 7400,
    dataDir: './data',
    diskReserveBytes: 64 * 1024 * 1024,
    source: 'escrowmq',
    retentionMs: 72 * 3_600_000,
    parkAfterMs: 600_000,
    operatorKey: null,
    kafka: null,
    loopback: true,
    maxMessageBytes: 1_000_000,
    maxTransactionBytes: 4_000_000,
    maxBodyBytes: 16 * 1024 * 1024,
  });
  t.ok(Object.isFrozen(readConfig(MEMORY, {})));
});

t.test('flags win over the environment', async t => {
  const env = { ESCROWMQ_PORT: '1', ESCROWMQ_DATA_DIR: '/a', ESCROWMQ_PUBLISHER: 'memory' };
  t.match(readConfig(['--port', '2'], env), { port: 2, dataDir: '/a' });
  t.match(readConfig(['--port=3'], env), { port: 3 });
  t.equal(environmentName('kafka-ca-file'), 'ESCROWMQ_KAFKA_CA_FILE');
});

t.test('durations', async t => {
  const cases: [string, number][] = [
    ['500ms', 500],
    ['10s', 10_000],
    ['10m', 600_000],
    ['72h', 259_200_000],
    ['2d', 172_800_000],
  ];
  for (const [text, ms] of cases) t.equal(readConfig([...MEMORY, '--park-after', text], {}).parkAfterMs, ms, text);
  for (const text of ['10', '10 s', '-1s', '1.5h', 's', '1w', '9999999999d']) {
    t.match(mistakesOf([...MEMORY, '--park-after', text]), [/--park-after must be a time like/], text);
  }
});

t.test('every mistake is told at once, in a sentence', async t => {
  const mistakes = mistakesOf([
    '--port',
    '70000',
    '--retention',
    'x',
    '--nonsense',
    '--source',
    'a/b',
    'stray',
    '--host',
    '0.0.0.0',
  ]);
  for (const part of [
    '--port',
    '--retention',
    '--nonsense',
    '--source',
    '"stray"',
    'a key is needed',
    'where Kafka is',
  ]) {
    t.ok(
      mistakes.some(sentence => sentence.includes(part)),
      part,
    );
  }
  t.equal(mistakes.length, 7);
  t.match(mistakesOf([...MEMORY, '--port', '1', '--port', '2']), ['--port is given twice.']);
  t.match(mistakesOf([...MEMORY, '--port']), [/--port needs a value/]);
  t.match(mistakesOf([...MEMORY, '--port', '']), [/--port needs a value/]);
  t.match(mistakesOf(['--publisher', 'rabbit']), [/one of kafka, memory/, /where Kafka is/]);
});

t.test('beyond loopback a key is needed', async t => {
  const key = 'k'.repeat(32);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '128.0.0.1']) {
    t.match(mistakesOf([...MEMORY, '--host', host]), [/a key is needed/], host);
    t.equal(readConfig([...MEMORY, '--host', host], { ESCROWMQ_OPERATOR_KEY: key }).operatorKey, key);
  }
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
    t.same(mistakesOf([...MEMORY, '--host', host]), [], host);
  t.match(mistakesOf(MEMORY, { ESCROWMQ_OPERATOR_KEY: 'short' }), [/at least 32/]);
  t.match(mistakesOf(MEMORY, { ESCROWMQ_OPERATOR_KEY: `${key} ` }), [/without spaces/]);
});

t.test('files: keys, certificates, passwords', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-config-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const key = file('key', `${'k'.repeat(40)}\n`);
  t.equal(readConfig([...MEMORY, '--operator-key-file', key], {}).operatorKey, 'k'.repeat(40));
  t.match(mistakesOf([...MEMORY, '--operator-key-file', key], { ESCROWMQ_OPERATOR_KEY: 'k'.repeat(40) }), [/once/]);
  t.match(mistakesOf([...MEMORY, '--operator-key-file', join(folder, 'none')]), [/cannot be read/]);
  const kafka = ['--kafka-brokers', 'a:9092,[::1]:9093'];
  const { kafka: read } = readConfig(
    [
      ...kafka,
      '--kafka-tls',
      '--kafka-ca-file',
      file('ca', 'CA'),
      '--kafka-sasl',
      'scram-sha-512',
      '--kafka-username',
      'me',
      '--kafka-password-file',
      file('password', 'secret \n'),
    ],
    {},
  );
  t.same(read, {
    brokers: ['a:9092', '[::1]:9093'],
    clientId: 'escrowmq',
    tls: { ca: 'CA' },
    sasl: { mechanism: 'scram-sha-512', username: 'me', password: 'secret ' },
  });
  t.same(readConfig([...kafka, '--kafka-tls'], {}).kafka?.tls, {});
  t.same(readConfig(kafka, { ESCROWMQ_KAFKA_TLS: 'true' }).kafka?.tls, {});
  t.match(mistakesOf([...kafka, '--kafka-ca-file', join(folder, 'ca')]), [/need --kafka-tls/]);
  t.match(mistakesOf([...kafka, '--kafka-tls', '--kafka-key-file', join(folder, 'ca')]), [/belong together/]);
  t.match(mistakesOf([...kafka, '--kafka-username', 'me']), [/need --kafka-sasl/]);
  t.match(mistakesOf([...kafka, '--kafka-sasl', 'plain']), [/needs --kafka-username/]);
  t.match(mistakesOf([...kafka, '--kafka-sasl', 'oauth', '--kafka-username', 'a', '--kafka-password-file', key]), [
    /one of plain/,
  ]);
  t.match(mistakesOf(['--kafka-brokers', 'nohost']), [/host:port/]);
});

t.test('help and README name every setting', async t => {
  const help = settingFlags();
  const readme = readFileSync('README.md', 'utf8');
  for (const flag of Object.keys(SETTINGS)) {
    t.ok(help[flag]?.help, `help: ${flag}`);
    t.ok(readme.includes(`\`--${flag}\``), `README: ${flag}`);
  }
});

t.test('what the surroundings ask of a terminal', async t => {
  t.same(terminalWishes({}), { columns: null, noColour: false });
  t.same(terminalWishes({ COLUMNS: '72', NO_COLOR: '' }), { columns: 72, noColour: false });
  for (const COLUMNS of ['', '0', '-1', 'wide', '1e3']) t.equal(terminalWishes({ COLUMNS }).columns, null, COLUMNS);
  t.ok(terminalWishes({ NO_COLOR: '1' }).noColour);
  t.ok(terminalWishes({ TERM: 'dumb' }).noColour);
});
