/** More transactions than the broker can take, and how it behaves meanwhile and afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadProcess } from '../load/child.ts';
import type { ArrivalsOrder, ArrivalsReport, OperationCounts } from '../load/messages.ts';
import { sharedNow } from '../load/moment.ts';
import { SingleTransactions } from '../load/single-transactions.ts';
import { rssBytes } from '../process-usage.ts';
import { percentile, spreadOf } from '../spread.ts';
import type { Spread, Usage } from '../system.ts';
import type { RunningEscrowmq } from './escrowmq.ts';

export interface Overload {
  /** Distinct messages a consumer received while the load lasted, per second of it. */
  readonly completePerSecond: number;
  readonly offeredPerSecond: number;
  /** Arrivals that found every connection taken, as a share. */
  readonly turnedAwayShare: number;
  readonly prepare: OperationCounts;
  readonly commit: OperationCounts;
  /** From the answer to the prepare to the answer that says the commit is durable, repeats included. */
  readonly commitMs: Spread;
  readonly missing: number;
  readonly duplicates: number;
  readonly rssBytes: { readonly start: number; readonly peak: number; readonly end: number };
  /** Until a lone caller's transactions took no longer than nearly all did before the load; null: not within a minute. */
  readonly backAfterSeconds: number | null;
  readonly processes: Readonly<Record<string, Usage>>;
}

const QUIET_MS = 5_000;
const CALM_TRANSACTIONS = 200;
/** So many in succession, so that no lucky one counts. */
export const BACK_IN_SUCCESSION = 20;
const BACK_WITHIN_MS = 60_000;

/** A process that offers such a load; it begins with the word `run`. */
export const arrivals = async (order: ArrivalsOrder): Promise<LoadProcess> => {
  const load = new LoadProcess('bench/load/arrivals.ts', [JSON.stringify(order)]);
  await load.nextEvent('ready');
  return load;
};

/** What 99 % of a lone caller's transactions take no longer than. */
const calmMs = async (single: SingleTransactions): Promise<number> => {
  const times: number[] = [];
  while (times.length < CALM_TRANSACTIONS) times.push((await single.one()) ?? Number.POSITIVE_INFINITY);
  return percentile(
    times.sort((a, b) => a - b),
    0.99,
  );
};

const backAfter = async (single: SingleTransactions, calm: number): Promise<number | null> => {
  const began = sharedNow();
  for (let inSuccession = 0, firstAt = began; sharedNow() - began < BACK_WITHIN_MS; ) {
    const startedAt = sharedNow();
    const took = (await single.one()) ?? Number.POSITIVE_INFINITY;
    if (inSuccession === 0) firstAt = startedAt;
    inSuccession = took <= calm ? inSuccession + 1 : 0;
    if (inSuccession === BACK_IN_SUCCESSION) return (firstAt - began) / 1000;
  }
  return null;
};

export const measureOverload = async (
  running: RunningEscrowmq,
  order: Omit<ArrivalsOrder, 'url' | 'topic'>,
): Promise<Overload> => {
  const { broker } = running;
  const [receiving, other] = [await running.receiving(), await running.receiving()];
  const single = await SingleTransactions.open({ url: broker.url, topic: other.topic }, order.groups[0]!);
  const load = await arrivals({ ...order, url: broker.url, topic: receiving.topic });
  try {
    const calm = await calmMs(single);
    const start = rssBytes(broker.pid);
    const stopUsage = running.measureUsage({ producer: load.pid, consumer: receiving.pid });
    const ended = load.nextEvent<ArrivalsReport>('arrivals');
    load.send('run');
    await sleep(order.seconds * 1000);
    const processes = stopUsage();
    const backAfterSeconds = await backAfter(single, calm);
    const report = await ended;
    await receiving.until(report.commit.accepted, { quietMs: QUIET_MS });
    const { seenAt, duplicates } = await receiving.report();
    const seen = seenAt.filter(at => at > 0);
    const seconds = (report.endedAt - report.startedAt) / 1000;
    return {
      completePerSecond: seen.filter(at => at <= report.endedAt).length / seconds,
      offeredPerSecond: report.offered / seconds,
      turnedAwayShare: report.turnedAway / report.offered,
      prepare: report.prepare,
      commit: report.commit,
      commitMs: spreadOf(report.commitMs),
      missing: report.commit.accepted - seen.length,
      duplicates,
      rssBytes: { start, peak: processes.broker!.peakRssBytes, end: rssBytes(broker.pid) },
      backAfterSeconds,
      processes,
    };
  } finally {
    single.close();
    await Promise.all([load.stop(), receiving.stop(), other.stop()]);
  }
};
