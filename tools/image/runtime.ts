/** Docker and podman, which have the same words. */
import { spawn } from 'node:child_process';
import { attempt, run } from '../packages/command.ts';
import type { Engine } from './engine.ts';
import { show } from './show.ts';

/** The port of the image. */
const PORT = 7400;
const MEGABYTE = 1_000_000;

/** Null where the program is missing or does not answer. */
export const findRuntime = async (program: 'docker' | 'podman'): Promise<Engine | null> => {
  const { hasSucceeded } = await attempt(program, ['info'], '.');
  return hasSucceeded ? runtime(program) : null;
};

const runtime = (program: string): Engine => {
  const ask = (...args: string[]): Promise<string> => run(program, args, '.');
  const inspect = (what: string, format: string): Promise<string> => ask('inspect', '--format', format, what);
  return {
    name: program,
    build: (tag, folder) => show(program, ['build', '--tag', tag, folder]),
    size: async tag => Math.round(Number(await inspect(tag, '{{.Size}}')) / MEGABYTE),
    healthCheck: async tag => {
      const [, ...command] = JSON.parse(await inspect(tag, '{{json .Config.Healthcheck.Test}}')) as string[];
      return command;
    },
    start: async (tag, environment) => {
      const name = `escrowmq-image-${process.pid}`;
      const variables = Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      // As little as it needs: nothing can be written but its data and an empty /tmp.
      const bounds = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
      const args = ['run', '--name', name, ...bounds, '--publish', `127.0.0.1:0:${PORT}`, ...variables, tag];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const published = async (): Promise<string> => {
        for (;;) {
          const { hasSucceeded, said } = await attempt(program, ['port', name, `${PORT}/tcp`], '.');
          const [, address] = /^(127\.0\.0\.1:\d+)$/m.exec(said) ?? [];
          if (hasSucceeded && address !== undefined) return address;
          if (child.exitCode !== null) throw new Error(`${program} ${args.join(' ')} ended with ${child.exitCode}`);
          await new Promise(resolve => setTimeout(resolve, 100));
        }
      };
      return {
        child,
        url: `http://${await published()}`,
        user: async () => Number(/^Uid:\s+(\d+)/m.exec(await ask('exec', name, 'cat', '/proc/1/status'))![1]),
        execute: command => ask('exec', name, ...command),
        signal: async signal => void (await ask('kill', '--signal', signal, name)),
        remove: async () => void (await attempt(program, ['rm', '--force', '--volumes', name], '.')),
      };
    },
  };
};
