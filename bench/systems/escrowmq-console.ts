/** A broker on a store with a past, and how long its pages and lists take. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { VERSION } from '../../broker/version.ts';
import { BrokerProcess } from '../../test/support/broker-process.ts';
import { readScrape } from '../../test/support/metrics.ts';
import { fillStore } from '../load/large-store.ts';
import { percentile } from '../spread.ts';
import type { Running, System } from '../system.ts';
import { folderBytes } from './escrowmq.ts';

/** One page or call, asked for several times, one at a time. Milliseconds at the caller, to the end of the answer. */
export interface Answers {
  readonly medianMs: number;
  readonly worstMs: number;
  /** The longest time that the broker's one thread was kept meanwhile, as Node measures it. */
  readonly loopMs: number;
  readonly bytes: number;
  /** Requests that one answer took: more than one where a search goes on. */
  readonly requests: number;
  /** From the first request to the end of the last; null where it is one. */
  readonly wholeMs: number | null;
}

/** What comes after an answer; null: nothing. */
export type Next = (text: string) => string | null;

export interface RunningConsole extends Running {
  readonly url: string;
  answers(path: string, times: number, next?: Next): Promise<Answers>;
}

const WARM_UP = 2;

const textOf = async (url: string): Promise<string> => {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} was answered ${response.status}: ${text.slice(0, 200)}`);
  return text;
};

/** Since the last time this was asked. */
const longestDelayMs = async (url: string): Promise<number> => {
  const scrape = readScrape(await textOf(`${url}/metrics`));
  return (scrape.values.get('nodejs_eventloop_lag_max_seconds') ?? Number.NaN) * 1000;
};

const median = (sorted: readonly number[]): number => percentile(sorted, 0.5);

const measure = async (url: string, first: string, times: number, next: Next): Promise<Answers> => {
  const [each, whole]: [number[], number[]] = [[], []];
  let [bytes, requests] = [0, 0];
  for (let round = 0; round < WARM_UP; round++) await textOf(url + first);
  await longestDelayMs(url);
  for (let round = 0; round < times; round++) {
    const began = performance.now();
    [bytes, requests] = [0, 0];
    for (let at: string | null = first; at !== null; ) {
      const asked = performance.now();
      const text: string = await textOf(url + at);
      each.push(performance.now() - asked);
      bytes += text.length;
      requests++;
      at = next(text);
    }
    whole.push(performance.now() - began);
  }
  const loopMs = await longestDelayMs(url);
  const sorted = each.toSorted((a, b) => a - b);
  return {
    medianMs: median(sorted),
    worstMs: sorted.at(-1)!,
    loopMs,
    bytes,
    requests,
    wholeMs: requests === 1 ? null : median(whole.toSorted((a, b) => a - b)),
  };
};

/** With so many transactions in the store. */
export const consoleOver = (transactions: number): System => ({
  name: `${transactions.toLocaleString('en-US')} transactions`,
  version: VERSION,
  durability: 'nothing is written meanwhile',
  unavailable: async () => null,
  start: async folder => {
    const dataDir = path.join(folder, 'data');
    await fillStore(dataDir, transactions);
    const broker = new BrokerProcess(dataDir, { args: ['--publisher', 'memory'] });
    await broker.start();
    const running: RunningConsole = {
      url: broker.url,
      answers: (first, times, next = () => null) => measure(broker.url, first, times, next),
      throughput: () => Promise.reject(new Error('nothing is sent to this broker')),
      diskBytes: async () => folderBytes(dataDir),
      stop: async () => {
        await broker.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
    return running;
  },
});
