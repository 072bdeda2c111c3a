/** A temporary folder that does not outlive the process that made it, however that one ends. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Waits for the other end of the pipe to go away; then gives those who still write a moment to be killed. */
const GUARD = 'read -r word <&3 || { sleep 2; rm -rf "$1"; }';

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

export const temporaryFolder = (prefix = 'escrowmq-kafka-'): TemporaryFolder => {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'ignore', 'ignore', 'pipe'];
  const guard = spawn('sh', ['-c', GUARD, 'sh', folder], { cwd: '/', detached: true, stdio });
  const pipe = guard.stdio[3] as Socket;
  // Without a shell there is no guard, and the folder is removed at the orderly end only.
  guard.on('error', () => {});
  pipe.on('error', () => {});
  pipe.resume();
  const remove = () => {
    pipe.end('removed\n');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  return { path: folder, remove };
};
