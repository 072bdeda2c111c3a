/** A store with a backlog, as a broker leaves it that was killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type PlantedFault, plantingOptions } from '../planted-fault.ts';

export interface FillGroup {
  readonly name: string;
  /** Null: nobody is asked. */
  readonly checkUrl: string | null;
  /** Undecided ones, with the ids `name-0` …. */
  readonly transactions: number;
  /** When the first check of each is due. */
  readonly afterMs: number;
  readonly payloadBytes: number;
}

const FILL = resolve(import.meta.dirname, 'fill.ts');

/** Resolves when the process that filled the store was killed with SIGKILL. `fault`: what it had planted. */
export const fillAndKill = async (
  dataDir: string,
  groups: readonly FillGroup[],
  fault: PlantedFault | null = null,
): Promise<void> => {
  const args = [...plantingOptions(fault), FILL, dataDir, JSON.stringify(groups)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [said] = await Promise.race([once(child.stdout!, 'data'), ended]);
  child.kill('SIGKILL');
  await ended;
  if (String(said) !== 'filled\n') throw new Error(`the store could not be filled: ${said}`);
};

/** Of the WAL; 0: there is none. */
export const walBytes = (dataDir: string): number =>
  statSync(join(dataDir, 'escrowmq.db-wal'), { throwIfNoEntry: false })?.size ?? 0;

/** The most memory that the process ever had at once (Linux). */
export const peakRssBytes = (pid: number): number =>
  Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1_024;
