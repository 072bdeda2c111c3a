/** P14: overload degrades the broker, it does not make it collapse. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LoadProcess } from '../../bench/load/child.ts';
import type { ArrivalsOrder, ArrivalsReport } from '../../bench/load/messages.ts';
import { rssBytes } from '../../bench/process-usage.ts';
import { spreadOf } from '../../bench/spread.ts';
import { BrokerProcess, eventually } from '../../test/support/broker-process.ts';
import { gauges } from '../../test/support/transactions.ts';
import { judgeOverload, type Sight } from '../overload/judge.ts';
import { Polite } from '../overload/polite.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';
import { type Stored, storedTransactions } from '../stored.ts';

/** Seconds of each part. */
const PARTS = { short: { peak: 1, quiet: 0.5, flood: 5 }, full: { peak: 10, quiet: 10, flood: 120 } } as const;
const TIMES = 5;
/** So many that together they are entitled to more than the whole waiting line. */
const GREEDY = ['greedy-0', 'greedy-1', 'greedy-2', 'greedy-3', 'greedy-4', 'greedy-5'];
const LOAD = { topic: 'flood', payloadBytes: 512, perRequest: 50 };
const PEAK_CONNECTIONS = 16;
const FLOOD_CONNECTIONS = 400;
const POLITE_CALLERS = 4;
/** Looked for so often that nothing but a list could be refused. */
const LOOK_MS = 20;
const GOODPUT_SHARE = 0.9;
const COMMIT_P99_MS = 200;
const POLITE_TIMES = 2;

const NO_RESERVE: PlantedFault = {
  name: 'no-reserve-for-resolutions',
  what: 'commits are refused as soon as new transactions are',
  file: 'broker/api/admission.ts',
  from: 'waiting.commands >= MAX_WAITING.anything',
  to: 'waiting.commands >= MAX_WAITING.prepare',
};

interface Flooded {
  readonly report: ArrivalsReport;
  /** Milliseconds since 1970. */
  readonly beganAt: number;
  readonly endedAt: number;
}

/** Offers so many a second for so long, beside what is done `meanwhile`; resolves when every one was answered. */
const flood = async (order: ArrivalsOrder, meanwhile: (isOver: () => boolean) => Promise<void>): Promise<Flooded> => {
  const load = new LoadProcess('bench/load/arrivals.ts', [JSON.stringify(order)]);
  try {
    await load.nextEvent('ready');
    const reported = load.nextEvent<ArrivalsReport>('arrivals');
    const beganAt = Date.now();
    let isOver = false;
    load.send('run');
    const others = meanwhile(() => isOver);
    await delay(order.seconds * 1_000);
    const endedAt = Date.now();
    isOver = true;
    await others;
    return { report: await reported, beganAt, endedAt };
  } finally {
    await load.stop();
  }
};

const lookOn = async (broker: BrokerProcess, sight: Sight, isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    const { status, headers } = await broker.get('/v1/transactions?limit=10');
    sight.lists += 1;
    if (status === 503) sight.refusedLists += 1;
    if (status === 503 ? headers.get('retry-after') === null : status !== 200)
      sight.wrong.push(`a list was answered ${status}, with Retry-After ${headers.get('retry-after')}`);
    const waiting = (await gauges(broker)).get('escrowmq_queue_waiting_commands') ?? Number.NaN;
    sight.longestLine = Math.max(sight.longestLine, waiting);
    await delay(LOOK_MS);
  }
};

const committedPerSecond = (stored: readonly Stored[], { beganAt, endedAt }: Flooded): number => {
  const within = stored.filter(
    ({ resolvedAt }) => resolvedAt !== null && resolvedAt >= beganAt && resolvedAt < endedAt,
  );
  return Math.round((within.length * 1_000) / (endedAt - beganAt));
};

