/**
 * Very many checks of a real broker that are due at the same moment, shortly after it was killed; and its accounts, at
 * every look.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerProcess } from '../../test/support/broker-process.ts';
import { CheckHandler } from '../../test/support/check-handler.ts';
import { gauges } from '../../test/support/transactions.ts';
import type { PlantedFault } from '../planted-fault.ts';
import { memoryBroker } from './memory-broker.ts';
import { unaccounted } from './resolution-laws.ts';

const GROUP = 'silent';
/** With a few of their own, due at the same moment. */
const OTHERS = Array.from({ length: 10 }, (_, i) => `other-${i}`);
const OF_OTHERS = 10;
const BATCH = 1_000;
/** Beyond the time that preparing is expected to take. */
const AHEAD_MS = 2_500;
const LOOK_MS = 100;
/** Every one of them must have been asked by then, whatever the machine. */
const ALL_ASKED_WITHIN_MS = 60_000;

export interface DueAtOnce {
  readonly due: number;
  /** From the moment when a check was due until it was asked for the first time, the longest. */
  readonly latestMs: number;
  /** The same of the other groups, which have few. */
  readonly latestOfOthersMs: number;
  readonly looks: number;
  readonly anomalies: readonly string[];
}

/** What /metrics says of messages, as a sentence where something is missing. */
const lookAt = async (broker: BrokerProcess): Promise<string | null> => {
  const found = await gauges(broker);
  const counters = new Map<string, number>();
  for (const [name, value] of found) {
    const state = /^escrowmq_messages\{state="(\w+)"\}$/.exec(name)?.[1];
    if (state !== undefined) counters.set(`messages.${state}`, value);
  }
  counters.set('accepted', found.get('escrowmq_accepted_messages_total')!);
  counters.set('purged', found.get('escrowmq_purged_messages_total')!);
  return unaccounted(counters);
};

export const runDueAtOnce = async (
  count: number,
  { dataDir, fault, preparingMs }: { dataDir: string; fault: PlantedFault | null; preparingMs: number },
): Promise<DueAtOnce> => {
  const handler = new CheckHandler();
  handler.answer(() => 'commit');
  await handler.listen();
  const broker = memoryBroker(dataDir, fault);
  const anomalies: string[] = [];
  let looks = 0;
  const look = async (): Promise<void> => {
    looks++;
    const sentence = await lookAt(broker);
    if (sentence !== null) anomalies.push(sentence);
  };
  try {
    await broker.start();
    for (const group of [GROUP, ...OTHERS]) {
      await broker.put(`/v1/producer-groups/${group}`, { checkUrl: handler.url });
    }
    const dueAt = Date.now() + preparingMs + AHEAD_MS;
    const afterMs = new Map<string, number>();
    const all = [
      ...Array.from({ length: count }, () => GROUP),
      ...OTHERS.flatMap(group => Array.from({ length: OF_OTHERS }, () => group)),
    ];
    for (let made = 0; made < all.length; made += BATCH) {
      const check = { afterMs: Math.max(dueAt - Date.now(), 100) };
      const operations = all.slice(made, made + BATCH).map((group, i) => {
        const id = `due-${made + i}`;
        afterMs.set(id, check.afterMs);
        return { op: 'prepare', group, id, check, messages: [{ topic: 'late', payload: id }] };
      });
      const { status, body } = await broker.post('/v1/batch', { operations });
      const refused = status === 200 ? body.results.find((one: { status: number }) => one.status !== 201) : body;
      if (refused) throw new Error(`a batch was not taken: ${JSON.stringify(refused)}`);
      await look();
    }
    await broker.restart();
    const end = Date.now() + preparingMs + ALL_ASKED_WITHIN_MS;
    const isDone = async (): Promise<boolean> =>
      ((await gauges(broker)).get('escrowmq_messages{state="forwarded"}') ?? 0) >= all.length;
    while (!(await isDone()) && Date.now() < end && anomalies.length === 0) {
      await look();
      await delay(LOOK_MS);
    }
    const first = new Map<string, number>();
    const latest = { silent: 0, others: 0 };
    for (const { at, body } of handler.calls) {
      for (const { transactionId: id, preparedAt } of body.checks) {
        if (first.has(id)) continue;
        first.set(id, at);
        const whose = body.group === GROUP ? 'silent' : 'others';
        latest[whose] = Math.max(latest[whose], at - Date.parse(preparedAt) - afterMs.get(id)!);
      }
    }
    await look();
    const missing = all.length - first.size;
    if (missing > 0) anomalies.push(`${missing} of ${all.length} due checks were never asked`);
    else if (!(await isDone()))
      anomalies.push(`not all ${all.length} transactions that checks committed were forwarded`);
    return { due: all.length, latestMs: latest.silent, latestOfOthersMs: latest.others, looks, anomalies };
  } finally {
    await broker.kill();
    await handler.close();
  }
};
