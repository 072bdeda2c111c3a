/** A program of this folder in a process of its own, so that a fault can be planted into what it loads. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type PlantedFault, plantingOptions } from '../planted-fault.ts';

/** Resolves with what it wrote, one JSON value; rejects with its errors where it fails. */
export const runProgram = async <Result>(
  program: URL,
  args: readonly (string | number)[],
  fault: PlantedFault | null,
): Promise<Result> => {
  const command = [...plantingOptions(fault), fileURLToPath(program), ...args.map(String)];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const [written, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  if (code !== 0) throw new Error(`${program.pathname} ended with ${code}: ${errors}`);
  return JSON.parse(written) as Result;
};
