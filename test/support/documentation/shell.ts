/**
 * A reader's shell: runs the steps of a page in one folder, one after the other. A step fails with its first command that
 * fails, a command that does not exist, or a call that the broker refuses where the page does not show the refusal.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../broker-process.ts';
import { isAsSeen, onlyLooks, type Step } from './steps.ts';

const STEP_WITHIN_MS = 30_000;
const SEEN_WITHIN_MS = 15_000;
/** Between two looks, as a reader would. */
const LOOK_AGAIN_MS = 100;

/**
 * `escrowmq` is this checkout's, also behind npx, without npm's second of looking for it. curl fails where it is refused, unless the
 * page shows what comes back: then that is what counts, and a connection that breaks (52) may be shown, too.
 */
const PRELUDE = `
set -euo pipefail
escrowmq() { node "$CHECKOUT/broker/bin/escrowmq.js" "$@"; }
npx() {
  [ "$1" = escrowmq ] || { echo "npx $1: no command of this repository" >&2; return 127; }
  "$@"
}
curl() {
  [ -n "$is_shown" ] || { command curl --fail-with-body "$@"; return; }
  command curl "$@" || [ $? = 52 ]
}
command_not_found_handle() { echo "$1: command not found" >&2; kill -TERM $$; }
while read -r is_shown file <&4; do
  [ "$is_shown" = shown ] || is_shown=
  . "$file" >"$file.out" 2>&1 </dev/null 3>&- 4<&-
  echo done >&3
done
`;

/** A step went otherwise than the page says. */
export class StepError extends Error {
  override name = 'StepError';
}

export interface Place {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

export class Shell {
  readonly #folder: string;
  readonly #shell: ChildProcess;
  readonly #lines: Interface;
  readonly #env: Record<string, string | undefined>;
  /** What runs in terminals of its own. */
  readonly #terminals: ChildProcess[] = [];
  #steps = 0;

  constructor({ folder, env }: Place) {
    this.#folder = folder;
    this.#env = { ...process.env, ...env };
    this.#shell = spawn('bash', ['--noprofile', '--norc', '-c', PRELUDE], {
      cwd: folder,
      env: this.#env,
      // A group of its own, so that what it started in the background ends with it.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
    });
    this.#lines = createInterface({ input: this.#shell.stdio[3] as Readable });
    process.once('exit', this.#killAll);
  }

  /** Groups of their own do not end with the test by themselves. */
  readonly #killAll = (): void => {
    for (const { pid } of [this.#shell, ...this.#terminals]) {
      try {
        process.kill(-pid!, 'SIGKILL');
      } catch {
        // Nothing of it is left.
      }
    }
  };

  #file(commands: string): string {
    const file = join(this.#folder, `.step-${++this.#steps}`);
    writeFileSync(file, commands);
    return file;
  }

  /** Resolves with what was written; rejects where a command failed, or did not come to its end. */
  async #perform({ commands, seen }: Step): Promise<string> {
    const file = this.#file(commands);
    const done = once(this.#lines, 'line', { signal: AbortSignal.timeout(STEP_WITHIN_MS) });
    const ended = once(this.#shell, 'exit').then(([code, signal]) => {
      throw new StepError(`It ended with ${code ?? signal}: ${readFileSync(`${file}.out`, 'utf8')}`);
    });
    (this.#shell.stdio[4] as Writable).write(`${seen === null ? '-' : 'shown'} ${file}\n`);
    await Promise.race([done, ended]).catch(error => {
      if (error instanceof StepError) throw error;
      throw new StepError(`It did not end within ${STEP_WITHIN_MS} ms: ${readFileSync(`${file}.out`, 'utf8')}`);
    });
    return readFileSync(`${file}.out`, 'utf8');
  }

  /** Does a step, and looks whether it shows what the page shows. Rejects with a StepError. */
  async run(step: Step): Promise<void> {
    const deadline = Date.now() + SEEN_WITHIN_MS;
    for (;;) {
      const written = await this.#perform(step);
      if (isAsSeen(step, written)) return;
      if (!onlyLooks(step) || Date.now() > deadline) {
        throw new StepError(`The page shows\n${step.seen!.text}and what comes is\n${written}`);
      }
      await delay(LOOK_AGAIN_MS);
    }
  }

  /** A step that goes on until Ctrl-C, in a terminal of its own: resolves when it has written what `ready` fits. */
  async open({ commands }: Step, ready: RegExp): Promise<void> {
    const file = this.#file(`${PRELUDE.split('while read')[0]}is_shown=\n${commands}`);
    const out = openSync(`${file}.out`, 'w');
    const terminal = spawn('bash', ['--noprofile', '--norc', file], {
      cwd: this.#folder,
      env: this.#env,
      detached: true,
      stdio: ['ignore', out, out],
    });
    closeSync(out);
    this.#terminals.push(terminal);
    const written = (): string => readFileSync(`${file}.out`, 'utf8');
    await eventually('what it is waited for', async () => {
      if (ready.test(written())) return true;
      if (terminal.exitCode !== null) throw new StepError(`It ended with ${terminal.exitCode}: ${written()}`);
      return false;
    });
  }

  /** Ends everything that the page began. */
  async close(): Promise<void> {
    const running = [this.#shell, ...this.#terminals].filter(one => one.exitCode === null && one.signalCode === null);
    const ended = running.map(one => once(one, 'exit'));
    this.#killAll();
    process.off('exit', this.#killAll);
    await Promise.all(ended);
  }
}
