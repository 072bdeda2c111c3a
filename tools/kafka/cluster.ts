/** A real Kafka for the test suite, the demo and the benchmark: one node or three, which can be killed and frozen. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { givenBrokers, kafkaAvailable } from './available.ts';
import { startContainer } from './docker.ts';
import { temporaryFolder } from './folder.ts';
import { KAFKA_VERSION, kafkaJars } from './jars.ts';
import { dataFolder, isFormatted, KafkaNode, PortTaken } from './node.ts';
import { type KafkaOptions, type Settled, settle } from './options.ts';
import { freePorts, isFree, untilItAnswers } from './probe.ts';
import { type KafkaSecurity, makeSecurity, type ServerSecurity } from './security.ts';
import { type Listener, nodeProperties } from './settings.ts';

export { type KafkaAvailability, kafkaAvailable } from './available.ts';
export type { KafkaNode } from './node.ts';
export type { KafkaOptions } from './options.ts';
export type { KafkaSecurity } from './security.ts';

export interface KafkaCluster {
  readonly how: 'given' | 'java' | 'docker';
  /** What a client is given, as host:port. */
  readonly brokers: readonly string[];
  /** Empty for `given` and `docker`: such a Kafka cannot be killed. */
  readonly nodes: readonly KafkaNode[];
  readonly security?: KafkaSecurity;
  /** Ends everything that was started, and removes the temporary folder. Does nothing to a given Kafka. */
  close(): Promise<void>;
}

const GIVEN_WITHIN_MS = 10_000;

/**
 * Starts a Kafka and resolves when every node of it answers. What it starts ends with `close()`, and also when this
 * process ends in whichever way. Rejects with a sentence where there is nothing to start it with.
 */
export const startKafka = async (options: KafkaOptions = {}): Promise<KafkaCluster> => {
  const settled = settle(options);
  const { how, why } = kafkaAvailable(settled.env);
  if (how === 'none') throw new Error(why);
  if (how === 'java') return startNodes(settled, options.dir);
  const source = how === 'given' ? 'the Kafka that KAFKA_BROKERS names' : 'Kafka in Docker';
  if (settled.secure) throw new RangeError(`${source} is used in plain text only: SASL_SSL needs Java and Maven`);
  if (how === 'given') return givenKafka(givenBrokers(settled.env));
  if (settled.nodes === 3) throw new RangeError(`${source} is one node only: three nodes need Java and Maven`);
  if (options.dir !== undefined) throw new RangeError(`${source} keeps nothing: a data folder needs Java and Maven`);
  const [port = 0] = await brokerPorts(settled);
  settled.log(`starting Kafka in Docker on 127.0.0.1:${port} (the first time it downloads the image)`);
  const close = await startContainer(port, settled.heap, settled.properties);
  return { how, brokers: [`127.0.0.1:${port}`], nodes: [], close };
};

const givenKafka = async (brokers: string[]): Promise<KafkaCluster> => {
  try {
    await Promise.any(brokers.map(broker => untilItAnswers(broker, { withinMs: GIVEN_WITHIN_MS })));
  } catch {
    throw new Error(`KAFKA_BROKERS names ${brokers.join(', ')}, but no Kafka answers there in plain text.`);
  }
  return { how: 'given', brokers, nodes: [], close: async () => {} };
};

