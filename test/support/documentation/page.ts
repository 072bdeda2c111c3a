/** A page of the documentation: its blocks, what of them is run how, and the folder that its reader works in. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { type Block, blocksOf } from '../markdown.ts';
import type { Scope } from '../store.ts';
import { Shell, StepError } from './shell.ts';
import { isShell, stepsOf } from './steps.ts';

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

const FILE_NAME = /`([\w-]+\.(?:m?js|m?ts|py|json|ya?ml|sql))`:?$/;

/** The name under which a page tells its reader to save a block: at the end of the line above it. */
export const fileOf = ({ above }: Block): string | undefined => FILE_NAME.exec(above)?.[1];

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

interface Desk {
  readonly shell: Shell;
  readonly folder: string;
  /** What a page prints, with the ports and the Kafka that are there in fact. */
  readonly real: (text: string) => string;
}

/** A shell in a clone, where a broker that nobody tells otherwise takes the port in the place of 7400. */
const openDesk = async (scope: Scope, kafka: string | null): Promise<Desk> => {
  const ports = new Map<string, string>();
  for (const printed of PRINTED_PORTS) ports.set(String(printed), String(await freePort()));
  const printed = new RegExp(`\\b(?:${PRINTED_PORTS.join('|')})\\b`, 'g');
  const folder = cloneOf(scope);
  const env = {
    CHECKOUT: resolve('.'),
    PATH: [resolve('node_modules/.bin'), process.env.PATH].join(delimiter),
    ESCROWMQ_PORT: ports.get('7400')!,
    ESCROWMQ_URL: `http://127.0.0.1:${ports.get('7400')}`,
  };
  const shell = new Shell({ folder, env });
  scope.teardown(() => shell.close());
  const real = (text: string): string =>
    text.replaceAll(PRINTED_KAFKA, kafka ?? PRINTED_KAFKA).replaceAll(printed, port => ports.get(port)!);
  return { shell, folder, real };
};

/**
 * Does everything that the page says, in its order, and resolves with the number of steps. A page that wants a broker and
 * starts none gets one. Rejects with a StepError that names page and line.
 */
export const followPage = async (scope: Scope, page: Page): Promise<number> => {
  const { name, blocks, exceptions, terminals, kafka } = page;
  const isRun = (block: Block): boolean => isShell(block) && !exceptions.some(one => names(one, name, block));
  const ready = (block: Block): RegExp | undefined =>
    terminals.find(one => names(one, name, block))?.ready ??
    (STARTS_BROKER.test(block.text.trim().split('\n').at(-1)!) ? BROKER_READY : undefined);
  const all = blocks
    .filter(isRun)
    .map(({ text }) => text)
    .join('');
  if (all === '') return 0;
  const { shell, folder, real } = await openDesk(scope, kafka);
  if (!/escrowmq serve/.test(all) && /7400|\bescrowmq [a-z]/.test(all)) {
    await shell.open({ line: 0, commands: 'escrowmq serve --publisher memory\n', seen: null }, BROKER_READY);
  }
  let steps = 0;
  for (const [index, block] of blocks.entries()) {
    const file = fileOf(block);
    if (file !== undefined) writeFileSync(join(folder, file), real(block.text));
    for (const { line, commands, seen } of isRun(block) ? stepsOf(block, blocks[index + 1]) : []) {
      const step = { line, commands: real(commands), seen: seen && { ...seen, text: real(seen.text) } };
      const until = ready(block);
      steps++;
      try {
        await (until === undefined ? shell.run(step) : shell.open(step, until));
      } catch (error) {
        throw new StepError(`${name}:${line}: ${commands.trim()}\n${(error as Error).message}`);
      }
    }
  }
  return steps;
};
