/** The program of the operators: as a process of its own, or in this one with a terminal that the test holds. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Test } from 'tap';
import { runProgram } from '../../broker/cli/program.ts';
import type { Terminal } from '../../broker/cli/terminal.ts';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import { COMMANDS } from '../../tools/command-reference/commands.ts';
import { eventually } from './broker-process.ts';
import {
  halfMessage,
  openCoordinator,
  prepareCommand,
  producerGroup,
  resolveCommand,
  temporaryFolder,
} from './store.ts';

const LAUNCHER = resolve('broker/bin/escrowmq.js');
const ENDS_WITHIN_MS = 60_000;

export interface Ended {
  status: number | string | null;
  stdout: string;
  stderr: string;
}

/** The real program, without a terminal; its environment is what is given and PATH. */
export const escrowmq = (args: string[], env: Record<string, string> = {}): Promise<Ended> =>
  new Promise(settle => {
    const options = { timeout: ENDS_WITHIN_MS, maxBuffer: 64 * 1024 * 1024, env: { PATH: process.env.PATH, ...env } };
    execFile(process.execPath, [LAUNCHER, ...args], options, (error, stdout, stderr) =>
      settle({ status: error === null ? 0 : (error.code ?? null), stdout, stderr }),
    );
  });

/** A process that goes on until it is told to stop. */
export class RunningProgram {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;

  constructor(t: Test, args: string[], env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, [LAUNCHER, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, ...env },
    });
    t.teardown(() => this.#child.kill('SIGKILL'));
    this.#child.stdout!.on('data', chunk => {
      this.stdout += chunk;
    });
    this.#child.stderr!.on('data', chunk => {
      this.stderr += chunk;
    });
  }

  /** Resolves with what matched on standard output. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return eventually(`${pattern} in ${JSON.stringify(this.stdout.slice(-500))}`, async () =>
      pattern.exec(this.stdout),
    );
  }

  /** Ctrl-C, or as it ends by itself. Resolves with the exit code when everything was read. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    const closed = this.#child.exitCode === null ? once(this.#child, 'close') : null;
    if (signal !== undefined) this.#child.kill(signal);
    await closed;
    return this.#child.exitCode;
  }
}

export interface Given {
  /** By flag. */
  env?: Record<string, string>;
  columns?: number;
  hasColours?: boolean;
  /** What a person types. Left out: nobody can be asked. */
  answer?: string;
  interrupted?: AbortSignal;
  onProgress?: (line: string) => void;
}

/** The same without a process of its own. Questions are on standard error, as everything that is said besides. */
export const inside = async (args: string[], given: Given = {}): Promise<Ended> => {
  const said = { stdout: '', stderr: '' };
  const { answer } = given;
  const terminal: Terminal = {
    environment: flag => given.env?.[flag] ?? null,
    write: text => {
      said.stdout += text;
    },
    remark: sentence => {
      said.stderr += `escrowmq: ${sentence}\n`;
    },
    progress: line => {
      if (line !== null) given.onProgress?.(line);
    },
    columns: given.columns ?? null,
    hasColours: given.hasColours ?? false,
    ask:
      answer === undefined
        ? null
        : async question => {
            said.stderr += `${question}\n`;
            return answer;
          },
    interrupted: given.interrupted ?? new AbortController().signal,
  };
  const status = await runProgram(COMMANDS, args, terminal);
  return { status, ...said };
};

/** A data folder with committed transactions of group `g` whose only messages, to `topic`, are parked. */
export const folderWithParked = async (
  t: Test,
  parked: readonly { id: string; topic: string; error: string; key?: string }[],
): Promise<string> => {
  const dataDir = temporaryFolder(t);
  const store = openSqliteStore({ dataDir });
  const coordinator = await openCoordinator(store);
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  for (const { id, topic, error, key = 'k' } of parked) {
    await coordinator.submit([prepareCommand(id, 'g', [halfMessage({ topic, key: Buffer.from(key) })])]);
    await coordinator.submit([resolveCommand(id, 'commit')]);
    await coordinator.submit([{ type: 'park', transactionId: id, index: 0, error }]);
  }
  await coordinator.drain();
  await store.close();
  return dataDir;
};
