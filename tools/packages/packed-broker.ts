/** The broker of an installed package, started from its built files. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface PackedBroker {
  readonly url: string;
  stop(): Promise<void>;
}

/** Without a Kafka, on a free port; `project` is where it is installed. Rejects with what it wrote if it ends before it listens. */
export const startPackedBroker = async (project: string): Promise<PackedBroker> => {
  const program = join(project, 'node_modules/.bin/escrowmq');
  const args = [
    program,
    'serve',
    '--publisher',
    'memory',
    '--port',
    '0',
    '--data-dir',
    mkdtempSync(join(project, 'data-')),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const said: string[] = [];
  child.stderr.on('data', chunk => said.push(String(chunk)));
  const address = async (): Promise<string> => {
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(`${line}\n`);
      const { event, address } = JSON.parse(line) as { event?: string; address?: string };
      if (event === 'listening') return address!;
    }
    throw new Error(`The packed broker did not start:\n${said.join('')}`);
  };
  const url = await address();
  // Nobody reads its log any more; a full pipe would hold it up.
  child.stdout.resume();
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  return { url, stop };
};
