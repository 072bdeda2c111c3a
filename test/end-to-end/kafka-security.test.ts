/** A Kafka that wants TLS and a password, reached by nothing but the broker's own settings. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import { type BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { needsOwnKafka, newTopic, ownKafka } from '../support/kafka.ts';
import { temporaryFolder } from '../support/store.ts';
import { readTopic } from '../support/topics.ts';
import { commit, payloads, prepare, show } from '../support/transactions.ts';

let kafka: KafkaCluster;
let topic: string;

t.setTimeout(120_000);
t.before(async () => {
  if (needsOwnKafka.skip) return;
  kafka = await ownKafka(t, { security: 'sasl_ssl' });
  topic = await newTopic(kafka);
});

const args = (mechanism: string, passwordFile = kafka.security!.passwordFile): string[] => [
  ...kafkaArgs(kafka),
  ...['--kafka-tls', '--kafka-ca-file', kafka.security!.caFile],
  ...['--kafka-sasl', mechanism, '--kafka-username', kafka.security!.username],
  ...['--kafka-password-file', passwordFile],
];

/** One message all the way; `id` is its payload too. */
const send = async (broker: BrokerProcess, id: string): Promise<void> => {
  await broker.put('/v1/producer-groups/secure', {});
  const made = await prepare(broker, 'secure', id, { topic, payload: id });
  const ended = await commit(broker, id);
  if (made.status !== 201 || ended.status !== 200) throw new Error(`${id}: ${made.status}, ${ended.status}`);
};

const arrives = (id: string) =>
  readTopic(kafka, topic, { until: records => payloads(records).includes(id), timeoutMs: 30_000 });

/** With the reason, once the broker says that Kafka is away. */
const whyDegraded = (broker: BrokerProcess): Promise<string> =>
  eventually('Kafka to be away', async () => {
    const { status, body } = await broker.get('/readyz');
    return status === 200 && body.status === 'degraded' && body.checks.kafka.detail;
  });

for (const mechanism of ['scram-sha-512', 'plain', 'scram-sha-256']) {
  t.test(`TLS and ${mechanism}: a message goes through`, needsOwnKafka, async t => {
    const broker = await startBrokerProcess(t, { args: args(mechanism) });
    await send(broker, mechanism);
    t.ok(await arrives(mechanism));
    t.equal((await broker.get('/readyz')).body.status, 'ok');
    const password = new RegExp(kafka.security!.password);
    t.notMatch(JSON.stringify(broker.log), password, 'no log has the password');
  });
}

t.test(
  'a wrong password: accepted, degraded with the reason, and forwarded once it is right',
  needsOwnKafka,
  async t => {
    const passwordFile = join(temporaryFolder(t), 'password');
    writeFileSync(passwordFile, 'not-the-password\n');
    const broker = await startBrokerProcess(t, { args: args('scram-sha-512', passwordFile) });
    await send(broker, 'late');
    t.match(await whyDegraded(broker), /authenti|credential|SASL/i);
    t.match(await show(broker, 'late'), { state: 'committed', messageStates: { ready: 1 } });
    t.notMatch(JSON.stringify([broker.log, (await broker.get('/readyz')).body]), /not-the-password/);
    writeFileSync(passwordFile, `${kafka.security!.password}\n`);
    await broker.restart();
    t.ok(await arrives('late'), 'a line break at the end of the file is no part of the password');
  },
);

t.test('a certificate that is not trusted: degraded with the reason', needsOwnKafka, async t => {
  const untrusting = args('plain').filter(
    (arg, i, all) => arg !== '--kafka-ca-file' && all[i - 1] !== '--kafka-ca-file',
  );
  const broker = await startBrokerProcess(t, { args: untrusting });
  await send(broker, 'untrusted');
  t.match(await whyDegraded(broker), /certificate/i);
});

t.test('settings that do not belong together are refused at the start, with a sentence', async t => {
  for (const [wrong, sentence] of [
    [['--kafka-sasl', 'plain'], /--kafka-sasl needs --kafka-username and --kafka-password-file/],
    [['--kafka-username', 'x'], /need --kafka-sasl/],
    [['--kafka-sasl', 'gssapi'], /must be one of plain, scram-sha-256, scram-sha-512/],
    [['--kafka-ca-file', '/nowhere/ca.pem', '--kafka-tls'], /\/nowhere\/ca\.pem cannot be read/],
    [['--kafka-ca-file', 'package.json'], /need --kafka-tls/],
  ] as const) {
    const start = startBrokerProcess(t, { args: ['--kafka-brokers', '127.0.0.1:1', ...wrong] });
    await t.rejects(start, { message: sentence }, String(sentence));
  }
});
