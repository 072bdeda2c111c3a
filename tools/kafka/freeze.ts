/** SIGSTOP that has taken effect. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Stops a process of ours, and returns when it is stopped, or dead: on a busy machine threads run on for some
 * milliseconds after the signal, and a broker still answers. Blocks meanwhile (2 s at most, mostly nothing).
 */
export const freeze = (pid: number): void => {
  process.kill(pid, 'SIGSTOP');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 1000 && !isStopped(pid); tries++) Atomics.wait(clock, 0, 0, 2);
};

/** Whether every thread is stopped (T) or dead (Z, X), as Linux tells it; elsewhere it is taken for granted. */
const isStopped = (pid: number): boolean => {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every(task => {
    try {
      const afterName = readFileSync(path.join(tasks, task, 'stat'), 'utf8')
        .split(') ')
        .at(-1);
      return /^[TZX]/.test(afterName ?? '');
    } catch {
      // This thread has ended since it was listed.
      return true;
    }
  });
};
