/**
 * Buildah builds where nothing runs containers, and can run a command in one. It does not start the image as an engine
 * would, so that the entry point and the port are read from the image here; the network is that of the machine.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { attempt, run } from '../packages/command.ts';
import type { Container, Engine } from './engine.ts';
import { show } from './show.ts';

const MEGABYTE = 1_000_000;

interface Image {
  readonly Docker: {
    readonly config: { Entrypoint: string[]; Cmd: string[]; Healthcheck: { Test: string[] } };
  };
}

export const findBuildah = async (): Promise<Engine | null> =>
  (await attempt('buildah', ['--version'], '.')).hasSucceeded ? buildah : null;

const inspect = async (tag: string): Promise<Image['Docker']['config']> =>
  (JSON.parse(await run('buildah', ['inspect', '--type', 'image', tag], '.')) as Image).Docker.config;

const buildah: Engine = {
  name: 'buildah',
  // A base image that is here is taken as it is; the health check is not part of OCI's own format.
  build: (tag, folder) => show('buildah', ['bud', '--pull=false', '--format', 'docker', '--tag', tag, folder]),
  size: async tag => {
    const [image] = JSON.parse(await run('buildah', ['images', '--json', tag], '.')) as { size: string }[];
    const [, amount, unit] = /^([\d.]+) ?([KMG]?B)$/.exec(image!.size)!;
    return Math.round((Number(amount) * { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 }[unit!]!) / MEGABYTE);
  },
  healthCheck: async tag => (await inspect(tag)).Healthcheck.Test.slice(1),
  start: async (tag, environment) => {
    const { Entrypoint, Cmd } = await inspect(tag);
    const port = await freePort();
    const variables = Object.entries({ ...environment, ESCROWMQ_PORT: String(port) });
    const settings = variables.flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    const name = (await run('buildah', ['from', '--pull=false', tag], '.')).trim();
    const inside = (command: readonly string[]): string[] => ['run', ...settings, name, '--', ...command];
    const child = spawn('buildah', inside([...Entrypoint, ...Cmd]), { stdio: ['ignore', 'pipe', 'inherit'] });
    return {
      child,
      url: `http://127.0.0.1:${port}`,
      user: async () => userOf(await innermost(child.pid!)),
      execute: command => run('buildah', inside(command), '.'),
      signal: async signal => void process.kill(await innermost(child.pid!), signal),
      remove: async () => void (await attempt('buildah', ['rm', name], '.')),
    } satisfies Container;
  },
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
};

const statusOf = (pid: number, field: string): string =>
  new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;

const userOf = (pid: number): number => Number(statusOf(pid, 'Uid'));

const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );

/** The last of the processes that start each other: the one that the image is about. */
const innermost = async (pid: number): Promise<number> => {
  const [child] = childrenOf(pid);
  return child === undefined ? pid : innermost(child);
};
