/** P18: what runs for days grows neither in memory nor on the disk. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LoadProcess } from '../../bench/load/child.ts';
import type { ArrivalsOrder, ArrivalsReport } from '../../bench/load/messages.ts';
import { BrokerProcess, eventually } from '../../test/support/broker-process.ts';
import { gauges, list, prepare } from '../../test/support/transactions.ts';
import { environmentAsInTheImage } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';
import { readBadly } from '../soak/bad-readers.ts';
import { CHECKPOINTS_OFF } from '../soak/checkpoints-off.ts';
import { descriptorsOf, judgeSamples, MOST_WAL_BYTES, Samples, slopeOf } from '../soak/samples.ts';

/** `bytes`: of payloads that come in before it ends, however long that takes. */
const SIZES = {
  short: { seconds: 5, bytes: 320 * 2 ** 20, perSecond: 1_100, payloadBytes: 48 * 1_024 },
  full: { seconds: 240, bytes: 1_024 * 2 ** 20, perSecond: 1_500, payloadBytes: 8 * 1_024 },
} as const;
const RETENTION = '1s';
const KEPT = 20;
const SLOW_READERS = 5;
const SAMPLE_MS = 250;
const LONGEST_MS = 60_000;
/** Those of the thread that makes checkpoints, and of whoever looks on. */
const MORE_DESCRIPTORS = 16;
/** Of a full run: until then memory grows to what the load takes. */
const WARM = 2 / 3;
const MOST_SLOPE_MIB_A_MINUTE = 5;
const MOST_GROWTH = 1.2;

/** Loads the broker until enough came in. Resolves with the bytes of payloads that were accepted. */
const soak = async (
  broker: BrokerProcess,
  { seconds, bytes, perSecond, payloadBytes }: (typeof SIZES)['short' | 'full'],
  samples: Samples,
): Promise<{ written: number; connections: number }> => {
  const order: ArrivalsOrder = {
    ...{ url: broker.url, topic: 'soak', groups: ['soak'], perSecond, payloadBytes },
    ...{ perRequest: 10, connections: 8, seconds: 3_600 },
  };
  const load = new LoadProcess('bench/load/arrivals.ts', [JSON.stringify(order)]);
  try {
    await load.nextEvent('ready');
    let isOver = false;
    const reading = readBadly(broker.url, SLOW_READERS, () => isOver);
    const reported = load.nextEvent<ArrivalsReport>('arrivals');
    const began = performance.now();
    load.send('run');
    for (let enough = false; !enough; ) {
      await delay(SAMPLE_MS);
      const { walBytes } = samples.take();
      const tookMs = performance.now() - began;
      const rows = (await gauges(broker)).get('escrowmq_accepted_messages_total') ?? 0;
      enough =
        walBytes >= MOST_WAL_BYTES ||
        (tookMs > seconds * 1_000 && (rows * payloadBytes >= bytes || tookMs > seconds * 1_000 + LONGEST_MS));
    }
    isOver = true;
    load.send('stop');
    const { commit } = await reported;
    return { written: commit.accepted * payloadBytes, connections: await reading };
  } finally {
    await load.stop();
  }
};

/** Undecided ones, which no retention may touch. */
const keepSome = async (broker: BrokerProcess): Promise<string[]> => {
  const ids = Array.from({ length: KEPT }, (_, i) => `kept-${i}`);
  await broker.put('/v1/producer-groups/soak', { checkUrl: null, check: { afterMs: 3_600_000 } });
  for (const id of ids) {
    const { status } = await prepare(broker, 'soak', id, { topic: 'soak', payload: id });
    if (status !== 201) throw new Error(`${id} was refused: ${status}`);
  }
  return ids;
};

/** Resolves with what is left once everything else is gone; else with a sentence. */
const judgeRest = async (broker: BrokerProcess, kept: readonly string[]): Promise<string[]> => {
  const gone = async (): Promise<boolean> => {
    const states = await gauges(broker);
    return states.get('escrowmq_transactions{state="committed"}') === 0;
  };
  try {
    await eventually('retention to forget all that ended', gone);
  } catch (error) {
    return [(error as Error).message];
  }
  const left = (await list(broker)).map(({ id }) => String(id));
  return kept.filter(id => !left.includes(id)).map(id => `${id} is undecided, and was deleted`);
};

const run = async ({ size, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const options = SIZES[size];
  const args = ['--publisher', 'memory', '--retention', RETENTION];
  const broker = new BrokerProcess(join(folder, 'data'), { args, env: environmentAsInTheImage(fault) });
  try {
    await broker.start();
    const kept = await keepSome(broker);
    const before = descriptorsOf(broker.pid);
    const samples = new Samples(broker);
    const { written, connections } = await soak(broker, options, samples);
    say(`${Math.round(written / 2 ** 20)} MiB written`);
    const anomalies = judgeSamples(samples, written);
    // Where it is broken already, what is left would only take long to go away.
    if (anomalies.length === 0) anomalies.push(...(await judgeRest(broker, kept)));
    let after = 0;
    await eventually('descriptors to be closed', async () => {
      after = descriptorsOf(broker.pid);
      return after <= before + MORE_DESCRIPTORS;
    }).catch(() => anomalies.push(`${after} descriptors are open after ${connections} connections, ${before} before`));

    const warm = samples.all.slice(Math.floor(samples.all.length * WARM));
    const slope = (slopeOf(warm, 'rssBytes') * 60) / 2 ** 20;
    const growth = samples.most('fileBytes', WARM) / samples.most('fileBytes', WARM / 2, WARM);
    const missed = [];
    if (slope > MOST_SLOPE_MIB_A_MINUTE) missed.push(`memory grows by ${slope.toFixed(1)} MiB a minute`);
    if (growth > MOST_GROWTH)
      missed.push(`the file is ${growth.toFixed(2)} times as large in the last third as before`);
    const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
    return {
      figures: {
        seconds: Math.round(samples.most('seconds')),
        'written and deleted, MiB': mebibytes(written),
        'largest WAL, MiB': mebibytes(samples.most('walBytes')),
        'largest file, MiB': mebibytes(samples.most('fileBytes')),
        'file, last third to the one before': growth.toFixed(2),
        'connections made': connections,
        'descriptors before and after': `${before}, ${after}`,
        'most memory, MiB': mebibytes(samples.most('rssBytes')),
        ...(size === 'full' ? { 'memory after warm-up, MiB a minute': slope.toFixed(1) } : {}),
      },
      anomalies,
      missed: size === 'full' ? [...missed, 'four minutes, not hours'] : [],
    };
  } finally {
    await broker.kill();
  }
};

export const P18: Proof = {
  promise: 'P18',
  sentence: 'The broker runs for days: what it takes of memory, disk and descriptors does not grow.',
  how: 'transactions that are forgotten after a second, readers who never read, and who are gone before the answer',
  target: 'memory does not grow after warm-up, WAL < 256 MB, the file stops growing, descriptors flat',
  faults: [CHECKPOINTS_OFF],
  lacks: () =>
    process.platform === 'linux' ? null : 'Memory and descriptors are read from /proc, which only Linux has.',
  run,
};
