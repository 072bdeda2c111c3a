/** Behind a firewall: everything between the broker and Kafka is dropped, or rejected, while the load goes on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { kafkaJars } from '../../tools/kafka/jars.ts';
import { lackOf } from '../disk/system-programs.ts';
import type { Wall } from '../network/walled-network.ts';
import type { ProofOptions } from '../proof.ts';
import type { Passed } from './p07-passed.ts';

export interface WalledOrder {
  readonly load: { readonly producers: number; readonly messages: number; readonly pauseMs: number };
  /** Acknowledgements, or messages forwarded, that show that it goes on. */
  readonly some: number;
  /** One after another, and for how long. */
  readonly walls: readonly (readonly [wall: Wall, ms: number])[];
  readonly folder: string;
}

/** What the trial tells. */
export type WalledWord = { readonly say: string } | { readonly passed: Passed };

type Shape = Omit<WalledOrder, 'folder'>;

const SIZES: Record<ProofOptions['size'], Shape> = {
  short: {
    load: { producers: 3, messages: 4, pauseMs: 20 },
    some: 30,
    walls: [
      ['drop', 1_000],
      ['reject', 500],
    ],
  },
  full: {
    load: { producers: 6, messages: 10, pauseMs: 20 },
    some: 200,
    walls: [
      ['drop', 5_000],
      // Longer than every time-out of the broker and of the client library.
      ['drop', 60_000],
      ['reject', 10_000],
      ['drop', 15_000],
      ['reject', 1_000],
    ],
  },
};
const TRIAL = resolve(import.meta.dirname, '../network/walled-trial.ts');

/** A sentence where this machine lacks something for it. */
export const lacksWall = (): string | null => lackOf('unshare', 'nsenter', 'ip', 'iptables');

export const walled = async ({ size, folder, say }: ProofOptions): Promise<Passed> => {
  mkdirSync(folder, { recursive: true });
  // In its network nothing can be downloaded.
  await kafkaJars(say);
  const order: WalledOrder = { ...SIZES[size], folder };
  const trial = spawn('unshare', ['--net', process.execPath, ...process.execArgv, TRIAL, JSON.stringify(order)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let passed: Passed | null = null;
  trial.on('message', (word: WalledWord) => {
    if ('say' in word) say(word.say);
    else passed = word.passed;
  });
  const [code] = await once(trial, 'exit');
  if (passed === null) throw new Error(`the trial behind a wall ended with ${code}`);
  return passed;
};