const run = async ({ size, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const parts = PARTS[size];
  const dataDir = join(folder, 'data');
  const broker = new BrokerProcess(dataDir, { args: ['--publisher', 'memory'], env: environmentWith(fault) });
  try {
    await broker.start();
    const unasked = { checkUrl: null, check: { afterMs: 3_600_000 } };
    for (const group of ['polite', ...GREEDY]) await broker.put(`/v1/producer-groups/${group}`, unasked);
    const order = { ...LOAD, url: broker.url, groups: GREEDY };
    const closed = { ...order, perSecond: 1_000_000, seconds: parts.peak, connections: PEAK_CONNECTIONS };
    const peak = await flood(closed, async () => {});
    const quiet = new Polite(broker.url, 'polite', 'quiet');
    const quietUntil = performance.now() + parts.quiet * 1_000;
    await quiet.run(POLITE_CALLERS, () => performance.now() > quietUntil);
    const perSecond = TIMES * Math.round(peak.report.commit.accepted / parts.peak);
    say(`flood of ${perSecond} a second`);

    const polite = new Polite(broker.url, 'polite', 'polite');
    const sight: Sight = { lists: 0, refusedLists: 0, longestLine: 0, wrong: [] };
    const much = { ...order, perSecond, seconds: parts.flood, connections: FLOOD_CONNECTIONS };
    const flooded = await flood(much, async isOver => {
      await Promise.all([polite.run(POLITE_CALLERS, isOver), lookOn(broker, sight, isOver)]);
    });
    if (flooded.report.prepare.overloaded === 0) throw new Error('nothing was refused: that was no overload');
    const rss = rssBytes(broker.pid);
    const ready = await eventually('readiness after the flood', async () => {
      const { status, body } = await broker.get('/readyz');
      return status === 200 && (await gauges(broker)).get('escrowmq_queue_waiting_commands') === 0 ? body : null;
    });
    const list = await broker.get('/v1/transactions?limit=10');
    await broker.stop();
    const stored = storedTransactions(dataDir);
    const anomalies = judgeOverload({ floods: [peak.report, flooded.report], polite: polite.told, sight }, stored);
    if (ready.status !== 'ok' || list.status !== 200)
      anomalies.push(`after the flood readiness says ${ready.status} and a list ${list.status}`);
    const [peakRate, goodput] = [committedPerSecond(stored, peak), committedPerSecond(stored, flooded)];
    const commitP99 = spreadOf(flooded.report.commitMs).p99;
    const [quietP99, politeP99] = [quiet, polite].map(({ told }) => spreadOf(Float64Array.from(told.tookMs)).p99);
    const missed = [];
    if (goodput < GOODPUT_SHARE * peakRate) missed.push(`${goodput} a second of a peak of ${peakRate}`);
    if (!(commitP99 < COMMIT_P99_MS)) missed.push(`commits of the flood have a p99 of ${commitP99} ms`);
    if (!(politeP99! <= POLITE_TIMES * quietP99!))
      missed.push(`the polite group's p99 is ${politeP99} ms beside the flood and ${quietP99} ms without`);
    const { prepare, offered } = flooded.report;
    return {
      figures: {
        'seconds of flood': parts.flood,
        'offered a second': perSecond,
        offered,
        'prepares refused': prepare.overloaded,
        'commits accepted': flooded.report.commit.accepted,
        'lists refused': `${sight.refusedLists} of ${sight.lists}`,
        'longest line': sight.longestLine,
        'polite transactions': polite.told.tookMs.length,
        'peak per second': peakRate,
        'goodput per second': goodput,
        'p99 of a commit, ms': commitP99,
        'RSS of the broker, MiB': Math.round(rss / 2 ** 20),
      },
      anomalies,
      missed: size === 'full' ? missed : [],
    };
  } finally {
    await broker.kill();
  }
};

export const P14: Proof = {
  promise: 'P14',
  sentence: 'Overload degrades the broker; it does not make it collapse.',
  how: 'five times the load it can take, from six greedy groups beside a polite one and somebody who lists',
  target: 'goodput ≥ 90 % of the peak, commits p99 < 200 ms, every refusal with Retry-After, polite p99 ≤ 2 ×',
  faults: [NO_RESERVE],
  lacks: () => null,
  run,
};
