/** P16: however much is undecided, and however large the WAL, a killed broker is soon back. */
import { join } from 'node:path';
import { BrokerProcess, eventually } from '../../test/support/broker-process.ts';
import { CheckHandler } from '../../test/support/check-handler.ts';
import { gauges } from '../../test/support/transactions.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';
import { fillAndKill, peakRssBytes, walBytes } from '../restart/filling.ts';
import { CHECKPOINTS_OFF } from '../soak/checkpoints-off.ts';

/** Undecided transactions of the two stores that are compared, and how many of the larger one's are due at its start. */
const SIZES = {
  short: { small: 1_000, large: 60_000, due: 5_000, withoutCheckpoints: 0 },
  full: { small: 1_000, large: 1_000_000, due: 100_000, withoutCheckpoints: 400_000 },
} as const;
const PAYLOAD_BYTES = 512;
const DAY_MS = 86_400_000;
const DUE_MS = 100;
/** A store so much larger may cost so much more until it is ready: its WAL is read, its backlog is not. */
const MOST_TIMES = 3;
const MOST_MORE_MS = 1_000;
const MOST_MORE_BYTES = 96 * 2 ** 20;
/** While it asks about what is due. */
const MOST_BYTES = 640 * 2 ** 20;
const READY_MS = 2_000;
const FIRST_ASKED_MS = 100;
const ASKED_WITHIN_MS = 60_000;
const FULL_WAL_BYTES = 300 * 2 ** 20;

const LOAD_ALL: PlantedFault = {
  name: 'load-all-pending',
  what: 'all undecided transactions are loaded into memory at the start',
  file: 'broker/store/sqlite-store.ts',
  from: 'this.#checkpointer = new Checkpointer(this.#db, folder.databaseFile);',
  to: `this.#checkpointer = new Checkpointer(this.#db, folder.databaseFile);
    globalThis.pending = this.#db.prepare('SELECT * FROM transactions JOIN messages ON position / 100 = sequence JOIN contents USING (position) WHERE transactions.state = 0').all();`,
};

interface Start {
  /** From the start of the process to the first 200 of /readyz. */
  readonly readyMs: number;
  readonly peakBytes: number;
  readonly walBytes: number;
}

const startOn = async (broker: BrokerProcess): Promise<Start> => {
  const wal = walBytes(broker.dataDir);
  const began = performance.now();
  await broker.start();
  await eventually('readiness', async () => (await broker.get('/readyz')).status === 200);
  return { readyMs: performance.now() - began, peakBytes: peakRssBytes(broker.pid), walBytes: wal };
};

/** What the larger store cost more than the smaller one. */
export const compareStarts = (small: Start, large: Start): string[] => {
  const anomalies = [];
  const mostMs = small.readyMs * MOST_TIMES + MOST_MORE_MS;
  if (large.readyMs > mostMs)
    anomalies.push(`ready after ${Math.round(large.readyMs)} ms, and ${Math.round(small.readyMs)} with a small store`);
  const more = large.peakBytes - small.peakBytes;
  if (more > MOST_MORE_BYTES)
    anomalies.push(`${Math.round(more / 2 ** 20)} MiB more memory at the start than with a small store`);
  return anomalies;
};

/** Ids of what was due that nobody was asked about, and of what was not and somebody was. */
export const judgeAsked = (asked: readonly string[], due: number): string[] => {
  const seen = new Set(asked);
  const ids = Array.from({ length: due }, (_, i) => `due-${i}`);
  const early = [...seen].filter(id => !id.startsWith('due-'));
  return [
    ...ids.filter(id => !seen.has(id)).map(id => `${id} was due at the start, and was not asked`),
    ...early.map(id => `${id} is due in a day, and was asked`),
  ];
};

const run = async ({ size, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const { small, large, due, withoutCheckpoints } = SIZES[size];
  const env = environmentWith(fault);
  const brokerOn = (name: string): BrokerProcess =>
    new BrokerProcess(join(folder, name), { args: ['--publisher', 'memory'], env });
  const [little, much] = [brokerOn('small'), brokerOn('large')];
  const handler = new CheckHandler();
  handler.answer(() => 'commit');
  try {
    await handler.listen();
    const later = { checkUrl: null, afterMs: DAY_MS, payloadBytes: PAYLOAD_BYTES };
    await fillAndKill(little.dataDir, [{ ...later, name: 'later', transactions: small }]);
    const first = { ...later, name: 'later', transactions: large - due - withoutCheckpoints };
    const asked = { ...later, name: 'due', checkUrl: handler.url, transactions: due, afterMs: DUE_MS };
    await fillAndKill(much.dataDir, [first, asked]);
    if (withoutCheckpoints > 0) {
      say('a large WAL');
      const last = { ...later, name: 'last', transactions: withoutCheckpoints };
      await fillAndKill(much.dataDir, [last], CHECKPOINTS_OFF);
    }
    say('starting');
    const smallStart = await startOn(little);
    await little.kill();
    const largeStart = await startOn(much);
    const listeningAt = Date.now();
    const anomalies = compareStarts(smallStart, largeStart);
    if (anomalies.length === 0) {
      await eventually(
        'all due checks',
        async () => (await gauges(much)).get('escrowmq_transactions{state="committed"}') === due,
        ASKED_WITHIN_MS,
      ).catch((error: Error) => anomalies.push(error.message));
      anomalies.push(...judgeAsked(handler.asked, due));
      const peak = peakRssBytes(much.pid);
      if (peak > MOST_BYTES) anomalies.push(`${Math.round(peak / 2 ** 20)} MiB of memory while what was due was asked`);
    }
    const askedMs = Math.max(0, (handler.calls[0]?.at ?? Number.NaN) - listeningAt);
    const missed = [];
    if (largeStart.readyMs > READY_MS) missed.push(`ready after ${Math.round(largeStart.readyMs)} ms`);
    if (!(askedMs < FIRST_ASKED_MS)) missed.push(`the first check ${askedMs} ms after that`);
    if (largeStart.walBytes < FULL_WAL_BYTES) missed.push(`the WAL had ${largeStart.walBytes} bytes only`);
    return {
      figures: {
        'undecided transactions': large,
        'due at the start': due,
        'asked, ids': handler.asked.length,
        'WAL, MiB': Math.round(largeStart.walBytes / 2 ** 20),
        'ready, ms': Math.round(largeStart.readyMs),
        [`ready with ${small}, ms`]: Math.round(smallStart.readyMs),
        'first check after ready, ms': askedMs,
        'memory at the start, MiB': Math.round(largeStart.peakBytes / 2 ** 20),
        [`memory with ${small}, MiB`]: Math.round(smallStart.peakBytes / 2 ** 20),
      },
      anomalies,
      missed: size === 'full' ? missed : [],
    };
  } finally {
    await Promise.all([little.kill(), much.kill()]);
    await handler.close();
  }
};

export const P16: Proof = {
  promise: 'P16',
  sentence: 'A restart is quick whatever the backlog.',
  how: 'a store with undecided transactions and a WAL left by SIGKILL, beside one with a thousand',
  target: 'ready < 2 s with 10⁶ undecided and a WAL of 300 MB, the first due checks < 100 ms later',
  faults: [LOAD_ALL],
  lacks: () => (process.platform === 'linux' ? null : 'Memory is read from /proc, which only Linux has.'),
  run,
};
