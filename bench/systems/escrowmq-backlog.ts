/** escrowmq under many undecided transactions that become due for a check at the same moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../tools/kafka/probe.ts';
import { LoadProcess } from '../load/child.ts';
import type { CheckerReady, CheckerReport, FillOrder } from '../load/messages.ts';
import type { Receiving } from '../load/receiving.ts';
import type { Backlog, BacklogOrder, Usage } from '../system.ts';

/** The broker under this load. */
interface Subject {
  readonly broker: { put(route: string, body: unknown): Promise<{ status: number; body: unknown }> };
  /** Resolves with the seconds it took. */
  fill(order: Omit<FillOrder, 'url'>): Promise<number>;
  measureUsage(others: Record<string, number>): () => Record<string, Usage>;
}

const GROUPS = 10;
const IN_FLIGHT = 500;
/** The fill has to fit into the time before the checks are due. */
const FILLED_PER_SECOND = 2_500;
const FILL_SPARE_MS = 8_000;
/** After the last message, for duplicates. */
const LINGER_MS = 2_000;

const groups = Array.from({ length: GROUPS }, (_, i) => `backlog-${i}`);

export const measureBacklog = async (
  running: Subject,
  receiving: Receiving,
  { transactions, payloadBytes, hangingPercent, refusingPercent, patienceSeconds }: BacklogOrder,
): Promise<Backlog> => {
  const hanging = Math.round((hangingPercent * GROUPS) / 100);
  const silent = hanging + Math.round((refusingPercent * GROUPS) / 100);
  const numbers = Array.from({ length: transactions }, (_, number) => number);
  const answerable = numbers.filter(number => number % GROUPS >= silent);
  const checker = new LoadProcess('bench/load/checker.ts', []);
  try {
    const { url } = await checker.nextEvent<CheckerReady>('ready');
    const [closed] = await freePorts(1);
    for (const [i, group] of groups.entries()) {
      const refusing = i < silent ? `http://127.0.0.1:${closed}/` : `${url}/commit`;
      await putGroup(running, group, i < hanging ? `${url}/hang` : refusing);
    }
    const dueAt = Date.now() + FILL_SPARE_MS + (transactions * 1000) / FILLED_PER_SECOND;
    const { topic } = receiving;
    const fill = { topic, groups, transactions, payloadBytes, inFlight: IN_FLIGHT, ending: { dueAt } };
    const fillSeconds = await running.fill(fill);
    await sleep(dueAt - Date.now());
    const stopUsage = running.measureUsage({ checker: checker.pid, consumer: receiving.pid });
    const withinMs = patienceSeconds * 1000;
    await receiving.until(answerable.length, { quietMs: withinMs, withinMs });
    const processes = stopUsage();
    await sleep(LINGER_MS);
    const { seenAt, duplicates } = await receiving.report();
    const checked = checker.nextEvent<CheckerReport>('checked');
    checker.send('report');
    const { firstAt, calls } = await checked;
    const delivered = Float64Array.from(answerable.filter(number => seenAt[number]).map(number => seenAt[number]!));
    const arrivals = delivered.sort().map(at => (at - firstAt) / 1000);
    /** Null: not that many came. */
    const until = (share: number): number | null => arrivals[Math.ceil(share * answerable.length) - 1] ?? null;
    return {
      fillSeconds,
      halfSeconds: until(0.5),
      percent99Seconds: until(0.99),
      lastSeconds: until(1),
      answerable: answerable.length,
      delivered: arrivals.length,
      duplicates,
      checkCalls: calls,
      processes,
    };
  } finally {
    await checker.stop();
  }
};

const putGroup = async ({ broker }: Subject, group: string, checkUrl: string): Promise<void> => {
  const { status, body } = await broker.put(`/v1/producer-groups/${group}`, { checkUrl });
  if (status !== 201) throw new Error(`The group ${group} was not created: ${JSON.stringify(body)}`);
};
