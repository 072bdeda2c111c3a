/** Disks of our own, to be filled or to lose power: files that are mounted, or memory. They do not outlive the process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, truncateSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from './system-programs.ts';

export type FileSystem = 'ext4' | 'xfs' | 'tmpfs';

/** Sparse: only what is written takes room. No smaller one is made by mkfs.xfs. */
const IMAGE_BYTES = 512 * 1024 * 1024;
const MAKE = { ext4: ['-q', '-F'], xfs: ['-q', '-f'] } as const;
/** ext4 flushes by itself once in so many seconds; nothing may be saved by chance. xfs does in 30. */
const OPTIONS = { ext4: ['loop', 'commit=300'], xfs: ['loop'] } as const;

/** `FS_IOC_SHUTDOWN` with `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: the disk is away at once, with all that was not flushed. */
const CUT_POWER = `
  open(my $folder, '<', $ARGV[0]) or die "open: $!";
  my $how = pack('L', 2);
  defined(ioctl($folder, 0x8004587d, $how)) or die "ioctl: $!";
`;

/** Waits for the other end of the pipe to go away; then ends who still has files on the disk, and unmounts it. */
const GUARD = `
  read -r word <&3 && exit
  for process in /proc/[0-9]*; do
    if ls -l $process/fd 2>/dev/null | grep -q " $1/"; then kill -KILL "\${process#/proc/}"; fi
  done
  umount -l "$1"
`;

const UNMOUNT_TRIES = 50;
const UNMOUNT_PAUSE_MS = 100;

export class MountedDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #mount: readonly string[];
  #guard: ChildProcess | null = null;

  private constructor(path: string, mount: readonly string[]) {
    this.path = path;
    this.#mount = mount;
    this.#attach();
  }

  /** In the folder, which must exist. `bytes`: only of one in memory. Throws where it cannot be had. */
  static make(kind: FileSystem, folder: string, bytes = IMAGE_BYTES): MountedDisk {
    const path = join(folder, `${kind}-disk`);
    mkdirSync(path);
    if (kind === 'tmpfs') return new MountedDisk(path, ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs']);
    const image = join(folder, `${kind}.img`);
    closeSync(openSync(image, 'w'));
    truncateSync(image, IMAGE_BYTES);
    runProgram(`mkfs.${kind}`, [...MAKE[kind], image]);
    return new MountedDisk(path, ['-t', kind, '-o', OPTIONS[kind].join(','), image]);
  }

  /** What was not flushed is lost, and every later write and flush fails, until the disk is mounted anew. */
  cutPower(): void {
    runProgram('perl', ['-e', CUT_POWER, this.path]);
  }

  /** Unmounted and mounted: the file system replays its journal. Nobody may use it. */
  async remount(): Promise<void> {
    await this.#detach();
    this.#attach();
  }

  /** Of one in memory. */
  resize(bytes: number): void {
    runProgram('mount', ['-o', `remount,size=${bytes}`, this.path]);
  }

  async remove(): Promise<void> {
    await this.#detach();
  }

  #attach(): void {
    runProgram('mount', [...this.#mount, this.path]);
    const stdio: ('ignore' | 'pipe')[] = ['ignore', 'ignore', 'ignore', 'pipe'];
    this.#guard = spawn('sh', ['-c', GUARD, 'sh', this.path], { cwd: '/', detached: true, stdio });
    (this.#guard.stdio[3] as Socket).on('error', () => {}).resume();
  }

  async #detach(): Promise<void> {
    if (this.#guard === null) return;
    // What a process that was killed had open is closed a moment after it is gone.
    for (let tries = 1; ; tries++) {
      try {
        runProgram('umount', [this.path]);
        break;
      } catch (error) {
        if (tries === UNMOUNT_TRIES) throw error;
        await delay(UNMOUNT_PAUSE_MS);
      }
    }
    (this.#guard.stdio[3] as Socket).end('unmounted\n');
    this.#guard = null;
  }
}
