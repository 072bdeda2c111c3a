/** One database server on this machine, for tests: started, killed, stopped, started again, ended with its folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { temporaryFolder } from '../kafka/folder.ts';
import { freePorts } from '../kafka/probe.ts';
import type { Account } from './programs.ts';

/**
 * No server may outlive the process that started it, however that one ends: see tools/kafka/node.ts. `$0` is the signal
 * that ends the server without ceremony.
 */
const GUARDED = `{ read -r word <&3 || kill -$0 $$; } </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 20_000;

/** Settings of the server by name, as it would read them from its file. */
export type Settings = Readonly<Record<string, string | number>>;

export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/** What differs between the servers. */
export interface Program {
  readonly name: 'postgres' | 'mariadb';
  /** May do everything, without a password. */
  readonly user: string;
  readonly account: Account | undefined;
  /** Ends in order what is begun. */
  readonly stopSignal: 'SIGINT' | 'SIGTERM';
  /** Ends at once, like a crash, but leaves nothing behind in the system. */
  readonly abortSignal: 'SIGQUIT' | 'SIGKILL';
  /** Makes the data folder. */
  create(dataFolder: string): readonly [command: string, ...args: string[]];
  serve(place: Place, settings: Settings): readonly [command: string, ...args: string[]];
  /** Resolves once a query was answered. */
  ask(address: DatabaseAddress): Promise<void>;
  /** Processes of the server besides the one that was started. */
  workers(pid: number): number[];
}

export interface Place {
  /** Of the server's own files; sockets lie here. */
  readonly folder: string;
  readonly dataFolder: string;
  readonly port: number;
}

export class DatabaseServer {
  readonly address: DatabaseAddress;
  readonly logFile: string;
  readonly dataFolder: string;
  readonly #program: Program;
  readonly #place: Place;
  readonly #removeFolder: () => void;
  #child: ChildProcess | undefined;
  #logFrom = 0;

  private constructor(program: Program, place: Place, removeFolder: () => void) {
    this.#program = program;
    this.#place = place;
    this.#removeFolder = removeFolder;
    this.address = { host: '127.0.0.1', port: place.port, user: program.user };
    this.logFile = path.join(place.folder, 'server.log');
    this.dataFolder = place.dataFolder;
  }

  /** Makes a server with an empty data folder of its own and resolves when it answers. */
  static async begin(program: Program, settings: Settings): Promise<DatabaseServer> {
    const { path: folder, remove } = temporaryFolder(`escrowmq-${program.name}-`);
    try {
      const { account } = program;
      if (account) chownSync(folder, account.uid, account.gid);
      const dataFolder = path.join(folder, 'data');
      await run(program.create(dataFolder), folder, account);
      for (let tries = 0; ; tries++) {
        const [port = 0] = await freePorts(1);
        const server = new DatabaseServer(program, { folder, dataFolder, port }, remove);
        try {
          await server.start(settings);
          return server;
        } catch (error) {
          await server.kill();
          // Somebody took the port between our look and the start.
          if (tries === 2 || !/Address already in use/i.test(server.#log())) throw error;
        }
      }
    } catch (error) {
      remove();
      throw error;
    }
  }

  /** The id of the server process while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the server, on the same port and data as before, and waits until it answers. */
  async start(settings: Settings = {}): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.#program.name} runs already: stop it first`);
    const child = this.#spawn(this.#program.serve(this.#place, settings));
    const end = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const failure = await this.#program.ask(this.address).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      if (this.#child !== child) throw new Error(`${this.#program.name} ended. Its log says:\n${this.#log().trim()}`);
      if (performance.now() > end) throw new Error(`${this.#program.name} did not answer in time`, { cause: failure });
      await delay(20);
    }
  }

  /** SIGKILL to every process of it; resolves when they are gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    const workers = this.#program.workers(child.pid);
    const gone = this.#end('SIGKILL');
    for (const worker of workers) signal(worker, 'SIGKILL');
    await gone;
    while (workers.some(isAlive)) await delay(2);
  }

  /** In order; resolves when it is gone. SIGKILL after 20 s. */
  async stop(): Promise<void> {
    const patience = setTimeout(() => void this.kill(), STOPPED_WITHIN_MS);
    await this.#end(this.#program.stopSignal);
    clearTimeout(patience);
  }

  /** Ends the server and removes everything of it. */
  async close(): Promise<void> {
    const patience = setTimeout(() => void this.kill(), STOPPED_WITHIN_MS);
    await this.#end(this.#program.abortSignal);
    clearTimeout(patience);
    this.#removeFolder();
  }

  async #end(how: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill(how);
    await gone;
  }

  #spawn(command: readonly string[]): ChildProcess {
    const { account, abortSignal } = this.#program;
    const log = openSync(this.logFile, 'a');
    this.#logFrom = fstatSync(log).size;
    const child = spawn('sh', ['-c', GUARDED, abortSignal.slice('SIG'.length), ...command], {
      cwd: this.#place.folder,
      env: serverEnvironment(this.#place.folder),
      // A session of its own: Ctrl-C at a terminal is for the starter, which then ends its servers in order.
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
      ...account,
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

  /** What the server wrote since its last start. */
  #log(): string {
    return readFileSync(this.logFile).subarray(this.#logFrom).toString();
  }
}

/** Nothing of the user's own settings for clients and servers reaches ours, and no folder that its account may not use. */
const serverEnvironment = (folder: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|MYSQL|MARIADB|LC_|LANG)/.test(name))),
  TMPDIR: folder,
});

const run = async (
  [command, ...args]: readonly [string, ...string[]],
  cwd: string,
  account: Account | undefined,
): Promise<void> => {
  const child = spawn(command, args, {
    cwd,
    env: serverEnvironment(cwd),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...account,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} failed with ${code}:\n${output.trim()}`);
};

const signal = (pid: number, how: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, how);
  } catch {
    return false;
  }
};

/** Whether a process runs: one that is dead and waits for its parent to take notice does not. */
export const isAlive = (pid: number): boolean => {
  if (!signal(pid, 0)) return false;
  try {
    return !/^\S+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