const startNodes = async (settled: Settled, givenDir: string | undefined): Promise<KafkaCluster> => {
  const began = performance.now();
  const jars = await kafkaJars(settled.log, settled.env);
  const temporary = givenDir === undefined ? temporaryFolder() : undefined;
  const dir = temporary?.path ?? path.resolve(givenDir ?? '');
  try {
    mkdirSync(dir, { recursive: true });
    refuseOtherCluster(dir, settled.nodes);
    const secured = settled.secure ? makeSecurity(path.join(dir, 'security')) : undefined;
    const start = async () => {
      const made = await makeNodes(settled, { dir, jars, secured });
      await startAll(made);
      return made;
    };
    settled.log(`starting Kafka ${KAFKA_VERSION}, ${settled.nodes === 1 ? 'one node' : 'three nodes'}, in ${dir}`);
    const nodes = await start().catch(error => {
      if (!(error instanceof PortTaken) || settled.port !== 0) throw error;
      settled.log('somebody took a port between our look and the start: once more, with others');
      return start();
    });
    const brokers = nodes.map(node => node.address);
    settled.log(`Kafka answers at ${brokers.join(',')} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const close = async () => {
      // Nobody will read the data of a temporary folder: no need to wait for an orderly end.
      await Promise.all(nodes.map(node => (temporary ? node.kill() : node.stop())));
      temporary?.remove();
    };
    return { how: 'java', brokers, nodes, close, ...(secured && { security: secured.client }) };
  } catch (error) {
    temporary?.remove();
    throw error;
  }
};

/** Starts them side by side; if one fails, ends the others. */
const startAll = async (nodes: KafkaNode[]): Promise<void> => {
  const results = await Promise.allSettled(nodes.map(node => node.start()));
  const failures = results.filter(result => result.status === 'rejected').map(({ reason }) => reason);
  if (failures.length === 0) return;
  await Promise.all(nodes.map(node => node.kill()));
  throw failures.find(failure => failure instanceof PortTaken) ?? failures[0];
};

interface Place {
  dir: string;
  jars: string;
  secured: ServerSecurity | undefined;
}

const makeNodes = async (settled: Settled, { dir, jars, secured }: Place): Promise<KafkaNode[]> => {
  const ports = await brokerPorts(settled);
  const others = await freePorts(settled.nodes + 1, ports);
  const at = (port: number | undefined) => `${settled.host}:${port}`;
  const controllers = ports.map((_, index) => at(others[index]));
  return ports.map((port, index) => {
    const listeners: Listener[] = [{ name: 'CONTROLLER', at: at(others[index]) }];
    if (secured) listeners.push({ name: 'SASL_SSL', at: at(port) }, { name: 'PLAINTEXT', at: at(others.at(-1)) });
    else listeners.push({ name: 'PLAINTEXT', at: at(port) });
    const folder = nodeFolder(dir, index + 1);
    const extra = { ...secured?.properties, ...settled.properties };
    return new KafkaNode({
      id: index + 1,
      address: at(port),
      ca: secured && readFileSync(secured.client.caFile, 'utf8'),
      properties: nodeProperties({ id: index + 1, listeners, controllers, dataFolder: dataFolder(folder), extra }),
      folder,
      jars,
      heap: settled.heap,
      isShortLived: settled.isShortLived,
      within: settled.within,
      clusterId: clusterId(dir),
      formatArguments: secured?.formatArguments ?? [],
      env: settled.env,
    });
  });
};

const brokerPorts = async ({ port, nodes }: Settled): Promise<number[]> => {
  if (port === 0) return freePorts(nodes);
  const ports = Array.from({ length: nodes }, (_, index) => port + index);
  for (const wanted of ports) {
    if (!(await isFree(wanted))) throw new Error(`Port ${wanted} of 127.0.0.1 is taken: choose another one, or 0.`);
  }
  return ports;
};

const nodeFolder = (dir: string, id: number): string => path.join(dir, `node-${id}`);

/** A node of a cluster of three cannot live alone, nor the other way round. */
const refuseOtherCluster = (dir: string, nodes: number): void => {
  const held = [1, 2, 3].filter(id => isFormatted(nodeFolder(dir, id))).length;
  if (held !== 0 && held !== nodes) {
    throw new Error(
      `${dir} holds a Kafka of ${held} node(s), not ${nodes}: choose another folder, or remove this one.`,
    );
  }
};

/** 16 bytes in base64url, of which the first may not look like an option. The same for every node of a folder. */
const clusterId = (dir: string): string =>
  `k${createHash('sha256').update(dir).digest().subarray(0, 16).toString('base64url').slice(1)}`;
