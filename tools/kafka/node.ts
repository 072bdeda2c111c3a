/** One Kafka server process: format, start, kill, stop, pause, start again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { freeze } from './freeze.ts';
import { untilItAnswers } from './probe.ts';
import { type Properties, propertiesText } from './settings.ts';

/** No server may outlive the process that started it, however that one ends: exit, Ctrl-C or kill -9. So java is started
 * by a shell that first leaves a guard behind, reading from a pipe whose other end only the starter holds. The pipe
 * breaks when the starter is gone: the guard kills the server (`$$` is the shell's id, which java takes over). When the
 * server ends first, the starter writes a line, and the guard leaves without a deed. */
const GUARDED = `{ read -r word <&3 || kill -KILL $$; } </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

const READY_WITHIN_MS = 90_000;
const STOPPED_WITHIN_MS = 20_000;

export interface NodeOptions {
  readonly id: number;
  /** host:port of clients, and of the probe. */
  readonly address: string;
  /** The certificate to trust (PEM), where that address speaks TLS. */
  readonly ca?: string | undefined;
  readonly properties: Properties;
  readonly folder: string;
  readonly jars: string;
  readonly heap: string;
  readonly isShortLived: boolean;
  /** What comes before `java` on the server's command line. */
  readonly within: readonly string[];
  readonly clusterId: string;
  readonly formatArguments: readonly string[];
  /** Of the server; JAVA_TOOL_OPTIONS in it reaches java. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The process ended because another one listens on its port. */
export class PortTaken extends Error {}

export class KafkaNode {
  readonly id: number;
  readonly address: string;
  readonly logFile: string;
  readonly #options: NodeOptions;
  readonly #settings: string;
  #child: ChildProcess | undefined;
  /** Where in the log this life of the server begins. */
  #logFrom = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.id = options.id;
    this.address = options.address;
    this.logFile = path.join(options.folder, 'server.log');
    this.#settings = path.join(options.folder, 'server.properties');
    mkdirSync(options.folder, { recursive: true });
    writeFileSync(this.#settings, propertiesText(options.properties), { mode: 0o600 });
  }

  /** The id of the server process while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the server, on the same port and data as before, and waits until it answers. Does nothing to a running one. */
  async start(): Promise<void> {
    if (!isFormatted(this.#options.folder)) await this.#format();
    const child = this.#child ?? this.#spawn();
    await untilItAnswers(this.address, {
      ca: this.#options.ca,
      withinMs: READY_WITHIN_MS,
      failed: () => (this.#child === child ? undefined : `Kafka node ${this.id} ended. ${this.#complaints()}`),
    }).catch(error => {
      throw /Address already in use/.test(this.#log()) ? new PortTaken(error.message) : error;
    });
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and waits until the process is gone; SIGKILL after 20 s. */
  async stop(): Promise<void> {
    // A paused process does not see SIGTERM before it continues.
    this.resume();
    const patience = setTimeout(() => this.#child?.kill('SIGKILL'), STOPPED_WITHIN_MS);
    await this.#end('SIGTERM');
    clearTimeout(patience);
  }

  /** SIGSTOP: connections stay open and nothing answers. That is so when it returns. */
  pause(): void {
    if (this.#child?.pid !== undefined) freeze(this.#child.pid);
  }

  /** SIGCONT. */
  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  #spawn(): ChildProcess {
    const { folder, jars, heap, isShortLived, within, env } = this.#options;
    const java = [
      ...[...within, 'java', `-Xms${heap}`, `-Xmx${heap}`, '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
      // Without the optimising compiler.
      ...(isShortLived ? ['-XX:TieredStopAtLevel=1'] : []),
      ...['-XX:+ExitOnOutOfMemoryError', '-Djava.awt.headless=true', '-Dorg.slf4j.simpleLogger.showDateTime=true'],
      ...['-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS', '-cp', path.join(jars, '*')],
      ...['kafka.Kafka', this.#settings],
    ];
    const log = openSync(this.logFile, 'a');
    this.#logFrom = fstatSync(log).size;
    // A session of its own: Ctrl-C at a terminal is for the starter, which then ends its servers in order.
    const child = spawn('sh', ['-c', GUARDED, 'sh', ...java], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
    });
    closeSync(log);
    this.#child = child;
    // Not the standard input: Node closes that one by itself when the process ends, before anybody is told.
    const guard = child.stdio[3] as Socket;
    guard.on('error', () => {});
    guard.resume();
    child.once('exit', () => {
      guard.end('ended\n');
      this.#child = undefined;
    });
    child.once('error', () => {
      this.#child = undefined;
    });
    return child;
  }

  async #format(): Promise<void> {
    const { jars, clusterId, formatArguments, env } = this.#options;
    const tool = ['-cp', path.join(jars, '*'), 'kafka.tools.StorageTool', 'format', '--ignore-formatted'];
    const child = spawn(
      'java',
      // A short-lived program: no optimising compiler, the simplest collector.
      [
        ...['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'],
        ...[...tool, '-t', clusterId, '-c', this.#settings, ...formatArguments],
      ],
      { env, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`Formatting the data folder of Kafka node ${this.id} failed:\n${output.trim()}`);
  }

  /** What the server wrote since its last start. */
  #log(): string {
    return readFileSync(this.logFile).subarray(this.#logFrom).toString();
  }

  /** The reasons that the log gives; where it gives none, its end. */
  #complaints(): string {
    const lines = this.#log().trimEnd().split('\n');
    const reasons = lines.filter(line => !/ (INFO|WARN) /.test(line) && /\bERROR\b|Exception|Error\b/.test(line));
    return `Its log says:\n${(reasons.length > 0 ? [...new Set(reasons)].slice(0, 12) : lines.slice(-12)).join('\n')}`;
  }
}

export const dataFolder = (nodeFolder: string): string => path.join(nodeFolder, 'data');

export const isFormatted = (nodeFolder: string): boolean =>
  existsSync(path.join(dataFolder(nodeFolder), 'meta.properties'));
