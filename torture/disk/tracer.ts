/** strace on a process that runs: at a chosen call into the system it kills it, or makes the call fail. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Injection {
  readonly call: 'fsync' | 'pwrite64';
  /** Only calls on this file count. Absolute, no links in it. */
  readonly file: string;
  /** The first call of a thread is 1. `3+`: the third and all after it. */
  readonly when: string;
  readonly what: 'signal=SIGKILL' | 'error=EIO';
}

export class Tracer {
  readonly #child: ChildProcess;
  readonly #report: string;

  private constructor(child: ChildProcess, report: string) {
    this.#child = child;
    this.#report = report;
  }

  /** Resolves when all threads of the process are traced. `report`: a file for what is seen. */
  static async attach(pid: number, { call, file, when, what }: Injection, report: string): Promise<Tracer> {
    const inject = `inject=${call}:${what}:when=${when}`;
    const args = ['-f', '-ttt', '-p', String(pid), '-P', file, '-e', `trace=${call}`, '-e', inject, '-o', report];
    const child = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const lines = createInterface({ input: child.stderr! });
    const attached = new Promise<void>((settle, fail) => {
      let said = '';
      lines.on('line', line => {
        said += `${line}\n`;
        if (/ attached( with \d+ threads)?$/.test(line)) settle();
      });
      child.on('error', fail);
      child.on('exit', code => fail(new Error(`strace ended with ${code}: ${said}`)));
    });
    await attached;
    return new Tracer(child, report);
  }

  /** Leaves the process alone; nothing where it is gone. */
  async detach(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  /** Whether a call was made to fail. */
  isReached(): boolean {
    return readFileSync(this.#report, 'utf8').includes('(INJECTED)');
  }

  /** From the first call that was made to fail to the end of the process, milliseconds; null: not both came. */
  survivedMs(): number | null {
    const lines = readFileSync(this.#report, 'utf8').split('\n');
    const at = (mark: RegExp): number => Number(lines.find(line => mark.test(line))?.split(/ +/)[1]);
    const tookMs = (at(/\+\+\+ (exited|killed)/) - at(/\(INJECTED\)/)) * 1_000;
    return Number.isNaN(tookMs) ? null : Math.round(tookMs);
  }
}
