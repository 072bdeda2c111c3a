/** A real broker process: started by the committed launcher, stopped or killed, started again on the same folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { temporaryFolder } from './store.ts';

const LAUNCHER = resolve('broker/bin/escrowmq.js');
const READY_WITHIN_MS = 30_000;

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of any route
  body: any;
}

export interface BrokerOptions {
  /** Settings besides host, port and data folder, e.g. `['--publisher', 'memory']`. */
  args?: string[];
  env?: Record<string, string>;
  dataDir?: string;
}

/** The flags that point a broker at this Kafka. */
export const kafkaArgs = (kafka: { brokers: readonly string[] }): string[] => [
  '--kafka-brokers',
  kafka.brokers.join(','),
];

export class BrokerProcess {
  readonly dataDir: string;
  /** Log lines, parsed; of all processes that ran on this folder. */
  readonly log: Record<string, unknown>[] = [];
  readonly #args: string[];
  readonly #env: Record<string, string>;
  #child: ChildProcess | null = null;
  #url = '';
  #errors = '';

  constructor(dataDir: string, { args = [], env = {} }: BrokerOptions) {
    this.dataDir = dataDir;
    this.#args = args;
    this.#env = env;
  }

  get url(): string {
    return this.#url;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What all processes wrote to standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Resolves when the broker says that it listens; rejects with what it wrote if it ends before. */
  async start(args: string[] = []): Promise<void> {
    const all = ['serve', '--port', '0', '--data-dir', this.dataDir, ...this.#args, ...args];
    const child = spawn(process.execPath, [LAUNCHER, ...all], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    child.stderr!.on('data', chunk => {
      this.#errors += chunk;
    });
    const listening = new Promise<string>((settle, fail) => {
      const timer = setTimeout(() => fail(new Error('the broker did not listen in time')), READY_WITHIN_MS);
      child.on('exit', code => {
        clearTimeout(timer);
        fail(new Error(`the broker ended with ${code}: ${this.#errors}`));
      });
      createInterface({ input: child.stdout! }).on('line', line => {
        const entry = line.startsWith('{') ? JSON.parse(line) : { line };
        this.log.push(entry);
        if (entry.event === 'listening') {
          clearTimeout(timer);
          settle(entry.address);
        }
      });
    });
    this.#url = await listening;
  }

  async signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = await ended;
    return code;
  }

  /** Resolves with the exit code. */
  stop(): Promise<number | null> {
    return this.signal('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.signal('SIGKILL');
  }

  async restart(args: string[] = []): Promise<void> {
    await this.kill();
    await this.start(args);
  }

  /** Resolves when the process has ended by itself, with its exit code. */
  async ended(): Promise<number | null> {
    const child = this.#child!;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  put(path: string, body: unknown): Promise<Answer> {
    return this.call('PUT', path, body);
  }

  post(path: string, body?: unknown): Promise<Answer> {
    return this.call('POST', path, body);
  }
}

/** Started, and ended with the test. */
export const startBrokerProcess = async (t: Test, options: BrokerOptions = {}): Promise<BrokerProcess> => {
  const broker = new BrokerProcess(options.dataDir ?? temporaryFolder(t), options);
  t.teardown(() => broker.kill());
  await broker.start();
  return broker;
};

/** Resolves with the first value that `probe` finds; asks again until then. Fails with `what` at the deadline. */
export const eventually = async <T>(
  what: string,
  probe: () => Promise<T | null | undefined | false>,
  withinMs = 30_000,
): Promise<T> => {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
};
