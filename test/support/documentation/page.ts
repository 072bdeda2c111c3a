/** A page of the documentation: its blocks, what of them is run how, and the folder that its reader works in. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { type Block, blocksOf } from '../markdown.ts';
import type { Scope } from '../store.ts';
import { Shell, StepError } from './shell.ts';
import { isShell, type Step, stepsOf } from './steps.ts';

/** Ports as the pages print them. A page's own are replaced by free ones wherever they are written, so that nothing collides. */
const PRINTED_PORTS = [7400, 7401, 8081, 8082, 8083, 8084];
const PRINTED_KAFKA = '127.0.0.1:9092';

/** Names a block by its page and how its text begins. */
export interface Mention {
  readonly page: string;
  readonly begins: string;
}

export interface Exception extends Mention {
  /** Why it is not run. */
  readonly why: string;
}

export interface Terminal extends Mention {
  /** What is written when the reader can go on. */
  readonly ready: RegExp;
}

/** Every broker in a terminal of its own is ready when it says so. */
const BROKER_READY = /"event":"listening"/;
const STARTS_BROKER = /^(?:npx )?escrowmq serve\b.*(?<!&)$/;

export const names = ({ page, begins }: Mention, of: string, { text }: Block): boolean =>
  page === of && text.startsWith(begins);

const isFile = /`([\w-]+\.(?:m?js|m?ts|py|json|ya?ml|sql))`:?$/;

/** The name under which a page tells its reader to save a block: at the end of the line above it. */
export const fileOf = ({ above }: Block): string | undefined => isFile.exec(above)?.[1];

export const readPage = (page: string): Block[] => blocksOf(readFileSync(page, 'utf8'));

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** A fresh clone, as far as a reader can tell, in which files may be left behind. */
const cloneOf = (scope: Scope): string => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-reader-'));
  scope.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' });
  const tops = new Set(
    tracked
      .trim()
      .split('\n')
      .map(file => file.split('/')[0]!),
  );
  for (const top of [...tops, 'node_modules']) symlinkSync(resolve(top), join(folder, top));
  return folder;
};

export interface Page {
  readonly name: string;
  readonly blocks: readonly Block[];
  /** The blocks that are not run. */
  readonly exceptions: readonly Exception[];
  readonly terminals: readonly Terminal[];
  /** Where a Kafka is, host:port; null: what needs one fails. */
  readonly kafka: string | null;
}

/** Does everything that the page says, in its order, and resolves with the number of steps. Rejects with a StepError that names page and line. */
export const followPage = async (
  scope: Scope,
  { name, blocks, exceptions, terminals, kafka }: Page,
): Promise<number> => {
  const shells = new Set(blocks.filter(block => isShell(block) && !exceptions.some(one => names(one, name, block))));
  if (shells.size === 0) return 0;
  const ports = new Map<number, number>();
  for (const printed of PRINTED_PORTS) ports.set(printed, await freePort());
  const real = (text: string): string =>
    text
      .replaceAll(PRINTED_KAFKA, kafka ?? PRINTED_KAFKA)
      .replaceAll(/\b(?:740\d|808\d)\b/g, port => String(ports.get(Number(port)) ?? port));
  const folder = cloneOf(scope);
  const env = {
    CHECKOUT: resolve('.'),
    PATH: [resolve('node_modules/.bin'), process.env.PATH].join(delimiter),
    ESCROWMQ_PORT: String(ports.get(7400)),
    ESCROWMQ_URL: `http://127.0.0.1:${ports.get(7400)}`,
  };
  const shell = new Shell({ folder, env });
  scope.teardown(() => shell.close());
  const ready = (block: Block): RegExp | undefined =>
    terminals.find(one => names(one, name, block))?.ready ??
    (STARTS_BROKER.test(block.text.trim().split('\n').at(-1)!) ? BROKER_READY : undefined);
  const all = [...shells].map(({ text }) => text).join('');
  const startsBroker = [...shells].some(block => ready(block) === BROKER_READY) || /escrowmq serve/.test(all);
  if (!startsBroker && /7400|\bescrowmq [a-z]/.test(all)) {
    const commands = 'npx escrowmq serve --publisher memory\n';
    await shell.open({ line: 0, commands, seen: null }, BROKER_READY);
  }
  let steps = 0;
  for (const block of blocks) {
    const file = fileOf(block);
    if (file !== undefined) writeFileSync(join(folder, file), real(block.text));
    for (const step of stepsOf(blocks, new Set(shells.has(block) ? [block] : []))) {
      const actual: Step = {
        ...step,
        commands: real(step.commands),
        seen: step.seen && { ...step.seen, text: real(step.seen.text) },
      };
      const until = ready(block);
      steps++;
      try {
        await (until === undefined ? shell.run(actual) : shell.open(actual, until));
      } catch (error) {
        throw new StepError(`${name}:${block.line}: ${step.commands.trim()}\n${(error as Error).message}`);
      }
    }
  }
  return steps;
};
