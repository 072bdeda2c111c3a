/** The launcher of Kafka with the real thing: what it starts answers, dies, comes back, and never outlives it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, type KafkaConfig } from 'kafkajs';
import t from 'tap';
import { kafkaAvailable, startKafka } from '../../tools/kafka/cluster.ts';
import { answers } from '../../tools/kafka/probe.ts';
import { addPartitions, createTopic, deleteTopic, endOffsets, kafkaConfig, readTopic } from '../support/topics.ts';

// A Kafka that is given, or in Docker, cannot be killed from here. These live for seconds: no time to optimise code.
const env = { ...process.env, KAFKA_BROKERS: undefined, JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1' };
const { how, why } = kafkaAvailable(env);
const needsJava = { skip: how === 'java' ? false : (why ?? 'needs Java and Maven') };

// 30 s when the machine has nothing else to do; tap would give the whole file no more than that.
t.setTimeout(200_000);

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const end = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited 20 s in vain: ${what}`);
    await delay(20);
  }
};

/** One record for each partition named; its value is the same everywhere. */
const send = async (config: KafkaConfig, topic: string, value: string, partitions = [0]): Promise<void> => {
  const producer = new Kafka(config).producer();
  await producer.connect();
  for (const partition of partitions) {
    const sent = await producer.send({ topic, messages: [{ partition, key: 'k', value, headers: { h: value } }] });
    if (sent[0]?.partition !== partition) throw new Error(`the record for partition ${partition} was not written`);
  }
  await producer.disconnect();
};

t.test('one node is killed, comes back with its data, freezes, thaws, and is gone at the end', needsJava, async t => {
  const lines: string[] = [];
  const kafka = await startKafka({ env, log: line => lines.push(line) });
  t.teardown(() => kafka.close());
  const [node] = kafka.nodes;
  const [broker] = kafka.brokers;
  const folder = path.dirname(path.dirname(node!.logFile));
  t.match(lines.at(-1), `Kafka answers at ${broker}`);
  await createTopic(kafka, 'a', { partitions: 2, config: { 'max.message.bytes': '2000' } });
  await createTopic(kafka, 'a', { partitions: 2 });
  await t.rejects(createTopic(kafka, 'b', { replicas: 3 }), /[Rr]eplication/);
  await send(kafkaConfig(kafka), 'a', 'first', [1]);

  const pid = node!.pid!;
  await node!.kill();
  t.notOk(isAlive(pid));
  t.equal(node!.pid, undefined);
  t.equal(await answers(broker!), false);
  await node!.start();
  await node!.start();
  t.not(node!.pid, pid, 'another process on the same port');
  const [record] = await readTopic(kafka, 'a', { until: 1 });
  t.match(record, { partition: 1, offset: 0, key: Buffer.from('k'), value: Buffer.from('first') });
  t.same(record!.headers, { h: Buffer.from('first') });

  node!.pause();
  t.equal(await answers(broker!, { timeoutMs: 200 }), false, 'frozen');
  node!.resume();
  t.equal(await answers(broker!), true);
  await addPartitions(kafka, 'a', 3);
  await send(kafkaConfig(kafka), 'a', 'second', [2]);
  t.strictSame(await endOffsets(kafka, 'a'), [0, 1, 1]);
  await deleteTopic(kafka, 'a');

  await kafka.close();
  t.notOk(existsSync(folder), 'the temporary folder is gone');
  t.equal(await answers(broker!), false);
  await kafka.close();
});

t.test('three nodes go on without one', needsJava, async t => {
  const kafka = await startKafka({ env, nodes: 3 });
  t.teardown(() => kafka.close());
  t.equal(new Set(kafka.nodes.map(node => node.pid)).size, 3);
  await createTopic(kafka, 'a', { partitions: 6, replicas: 3 });
  await send(kafkaConfig(kafka), 'a', 'x', [0, 1, 2, 3, 4, 5]);
  await kafka.nodes[0]!.kill();
  const records = await readTopic(kafka, 'a');
  t.strictSame(records.map(({ partition }) => partition).sort(), [0, 1, 2, 3, 4, 5]);
});

t.test('with a certificate and a password, in a folder that is kept', needsJava, async t => {
  const dir = mkdtempSync(path.join(tmpdir(), 'escrowmq-kept-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const kafka = await startKafka({ env, dir, security: 'sasl_ssl' });
  t.teardown(() => kafka.close());
  const { username, password, mechanisms } = kafka.security!;
  await createTopic(kafka, 'a');
  for (const mechanism of mechanisms) {
    await send({ ...kafkaConfig(kafka), sasl: { mechanism, username, password } as never }, 'a', mechanism);
  }
  const wrong = {
    ...kafkaConfig(kafka),
    retry: { retries: 0 },
    sasl: { mechanism: 'plain', username, password: 'no' },
  };
  await t.rejects(send(wrong as KafkaConfig, 'a', 'never'), /[Aa]uthentication failed/);
  await kafka.close();

  await t.rejects(startKafka({ env, dir, nodes: 3 }), /holds a Kafka of 1 node\(s\), not 3/);
  const again = await startKafka({ env, dir, security: 'sasl_ssl' });
  t.teardown(() => again.close());
  t.same(again.security, kafka.security);
  const seen = await readTopic(again, 'a');
  t.strictSame(seen.map(({ value }) => String(value)).sort(), [...mechanisms].sort());
});

t.test('a server does not outlive a starter that was killed', needsJava, async t => {
  const launcher = `
    const { startKafka } = await import(${JSON.stringify(import.meta.resolve('../../tools/kafka/cluster.ts'))});
    const { nodes } = await startKafka();
    console.log(JSON.stringify([nodes[0].pid, nodes[0].logFile]));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', launcher], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const [pid, logFile] = JSON.parse(line);
  t.ok(isAlive(pid));
  child.kill('SIGKILL');
  await until('the server ends', () => !isAlive(pid));
  await until('its folder is removed', () => !existsSync(path.dirname(path.dirname(logFile))));
});
