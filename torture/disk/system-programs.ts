/** What of the system the proofs about disks and networks need, and whether this machine lets them have it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** Whether it can be started here. */
export const hasProgram = (name: string): boolean =>
  FOLDERS.some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Runs it to its end. Throws with what it wrote where that is not 0. */
export const runProgram = (name: string, args: readonly string[]): string => {
  const env = { ...process.env, PATH: FOLDERS.join(delimiter) };
  const { status, stdout, stderr, error } = spawnSync(name, args, { encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${status}: ${error?.message ?? stderr}`);
  return stdout;
};

const succeeds = (name: string, args: readonly string[]): boolean => {
  try {
    runProgram(name, args);
    return true;
  } catch {
    return false;
  }
};

let mounts: boolean | undefined;
/** Root in a container is often not allowed to. */
const mayMount = (): boolean => {
  if (mounts !== undefined) return mounts;
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-mount-'));
  mounts = succeeds('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (mounts) runProgram('umount', [folder]);
  rmdirSync(folder);
  return mounts;
};

let traces: boolean | undefined;
const mayTrace = (): boolean => {
  traces ??= succeeds('strace', ['-qq', '-f', '-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO', 'true']);
  return traces;
};

let walls: boolean | undefined;
const mayWall = (): boolean => {
  walls ??= succeeds('unshare', ['--net', 'iptables', '-S']);
  return walls;
};

/** A sentence where one of these programs, or the right to what it does, is not here; null: all is. */
export const lackOf = (...needed: readonly string[]): string | null => {
  if (process.platform !== 'linux') return 'It needs Linux.';
  const absent = needed.filter(name => !hasProgram(name));
  if (absent.length > 0) return `It needs ${absent.join(', ')}.`;
  if (needed.includes('mount') && process.getuid!() !== 0) return 'It needs root, to mount a disk of its own.';
  if (needed.includes('mount') && !mayMount()) return 'It needs the right to mount a disk of its own.';
  if (needed.includes('strace') && !mayTrace()) return 'It needs the right to trace a process (strace).';
  if (needed.includes('iptables') && !mayWall()) return 'It needs the right to make networks of its own (root).';
  return null;
};
