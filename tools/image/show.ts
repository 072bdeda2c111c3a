/** A command whose output is for whoever watches. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Rejects where it does not end with 0. */
export const show = async (command: string, args: readonly string[]): Promise<void> => {
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
};
