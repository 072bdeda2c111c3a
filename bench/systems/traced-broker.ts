/** A broker whose flushes of the disk are made slow, by strace. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { VERSION } from '../../broker/version.ts';
import { kafkaArgs } from '../../test/support/broker-process.ts';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import type { System } from '../system.ts';
import { type Broker, DURABILITY, nameOf, RunningEscrowmq } from './escrowmq.ts';

const LAUNCHER = 'broker/bin/escrowmq.js';
const FLUSHES = 'fdatasync,fsync';

/** Only the flushes stop the traced process (seccomp-bpf), which stays the child of its starter (-D). */
const tracer = (delayMs: number): string[] => [
  ...['-D', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${FLUSHES}`],
  ...(delayMs === 0 ? [] : ['-e', `inject=${FLUSHES}:delay_enter=${delayMs * 1000}`]),
];

class TracedBroker implements Broker {
  readonly dataDir: string;
  readonly #arguments: readonly string[];
  #child: ChildProcess | null = null;
  #url = '';

  constructor(dataDir: string, delayMs: number, settings: readonly string[]) {
    this.dataDir = dataDir;
    const serve = ['serve', '--port', '0', '--data-dir', dataDir, ...settings];
    this.#arguments = [...tracer(delayMs), process.execPath, LAUNCHER, ...serve];
  }

  get url(): string {
    return this.#url;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const child = spawn('strace', this.#arguments, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    this.#url = await new Promise((resolve, reject) => {
      child.on('exit', code => reject(new Error(`the broker under strace ended with ${code}`)));
      createInterface({ input: child.stdout }).on('line', line => {
        const entry = line.startsWith('{') ? JSON.parse(line) : {};
        if (entry.event === 'listening') resolve(entry.address);
      });
    });
  }

  async put(route: string, body: unknown): ReturnType<Broker['put']> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${this.#url}${route}`, { method: 'PUT', headers, body: JSON.stringify(body) });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return null;
    const ended = once(child, 'exit');
    child.kill(signal);
    return (await ended)[0];
  }
}

export interface SlowDisk {
  readonly kafka: () => Promise<KafkaCluster>;
  readonly calls: 'single' | 'client';
  /** Added to every flush. With 0 strace still looks on, so that its own cost is in all figures. */
  readonly delayMs: number;
}

export const escrowmqOnSlowDisk = ({ kafka, calls, delayMs }: SlowDisk): System => ({
  name: nameOf(calls),
  version: VERSION,
  durability: DURABILITY,
  unavailable: async () => {
    const probe = spawnSync('strace', [...tracer(1), 'true'], { encoding: 'utf8', timeout: 20_000 });
    if (probe.error !== undefined) return 'strace is missing (Debian: strace)';
    return probe.status === 0 ? null : `strace cannot delay flushes here: ${probe.stderr.trim()}`;
  },
  start: async folder => {
    const cluster = await kafka();
    mkdirSync(folder, { recursive: true });
    const broker = new TracedBroker(path.join(folder, 'data'), delayMs, kafkaArgs(cluster));
    await broker.start();
    return new RunningEscrowmq(cluster, broker, calls, folder);
  },
});
