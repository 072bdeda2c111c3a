/** One Kafka in a container, for machines with a Docker engine and no Java. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { untilItAnswers } from './probe.ts';
import { nodeProperties, type Properties } from './settings.ts';

const IMAGE = 'apache/kafka:4.1.0';
const READY_WITHIN_MS = 120_000;

/** Removes the container when the pipe to the starter ends: because the starter asks for it, or because it is gone. */
const GUARD = 'read -r word; exec docker rm -f "$1" >/dev/null 2>&1';

/** The arguments of `docker run`. The image reads each setting from a variable: KAFKA_, upper case, dots as underlines. */
export const dockerArguments = (name: string, port: number, heap: string, extra: Properties): string[] => {
  const settings = nodeProperties({
    id: 1,
    listeners: [
      { name: 'PLAINTEXT', at: `:${port}`, advertised: `127.0.0.1:${port}` },
      { name: 'CONTROLLER', at: 'localhost:29093' },
    ],
    controllers: ['localhost:29093'],
    dataFolder: '/tmp/kafka-data',
    extra,
  });
  const variables = Object.entries(settings).flatMap(([key, value]) => [
    '-e',
    `KAFKA_${key.toUpperCase().replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_')}=${value}`,
  ]);
  const heapVariable = ['-e', `KAFKA_HEAP_OPTS=-Xms${heap} -Xmx${heap}`];
  return ['run', '-d', '--rm', '--name', name, '-p', `127.0.0.1:${port}:${port}`, ...heapVariable, ...variables, IMAGE];
};

/** Starts the container and waits until the broker in it answers. The result ends and removes it. */
export const startContainer = async (port: number, heap: string, extra: Properties): Promise<() => Promise<void>> => {
  const name = `escrowmq-kafka-${process.pid}-${port}`;
  const guard = spawn('sh', ['-c', GUARD, 'sh', name], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const close = async () => {
    if (guard.exitCode !== null || guard.signalCode !== null) return;
    const gone = once(guard, 'exit');
    guard.stdin.end();
    await gone;
  };
  try {
    await promisify(execFile)('docker', dockerArguments(name, port, heap, extra));
    await untilItAnswers(`127.0.0.1:${port}`, { withinMs: READY_WITHIN_MS });
    return close;
  } catch (error) {
    await close();
    throw error;
  }
};
