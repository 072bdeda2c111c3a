/** A program that is started again whenever it dies, until it is told to stop. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const READY_WITHIN_MS = 30_000;
const STOPPED_WITHIN_MS = 15_000;
/** Starts in a row that came to nothing; a nemesis may spoil a few. */
const MOST_FAILURES = 8;
const LONGEST_SAID = 2_000;
const KEPT_LINES = 5;
/** kafkajs arms timers with times in the past, which is harmless; newer Nodes warn about it. */
const QUIET = '--disable-warning=TimeoutNegativeWarning';
const GUARD = ['--import', pathToFileURL(join(import.meta.dirname, 'hooks/guard.ts')).href];

/** Half of a start is compiling, which Node can remember. */
const ENVIRONMENT = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };

/** As the banks say it, and the broker in its log. */
const LISTENING = /^(?:listening |.*"event":"listening","address":")(http:[^\s"]+)/;

export class KeptProcess {
  readonly name: string;
  /** Where it listens; null: it is down. */
  url: string | null = null;
  deaths = 0;
  /** What it said each time that it ended by itself, which nobody did to it. */
  readonly crashes: string[] = [];
  /** Rejects when it cannot be kept alive. */
  readonly lost: Promise<never>;
  readonly #command: readonly string[];
  readonly #logFile: string;
  #child: ChildProcess | null = null;
  #lines: readonly string[] = [];
  #isStopping = false;
  #lose: (error: Error) => void = () => {};
  #waiting: ((url: string) => void)[] = [];

  /** Arguments of Node. The program says where it listens once it does. Its errors are appended to the file. */
  constructor(name: string, command: readonly string[], logFile: string) {
    this.name = name;
    this.#command = command;
    this.#logFile = logFile;
    this.lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    this.lost.catch(() => {});
  }

  /** Resolves when it listens. */
  start(): Promise<string> {
    void this.#keep();
    return this.up();
  }

  /** Resolves with where it listens, once it does. */
  up(): Promise<string> {
    if (this.url !== null) return Promise.resolve(this.url);
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** In order; resolves with whether it ended by itself in time, which is SIGKILL after 15 s. */
  async stop(): Promise<boolean> {
    this.#isStopping = true;
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return true;
    const patience = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = await ended;
    clearTimeout(patience);
    return code === 0;
  }

  async #keep(): Promise<void> {
    for (let failures = 0; !this.#isStopping; ) {
      const hasListened = await this.#live();
      failures = hasListened ? 0 : failures + 1;
      if (this.#isStopping) return;
      this.deaths += 1;
      if (failures < MOST_FAILURES) continue;
      return this.#lose(new Error(`${this.name} does not come up. It says:\n${this.#said()}`));
    }
  }

  /** From its start to its death. Resolves with whether it has listened. */
  async #live(): Promise<boolean> {
    const log = openSync(this.#logFile, 'a');
    const child = spawn(process.execPath, [QUIET, ...GUARD, ...this.#command], {
      stdio: ['pipe', 'pipe', log],
      env: ENVIRONMENT,
    });
    child.stdin!.on('error', () => {});
    closeSync(log);
    this.#child = child;
    let hasListened = false;
    const patience = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
    createInterface({ input: child.stdout! }).on('line', line => {
      this.#lines = [...this.#lines.slice(-KEPT_LINES), line];
      const said = LISTENING.exec(line)?.[1];
      if (said === undefined) return;
      clearTimeout(patience);
      hasListened = true;
      this.url = said;
      for (const resolve of this.#waiting.splice(0)) resolve(said);
    });
    const [code] = await once(child, 'exit');
    clearTimeout(patience);
    this.url = null;
    if (code !== null && !this.#isStopping) this.crashes.push(`${this.name} ended with ${code}: ${this.#said()}`);
    return hasListened;
  }

  #said(): string {
    return [...this.#lines, readFileSync(this.#logFile, 'utf8')].join('\n').slice(-LONGEST_SAID).trim();
  }
}
