/** Local transactions that last longer than the system waits before it asks. */
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { number, total } from '../figures.ts';
import type { SlowLocal, SlowLocalOrder } from '../system.ts';
import type { Table } from '../table.ts';

const ORDER: SlowLocalOrder = { transactions: 60, minMs: 7_000, maxMs: 17_000, firstCheckMs: 6_000, intervalMs: 5_000 };
const QUICK_ORDER: SlowLocalOrder = {
  transactions: 20,
  minMs: 2_000,
  maxMs: 4_000,
  firstCheckMs: 1_000,
  intervalMs: 1_000,
};

const run = async (bench: Bench): Promise<void> => {
  const order = bench.options.quick ? QUICK_ORDER : ORDER;
  const cell = `${order.transactions} of ${order.minMs / 1000}–${order.maxMs / 1000} s`;
  const present = await bench.present(contenders(bench, ['escrowmq-single', 'rocketmq']));
  for (const round of bench.rounds) {
    for (const { system } of present) {
      const measurement = { system, round, cell, parameters: order };
      await bench.withFresh(measurement, async running => {
        await bench.measure(measurement, () => running.slowLocal!(order));
      });
    }
  }
};

export const slowLocal: Table<SlowLocal> = {
  name: 'slow-local',
  summary: 'local transactions that are still running when they are checked',
  reading: `The first check comes after 6 s, further ones every 5 s. The check handler tells the truth: unknown while the local
transaction runs, commit once it is committed, which races with the producer's own commit. Right is as many delivered as
there are, none twice.`,
  main: { heading: 'delivered', value: ({ delivered }) => delivered },
  reference: () => null,
  columns: [
    total('missing', ({ missing }) => missing),
    total('delivered twice', ({ deliveredTwice }) => deliveredTwice),
    total('duplicates', ({ duplicates }) => duplicates),
    number('check calls', ({ checkCalls }) => checkCalls),
  ],
  run,
};
