/** The broker's own port over TLS: a real process, real certificates, and clients that trust nobody else. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectPlainly } from 'node:net';
import { join, resolve } from 'node:path';
import { connect, type SecureVersion } from 'node:tls';
import { promisify } from 'node:util';
import t from 'tap';
import { startBrokerProcess } from '../support/broker-process.ts';
import { type Certificates, makeCertificates, noOpenssl } from '../support/certificates.ts';
import { temporaryFolder } from '../support/store.ts';

const run = promisify(execFile);
const MEMORY = ['--publisher', 'memory'];

let certificates: Certificates;
t.setTimeout(60_000);
t.before(() => {
  if (!noOpenssl.skip) certificates = makeCertificates(temporaryFolder(t));
});

const secure = (): string[] => [
  ...['--tls-cert-file', certificates.certFile],
  ...['--tls-key-file', certificates.keyFile],
];

/** Trusts the test's authority, or nobody but the system's. */
const get = (url: string, ca?: string): Promise<{ status: number; headers: Record<string, unknown>; body: string }> =>
  new Promise((settle, fail) => {
    const call = request(url, { ca, agent: false }, answer => {
      const chunks: Buffer[] = [];
      answer.on('data', chunk => chunks.push(chunk));
      answer.on('end', () =>
        settle({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    call.on('error', fail).end();
  });

t.test('https: said so, answered, and nothing below TLS 1.2', noOpenssl, async t => {
  const broker = await startBrokerProcess(t, { args: [...MEMORY, ...secure()] });
  t.match(broker.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  t.match(broker.log.at(-1), { event: 'listening', address: broker.url, msg: /https:/ });
  const { status, headers, body } = await get(`${broker.url}/livez`, certificates.ca);
  t.equal(status, 200);
  t.same(JSON.parse(body), { status: 'ok' });
  t.equal(headers['strict-transport-security'], 'max-age=15552000');
  await t.rejects(get(`${broker.url}/livez`), { code: /UNABLE_TO_VERIFY|SELF_SIGNED/ });
  const port = Number(new URL(broker.url).port);
  const versionOf = async (version: SecureVersion): Promise<string | null> => {
    const ciphers = 'DEFAULT:@SECLEVEL=0';
    const socket = connect({ port, ca: certificates.ca, minVersion: version, maxVersion: version, ciphers });
    await once(socket, 'secureConnect');
    const spoken = socket.getProtocol();
    socket.destroy();
    return spoken;
  };
  t.equal(await versionOf('TLSv1.3'), 'TLSv1.3');
  t.equal(await versionOf('TLSv1.2'), 'TLSv1.2');
  await t.rejects(versionOf('TLSv1.1'));
  await t.rejects(fetch(broker.url.replace('https:', 'http:')), 'plain HTTP gets nothing');
  t.equal((await get(`${broker.url}/livez`, certificates.ca)).status, 200, 'and harms nobody');
  t.notOk(broker.log.some(({ level }) => Number(level) >= 50));
});

t.test('it stops although somebody never agrees upon TLS', noOpenssl, async t => {
  const broker = await startBrokerProcess(t, { args: [...MEMORY, ...secure()] });
  const silent = connectPlainly(Number(new URL(broker.url).port), '127.0.0.1');
  silent.on('error', () => {});
  await once(silent, 'connect');
  t.equal((await get(`${broker.url}/livez`, certificates.ca)).status, 200);
  const closed = once(silent, 'close');
  t.equal(await broker.stop(), 0);
  await closed;
});

t.test('the producer SDK reaches it, with the authority in NODE_EXTRA_CA_CERTS', noOpenssl, async t => {
  const broker = await startBrokerProcess(t, { args: [...MEMORY, ...secure()] });
  const program = join(temporaryFolder(t), 'program.mjs');
  const sdk = resolve('producer-sdk/index.ts');
  writeFileSync(
    program,
    `import { createClient } from ${JSON.stringify(sdk)};
    const client = createClient({ url: process.argv[2] });
    await client.putGroup('g', {});
    const made = await client.prepare({ group: 'g', id: 't1', messages: [{ topic: 'transfers', payload: 'x' }] });
    const ended = await client.commit('t1');
    console.log(made.state, ended.state);
    await client.close();
    `,
  );
  const url = broker.url.replace('127.0.0.1', 'localhost');
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificates.caFile };
  const { stdout } = await run(process.execPath, [program, url], { env });
  t.equal(stdout, 'prepared committed\n');
});

t.test('files that do not fit: nothing is started', noOpenssl, async t => {
  const args = [...MEMORY, '--tls-cert-file', certificates.certFile, '--tls-key-file', certificates.otherKeyFile];
  await t.rejects(startBrokerProcess(t, { args }), {
    message: /ended with 2: .*does not belong to the first certificate/,
  });
});
