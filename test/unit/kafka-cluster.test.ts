/** The launcher of Kafka, as far as it goes without one: what is on PATH is made up here. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { kafkaAvailable, startKafka } from '../../tools/kafka/cluster.ts';
import { dockerArguments } from '../../tools/kafka/docker.ts';
import { cacheFolder, jarFolder, jarsAreCached, kafkaJars } from '../../tools/kafka/jars.ts';
import { answers, freePorts, isFree } from '../../tools/kafka/probe.ts';
import { propertiesText } from '../../tools/kafka/settings.ts';

const JAVA = (version: string) => `echo 'openjdk version "${version}" 2025-04-15' >&2`;

/** An environment in which nothing but these commands exists, each a script for sh. */
const machineWith = (t: Test, commands: Record<string, string>) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'escrowmq-machine-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of ['bin', 'cache']) mkdirSync(path.join(folder, name));
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(path.join(folder, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return { PATH: path.join(folder, 'bin'), ESCROWMQ_CACHE_DIR: path.join(folder, 'cache') };
};

t.test('wrong options are refused by name', async t => {
  for (const [options, message] of [
    [{ nodes: 2 }, /nodes must be 1 or 3, not 2/],
    [{ port: -1 }, /port must be .* not -1/],
    [{ port: 65_534, nodes: 3 }, /port must be .* not 65534/],
    [{ heap: 'much' }, /heap must be like 512m or 1g, not much/],
    [{ security: 'tls' as 'plaintext' }, /security must be plaintext or sasl_ssl, not tls/],
    [{ security: 'sasl_ssl', nodes: 3 }, /one node only/],
  ] as const) {
    await t.rejects(startKafka(options), { name: 'RangeError', message });
  }
});

t.test('where a Kafka can come from', async t => {
  const availability = (commands: Record<string, string>, more = {}) =>
    kafkaAvailable({ ...machineWith(t, commands), ...more });
  const nothing = availability({});
  t.equal(nothing.how, 'none');
  t.match(nothing.why, /no java on PATH.*no mvn.*apt-get install.*KAFKA_BROKERS/s);
  t.match(availability({ java: JAVA('17.0.15') }), { how: 'none', why: /started: there is no mvn/ });
  t.match(availability({ java: JAVA('11.0.2'), mvn: '' }), { how: 'none', why: /version 11, older than 17/ });
  t.match(availability({ java: JAVA('1.8.0_402'), mvn: '' }), { how: 'none', why: /version 8/ });
  t.match(availability({ docker: 'exit 1' }), { how: 'none' }, 'a client without an engine');
  t.same(availability({ docker: '' }), { how: 'docker' });
  t.same(availability({ java: JAVA('17.0.15'), mvn: '', docker: '' }), { how: 'java' });
  t.same(availability({ java: JAVA('21-ea'), mvn: '' }), { how: 'java' });
  t.same(availability({}, { KAFKA_BROKERS: 'a:1, b:2' }), { how: 'given' });
  t.match(availability({}, { KAFKA_BROKERS: ' ' }), { how: 'none' });
  await t.rejects(startKafka({ env: machineWith(t, {}) }), /No Kafka can be started/);
});

t.test('what Docker and a given Kafka cannot do is said', async t => {
  const docker = machineWith(t, { docker: '' });
  await t.rejects(startKafka({ env: docker, nodes: 3 }), /Docker is one node only/);
  await t.rejects(startKafka({ env: docker, security: 'sasl_ssl' }), /Docker is used in plain text only/);
  await t.rejects(startKafka({ env: docker, dir: 'data' }), /Docker keeps nothing/);
  const given = { KAFKA_BROKERS: '127.0.0.1:1' };
  await t.rejects(startKafka({ env: given, security: 'sasl_ssl' }), /KAFKA_BROKERS names is used in plain text only/);
  const args = dockerArguments('one', 19_092, '512m', { 'message.max.bytes': 7 });
  t.match(args.join(' '), / -p 127\.0\.0\.1:19092:19092 /);
  t.ok(args.includes('KAFKA_MESSAGE_MAX_BYTES=7'));
  t.ok(args.includes('KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:19092,CONTROLLER://localhost:29093'));
});

t.test('the cache folder', async t => {
  t.equal(cacheFolder({ ESCROWMQ_CACHE_DIR: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' }), '/a');
  t.equal(cacheFolder({ XDG_CACHE_HOME: '/b', HOME: '/c' }), '/b/escrowmq');
  t.equal(cacheFolder({ XDG_CACHE_HOME: 'relative', HOME: '/c' }), '/c/.cache/escrowmq');
  t.equal(cacheFolder({ ESCROWMQ_CACHE_DIR: '', HOME: '/c' }), '/c/.cache/escrowmq');
  t.equal(cacheFolder({}), path.join(homedir(), '.cache', 'escrowmq'));
  t.match(jarFolder({ HOME: '/c' }), /^\/c\/\.cache\/escrowmq\/kafka-\d+\.\d+\.\d+-[0-9a-f]{12}$/);
});

t.test('the jars arrive whole, once, also when two ask at the same time', async t => {
  const copy = `for word; do case $word in -DoutputDirectory=*) : >"\${word#*=}/kafka.jar";; esac; done; echo >>"$0.calls"`;
  const env = machineWith(t, { java: JAVA('17.0.15'), mvn: copy });
  // What a deletion broke off in the middle leaves is not taken for the real thing.
  mkdirSync(jarFolder(env));
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  t.strictSame(await Promise.all([kafkaJars(log, env), kafkaJars(log, env)]), [jarFolder(env), jarFolder(env)]);
  t.ok(jarsAreCached(env));
  t.strictSame(readdirSync(env.ESCROWMQ_CACHE_DIR), [path.basename(jarFolder(env))], 'no temporary folder is left');
  t.strictSame(readdirSync(jarFolder(env)).sort(), ['.complete', 'kafka.jar']);
  t.match(lines[0], /copying Apache Kafka/);
  await kafkaJars(log, env);
  t.equal(lines.length, 2, 'the third call had nothing to do');
  t.equal(readFileSync(path.join(env.PATH, 'mvn.calls'), 'utf8').length, 2);
  rmSync(path.join(env.PATH, 'mvn'));
  t.same(kafkaAvailable(env), { how: 'java' }, 'Maven is not needed any more');
});

t.test('a failure of Maven is told with the end of its output', async t => {
  const env = machineWith(t, { mvn: 'echo a first line; echo "[ERROR] no route to repository" >&2; exit 1' });
  await t.rejects(
    kafkaJars(() => {}, env),
    /exit code 1.*no route to repository/s,
  );
  t.strictSame(readdirSync(env.ESCROWMQ_CACHE_DIR), []);
});

/** Something that listens, and answers every request with these bytes. */
const listener = async (t: Test, answer: string): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {}).on('data', () => socket.write(Buffer.from(answer, 'hex')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

t.test('only a broker counts as an answer', async t => {
  const kafka = await listener(t, '00000006000000070000');
  t.equal(await answers(kafka), true);
  t.equal(await answers(await listener(t, ''), { timeoutMs: 50 }), false, 'a port that accepts and stays silent');
  t.equal(await answers(await listener(t, '485454502f312e312034')), false, 'something else');
  t.equal(await answers(kafka, { ca: '' }), false, 'TLS was asked for');
  const [port] = await freePorts(1);
  t.equal(await answers(`127.0.0.1:${port}`), false, 'nobody');
  const given = await startKafka({ env: { KAFKA_BROKERS: ` ${kafka},` } });
  t.match(given, { how: 'given', brokers: [kafka], nodes: [] });
  await given.close();
});

t.test('free ports are different and free, a taken one is refused', async t => {
  const ports = await freePorts(20);
  t.equal(new Set(ports).size, 20);
  const [address] = [await listener(t, '')];
  const port = Number(address.split(':')[1]);
  t.equal(await isFree(port), false);
  await t.rejects(startKafka({ port, env: machineWith(t, { docker: '' }) }), new RegExp(`Port ${port} .* is taken`));
});

t.test('a properties file keeps its backslashes', async t => {
  t.equal(propertiesText({ a: 'C:\\x', b: 1, c: false }), 'a=C:\\\\x\nb=1\nc=false\n');
});

t.test('npm run kafka', async t => {
  const run = (args: string[], env = {}) =>
    new Promise<{ code: unknown; out: string; err: string }>(resolve => {
      const script = path.join(import.meta.dirname, '../../tools/kafka.ts');
      execFile(process.execPath, [script, ...args], { env }, (error, out, err) =>
        resolve({ code: error?.code ?? 0, out, err }),
      );
    });
  t.match(await run(['--help']), { code: 0, out: /npm run kafka -- \[options\]/, err: '' });
  t.match(await run(['--colour']), { code: 2, out: '', err: /--colour.*--help/s });
  t.match(await run(['--nodes', '2']), { code: 2, err: /^--nodes must be 1 or 3, not 2\./ });
  t.match(await run(['--port', 'x']), { code: 2, err: /^--port x is no port\./ });
  t.match(await run(['--heap', 'x']), { code: 2, err: /^--heap must be like/ });
  t.match(await run(['--security', 'tls']), { code: 2, err: /^--security must be/ });
  t.match(await run(['--security', 'sasl_ssl', '--nodes', '3']), { code: 2, err: /one node only/ });
  t.match(await run([], machineWith(t, {})), { code: 1, err: /^No Kafka can be started: .*apt-get install/s });
  t.match(await run([], { KAFKA_BROKERS: 'a:1' }), { code: 1, err: /KAFKA_BROKERS names a Kafka already/ });
});
