/** P20: no group touches another's messages; nothing secret in a log. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerProcess } from '../../test/support/broker-process.ts';
import { environmentWith } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';
import { leaksIn, strew } from '../rights/canaries.ts';
import { type Call, type Guarded, tryMatrix } from '../rights/matrix.ts';
import { serverRoutes } from '../rights/route-list.ts';

/** Nobody listens there. */
const NO_KAFKA = '127.0.0.1:9';
/** Checks of transactions that carry secrets come so soon. */
const CHECK_AFTER_MS = 100;

const random = (): string => randomBytes(24).toString('hex');

const callOf =
  (broker: BrokerProcess): Call =>
  async (method, path, body, key) => {
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    const response = await fetch(`${broker.url}${path}`, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      redirect: 'manual',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  };

const guarded = (broker: BrokerProcess, operatorKey: string): Guarded => ({
  call: callOf(broker),
  operatorKey,
  now: Date.now,
  // It is the same clock, but a timer may be early.
  passed: ms => delay(ms + 20),
});

/** A group with a secret, and a transaction with secrets, whose check goes nowhere. */
const prepareSecrets = async (
  call: Call,
  operatorKey: string,
  secrets: Readonly<Record<'check secret' | 'payload' | 'header' | 'message key' | 'reason', string>>,
  fixed: object,
): Promise<void> => {
  const checkUrl = `http://${NO_KAFKA}/check`;
  const check = { afterMs: CHECK_AFTER_MS, intervalMs: CHECK_AFTER_MS };
  const settings = { checkUrl, checkSecret: secrets['check secret'], check };
  const message = {
    topic: 'secret',
    payload: secrets.payload,
    key: secrets['message key'],
    headers: { secret: secrets.header },
    ...fixed,
  };
  const steps: [method: string, path: string, body: object][] = [
    ['PUT', '/v1/producer-groups/secretive', settings],
    ['POST', '/v1/transactions', { id: 'secret-1', group: 'secretive', messages: [message] }],
    ['POST', '/v1/transactions', { id: 'secret-2', group: 'secretive', messages: [message] }],
    ['POST', '/v1/transactions/secret-1/commit', { reason: secrets.reason }],
    ['POST', '/v1/transactions/secret-1/rollback', { reason: secrets.reason }],
  ];
  for (const [method, path, body] of steps) {
    const { status, text } = await call(method, path, body, operatorKey);
    if (status >= 500) throw new Error(`${method} ${path}: ${text}`);
  }
  for (;;) {
    const { text } = await call('GET', '/v1/transactions/secret-2', undefined, operatorKey);
    if (JSON.parse(text).check?.lastAt) return;
    await delay(20);
  }
};

const logOf = (broker: BrokerProcess): string => JSON.stringify(broker.log) + broker.errors;

const run = async ({ size, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const routes = await serverRoutes();
  const operatorKey = random();
  const secrets = {
    'operator key': operatorKey,
    'check secret': `whsec_${randomBytes(24).toString('base64')}`,
    payload: random(),
    header: random(),
    'message key': random(),
    reason: random(),
    'Kafka password': random(),
  };
  const env = { ...environmentWith(fault), ESCROWMQ_OPERATOR_KEY: operatorKey };
  const args = ['--publisher', 'memory', '--log-level', 'trace'];
  const broker = new BrokerProcess(join(folder, 'memory'), { args, env });
  const anomalies: string[] = [];
  let [cells, calls] = [0, 0];
  const lookInto = (what: string, text: string, wanted: Readonly<Record<string, string>>): void => {
    for (const name of leaksIn(text, wanted)) anomalies.push(`${what} has the ${name}.`);
  };
  const look = (): string[] =>
    leaksIn(logOf(broker), { 'operator key': operatorKey }).map(name => `The log has the ${name}.`);
  try {
    await broker.start();
    const found = await tryMatrix(routes, guarded(broker, operatorKey), fault === null ? null : look);
    cells = found.cells;
    anomalies.push(...found.anomalies);
    say(`${cells} cells`);
    const call = callOf(broker);
    await prepareSecrets(call, operatorKey, secrets, {});
    const keys = {
      'operator key': operatorKey,
      ...Object.fromEntries(found.secrets.map((key, i) => [`API key ${i + 1}`, key])),
    };
    // What a person writes as a reason or a payload is stored as it is; keys never are.
    for (const file of readdirSync(broker.dataDir))
      lookInto(file, readFileSync(join(broker.dataDir, file)).toString('latin1'), keys);
    const strewn = size === 'full' ? Object.values({ ...secrets, ...keys }) : found.secrets.slice(-1);
    for (const secret of fault === null ? strewn : []) calls += await strew(found.rules, call, operatorKey, secret);
    say(`${calls} calls with a secret in each of their fields`);
    await broker.stop();
    lookInto('The log', logOf(broker), { ...secrets, ...keys });
  } finally {
    await broker.kill();
  }
  if (fault === null) lookInto('The log of a broker without its Kafka', await withoutKafka(folder, secrets), secrets);
  const strewn = fault === null ? { 'calls with a secret in every field': calls } : {};
  return { figures: { routes: routes.length, 'route × role × variant': cells, ...strewn }, anomalies };
};

/** What is logged where Kafka, asked with a password, is not there. */
const withoutKafka = async (
  folder: string,
  secrets: Parameters<typeof prepareSecrets>[2] & Record<'operator key' | 'Kafka password', string>,
): Promise<string> => {
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, secrets['Kafka password'], { mode: 0o600 });
  const sasl = ['--kafka-sasl', 'plain', '--kafka-username', 'escrowmq', '--kafka-password-file', passwordFile];
  const operatorKey = secrets['operator key'];
  const broker = new BrokerProcess(join(folder, 'kafka'), {
    args: ['--kafka-brokers', NO_KAFKA, ...sasl, '--log-level', 'trace'],
    env: { ESCROWMQ_OPERATOR_KEY: operatorKey },
  });
  try {
    await broker.start();
    await prepareSecrets(callOf(broker), operatorKey, secrets, { partition: 0 });
    await broker.stop();
    return logOf(broker);
  } finally {
    await broker.kill();
  }
};

export const P20: Proof = {
  promise: 'P20',
  sentence: 'No group touches another’s messages; nothing secret is in a log.',
  how:
    'every route of the server’s own list in every role (no key, wrong, expired, revoked, a foreign producer’s, a viewer’s, ' +
    'the owner’s, an operator’s), operations of a batch too: the status, that a refused call changed nothing, that what is ' +
    'foreign looks like what is not there; then secrets in every field, looked for in the log at its most talkative, and ' +
    'keys in the data folder',
  target: '100 % of routes, 0 hits',
  faults: [
    {
      name: 'missing-rule',
      what: 'a route that asks for no right',
      file: 'broker/api/messages.ts',
      from: "right: 'operator'",
      to: "right: 'public'",
    },
    {
      name: 'foreign-shown',
      what: 'a foreign transaction is shown',
      file: 'broker/api/transaction-reading.ts',
      from: ' || isForeign(request.caller, transaction.group)',
      to: '',
    },
    {
      name: 'foreign-resolved',
      what: 'a foreign transaction can be resolved',
      file: 'broker/coordinator/decisions.ts',
      from: 'within !== null && transaction.group !== within',
      to: 'false',
    },
    {
      name: 'revoked-believed',
      what: 'a revoked key is as good as before',
      file: 'broker/coordinator/key-decisions.ts',
      from: 'revokedAt === null && (',
      to: '(',
    },
    {
      name: 'key-logged',
      what: 'a key is logged',
      file: 'broker/api/caller.ts',
      from: 'const digest = digestOf(text);',
      to: 'const digest = digestOf(text); console.error(text);',
    },
  ],
  lacks: () => null,
  run,
};
