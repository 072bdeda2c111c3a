/** escrowmq with local transactions that last longer than it waits before it asks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadProcess } from '../load/child.ts';
import type { CheckerReady, CheckerReport, SlowOrder } from '../load/messages.ts';
import type { Receiving } from '../load/receiving.ts';
import type { SlowLocal, SlowLocalOrder } from '../system.ts';

interface Broker {
  readonly url: string;
  put(route: string, body: unknown): Promise<{ status: number; body: unknown }>;
}

const GROUP = 'slow-local';
/** As with the peers: on top of two intervals, for the last check and its delivery. */
const LINGER_MS = 8_000;

export const measureSlowLocal = async (
  broker: Broker,
  receiving: Receiving,
  order: SlowLocalOrder,
): Promise<SlowLocal> => {
  const slow: SlowOrder = { url: broker.url, topic: receiving.topic, group: GROUP, slow: order };
  const producer = new LoadProcess('bench/load/slow-producer.ts', [JSON.stringify(slow)]);
  try {
    const { url: checkUrl } = await producer.nextEvent<CheckerReady>('ready');
    const { firstCheckMs: afterMs, intervalMs } = order;
    const check = { afterMs, intervalMs, maxIntervalMs: intervalMs };
    const { status, body } = await broker.put(`/v1/producer-groups/${GROUP}`, { checkUrl, check });
    if (status !== 201) throw new Error(`The group was not created: ${JSON.stringify(body)}`);
    const done = producer.nextEvent('done');
    producer.send('run');
    await done;
    await sleep(2 * intervalMs + LINGER_MS);
    const checked = producer.nextEvent<CheckerReport>('checked');
    producer.send('report');
    const { calls } = await checked;
    const { seenAt, duplicates, duplicated } = await receiving.report();
    const delivered = seenAt.filter(at => at > 0).length;
    const missing = order.transactions - delivered;
    return { delivered, deliveredTwice: duplicated, duplicates, missing, checkCalls: calls };
  } finally {
    await producer.stop();
  }
};
