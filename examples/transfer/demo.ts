/**
 * The whole story in one command: `npm run demo [-- --database sqlite|postgres|mariadb]`. Bank A sends 100 to bank B three times: once all goes well, once
 * A's own database refuses, and once A dies in the middle, with the broker killed on top. The sum must hold.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { type KafkaCluster, kafkaAvailable, startKafka } from '../../tools/kafka/cluster.ts';
import { type BankDatabases, KINDS, startDatabases, whyNot } from './databases.ts';
import { Service } from './service.ts';

const BROKER = resolve(import.meta.dirname, '../../broker/bin/escrowmq.js');
const BANK_A = resolve(import.meta.dirname, 'bank-a.ts');
const BANK_B = resolve(import.meta.dirname, 'bank-b.ts');
const POWER_CUT = ['--import', resolve(import.meta.dirname, 'power-cut.ts')];
const STARTED_WITH = 2_000;
/** A new one for each telling: a Kafka that is not ours may still have the last one's. */
const TOPIC = `transfers-${Date.now().toString(36)}`;
const WAIT_MS = 60_000;

const began = Date.now();
const say = (who: string, what: string): void => {
  const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${who.padEnd(7)} ${what}`);
};

const folder = mkdtempSync(join(tmpdir(), 'escrowmq-demo-'));
const running: Service[] = [];
let kafka: KafkaCluster | null = null;
let databases: BankDatabases | null = null;

const { values: options } = parseArgs({ options: { database: { type: 'string', default: 'sqlite' } } });
const kind = KINDS.find(one => one === options.database);
const objection = kind === undefined ? `--database must be one of ${KINDS.join(', ')}.` : whyNot(kind);

const start = async (...args: Parameters<typeof Service.start>): Promise<Service> => {
  const service = await Service.start(...args);
  running.push(service);
  return service;
};

const get = async <T>(url: string): Promise<T> => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
};

const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + WAIT_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS / 1000} s in vain for ${what}`);
    await new Promise(done => setTimeout(done, 50));
  }
};

const cleanUp = async (): Promise<void> => {
  for (const service of running) await service.end('SIGKILL');
  await kafka?.close();
  await databases?.close();
  rmSync(folder, { recursive: true, force: true });
};

/** Kafka with the topic, or null where none can be had. */
const prepareKafka = async (): Promise<KafkaCluster | null> => {
  const { how, why } = kafkaAvailable();
  if (how === 'none') {
    say('demo', `no Kafka can be had here (${why}); the broker keeps the records in memory instead`);
    return null;
  }
  say('kafka', 'starting (the first time it is downloaded, about 45 MB)');
  const cluster = await startKafka({ log: line => say('kafka', line) });
  const admin = new Kafka({
    brokers: [...cluster.brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 20 },
  }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 3 }] });
  await admin.disconnect();
  say('kafka', `ready on ${cluster.brokers.join(',')}, topic ${TOPIC} made`);
  return cluster;
};

const story = async (): Promise<boolean> => {
  kafka = await prepareKafka();
  const publisher = kafka ? ['--kafka-brokers', kafka.brokers.join(',')] : ['--publisher', 'memory'];
  databases = await startDatabases(kind!, folder);
  const [databaseA, databaseB] = [databases.a, databases.b];
  const startBroker = async (port: string): Promise<Service> => {
    const serve = ['serve', '--port', port, '--data-dir', join(folder, 'broker'), ...publisher];
    const broker = await start([BROKER, ...serve], () => {});
    say('broker', `listening on ${broker.url}`);
    return broker;
  };
  let broker = await startBroker('0');
  const brokerPort = new URL(broker.url).port;
  const startBankA = (port: string, preload: string[] = []): Promise<Service> => {
    const args = ['--database', databaseA, '--broker', broker.url, '--port', port, '--topic', TOPIC];
    return start([...preload, BANK_A, ...args, '--account', 'alice'], line => say('bank A', line));
  };
  let bankA = await startBankA('0', POWER_CUT);
  const from = kafka ? ['--kafka', kafka.brokers.join(',')] : ['--memory', broker.url];
  const bankB = await start(
    [BANK_B, '--database', databaseB, ...from, '--topic', TOPIC, '--port', '0', '--account', 'bob'],
    line => say('bank B', line),
  );
  say('demo', `the banks have a database each: ${kind}`);
  const balance = async (bank: Service): Promise<number> => {
    const account = bank === bankB ? 'bob' : 'alice';
    return (await get<{ balance: number }>(`${bank.url}/balance?account=${account}`)).balance;
  };
  const stateOf = async (id: string): Promise<{ state: string; resolvedBy: string }> =>
    get(`${broker.url}/v1/transactions/${id}`);
  const transfer = async (id: string, amount: number): Promise<string> => {
    const answer = await fetch(`${bankA.url}/transfer`, {
      method: 'POST',
      body: JSON.stringify({ id, from: 'alice', to: 'bob', amount }),
    });
    const { outcome, error } = (await answer.json()) as { outcome: string; error?: Error };
    return error ? `${outcome}: ${error.message}` : outcome;
  };

  say('demo', `A (alice) has ${await balance(bankA)}, B (bob) has ${await balance(bankB)}`);
  console.log('\n1. Everything goes well.');
  say('bank A', `transfer-1 of 100: ${await transfer('transfer-1', 100)}`);
  await until('the credit of transfer-1', async () => (await balance(bankB)) === 1_100);

  console.log('\n2. The local transaction fails: alice does not have 5000. The message must never arrive.');
  say('bank A', `transfer-2 of 5000: ${await transfer('transfer-2', 5_000)}`);
  say('broker', `transfer-2 is ${(await stateOf('transfer-2')).state}`);

  console.log('\n3. Bank A dies right after its local commit: the money has left, the broker was never told.');
  await transfer('power-cut-3', 100).catch(() => {});
  await bankA.ended();
  say('bank A', 'killed');
  say('broker', `power-cut-3 is ${(await stateOf('power-cut-3')).state}; killing the broker too, with kill -9`);
  await broker.end('SIGKILL');
  broker = await startBroker(brokerPort);
  say('broker', `power-cut-3 is still ${(await stateOf('power-cut-3')).state}: it was on the disk`);
  bankA = await startBankA(new URL(bankA.url).port);
  say('bank A', 'a second instance is up, on the same database; the broker will ask it');
  await until('the credit of power-cut-3', async () => (await balance(bankB)) === 1_200);
  const { state, resolvedBy } = await stateOf('power-cut-3');
  say('broker', `power-cut-3 is ${state}, decided by: ${resolvedBy}`);

  const [a, b] = [await balance(bankA), await balance(bankB)];
  const held = a + b === STARTED_WITH && a === 800;
  console.log(
    `\nA (alice) ${a}  +  B (bob) ${b}  =  ${a + b}   ${held ? 'The sum held.' : `WRONG: it was ${STARTED_WITH}.`}`,
  );
  return held;
};

let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isInterrupted = true;
    void cleanUp().then(() => process.exit(130));
  });
}
try {
  if (objection !== null) throw new Error(objection);
  const held = await story();
  process.exitCode = held ? 0 : 1;
} catch (error) {
  if (!isInterrupted) console.error(`The demo failed: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  if (!isInterrupted) await cleanUp();
}
if (process.exitCode === 0) {
  console.log(`
Nothing is left running. To go on:
  npm run kafka                                              a Kafka of your own, until you press Ctrl-C
  npx escrowmq serve --kafka-brokers 127.0.0.1:9092          the broker on it (or: --publisher memory)
  examples/transfer/                                         the two banks: about 100 lines each
  README.md                                                  the first message with curl`);
}
