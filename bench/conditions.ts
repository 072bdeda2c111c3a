/** The machine, and the state it was in just before a measurement. */
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spreadOf } from './spread.ts';
import type { Spread } from './system.ts';

export interface Conditions {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Of the data folder. */
  readonly fileSystem: string;
  readonly node: string;
  /** Mean number of runnable processes over the last minute. */
  readonly loadAverage: number;
  /** Of one append of 8 KiB with fdatasync. */
  readonly fsyncMs: Spread;
}

const APPENDS = 300;
const APPEND_BYTES = 8_192;

/** The type of the file system that the folder lies in (Linux). */
const fileSystemOf = (folder: string): string => {
  const holds = (point: string): boolean => point === '/' || folder === point || folder.startsWith(`${point}/`);
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, point = '']) => holds(point))
    .sort(([, a = ''], [, b = '']) => a.length - b.length);
  return mounts.at(-1)?.[2] ?? 'unknown';
};

const fsyncTimes = (folder: string): Spread => {
  const file = path.join(folder, 'fsync-probe');
  const block = Buffer.alloc(APPEND_BYTES, 'x');
  const probe = openSync(file, 'w');
  const times = Float64Array.from({ length: APPENDS }, () => {
    const began = performance.now();
    writeSync(probe, block);
    fdatasyncSync(probe);
    return performance.now() - began;
  });
  closeSync(probe);
  rmSync(file);
  return spreadOf(times);
};

/** Flushes to a folder in memory cost nothing and keep nothing: figures from there would say nothing. */
export const refuseMemory = (folder: string): void => {
  const fileSystem = fileSystemOf(folder);
  if (fileSystem !== 'tmpfs' && fileSystem !== 'ramfs') return;
  throw new Error(`The temporary folder lies in memory (${fileSystem}): name one on a disk with TMPDIR.`);
};

/** Takes 300 flushes of the disk. */
export const conditionsIn = (folder: string): Conditions => ({
  cores: os.availableParallelism(),
  cpu: os.cpus()[0]?.model ?? 'unknown',
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  kernel: os.release(),
  fileSystem: fileSystemOf(folder),
  node: process.version,
  loadAverage: os.loadavg()[0]!,
  fsyncMs: fsyncTimes(folder),
});
