/** Loaded into every process of a run: it does not outlive the run, however that ends. The run holds its standard input. */
import type { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';

// Threads of the process load it too, and have another standard input.
if (isMainThread) {
  const held = process.stdin as unknown as Socket;
  held.on('error', () => {});
  held.on('close', () => process.kill(process.pid, 'SIGKILL'));
  held.resume();
  // Nothing to stay alive for.
  held.unref();
}
