/** Complete transactions per second: half message, local part, commit, receipt by a consumer. */
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { COMPLETE, THROUGHPUT_COLUMNS } from '../figures.ts';
import type { Cell, Throughput } from '../system.ts';
import { rocketmq } from '../systems/rocketmq.ts';
import type { Table } from '../table.ts';

const LOCAL_MS = { min: 1, max: 5 };

/** Transactions in flight, by contender. Only the cell with 256 has a local part. */
const IN_FLIGHT: Readonly<Record<string, readonly number[]>> = {
  'escrowmq-single': [1, 16, 64],
  'escrowmq-client': [16, 64, 256],
  rocketmq: [1, 16, 64, 256],
  'dtm-postgres': [16, 64],
  'dtm-boltdb': [16, 64],
};
const QUICK_IN_FLIGHT = [16, 256];
const WARM_UP_IN_FLIGHT = 64;

const cellOf = (bench: Bench, inFlight: number): Cell => ({
  inFlight,
  warmUpSeconds: bench.options.quick ? 1 : 8,
  seconds: bench.seconds(8, 1),
  payloadBytes: 512,
  localMs: inFlight === 256 ? LOCAL_MS : null,
});

const nameOf = ({ inFlight, localMs }: Cell): string =>
  `${inFlight} in flight${localMs === null ? '' : `, ${localMs.min}–${localMs.max} ms local`}`;

const run = async (bench: Bench): Promise<void> => {
  const { quick } = bench.options;
  const present = await bench.present(
    contenders(bench, ['escrowmq-single', 'rocketmq', 'escrowmq-client', 'dtm-postgres', 'dtm-boltdb']),
  );
  for (const round of bench.rounds) {
    for (const { key, system } of present) {
      // An order of magnitude away, so one round tells enough.
      if (key.startsWith('dtm') && round > 1) continue;
      await bench.withFresh({ system, round, cell: 'start', parameters: {} }, async running => {
        // Not measured: whatever is compiled by use has been used before the first cell.
        const warmUp = { ...cellOf(bench, WARM_UP_IN_FLIGHT), warmUpSeconds: 0, seconds: quick ? 1 : 8 };
        await running.throughput(warmUp);
        for (const inFlight of IN_FLIGHT[key]!.filter(count => !quick || QUICK_IN_FLIGHT.includes(count))) {
          const cell = cellOf(bench, inFlight);
          await bench.measure({ system, round, cell: nameOf(cell), parameters: cell }, () => running.throughput(cell));
        }
      });
    }
  }
};

export const throughput: Table<Throughput> = {
  name: 'throughput',
  summary: 'complete transactions per second, latencies and cost of all systems',
  reading: `Ratios are to RocketMQ in the same cell. All systems, their load and its consumer share the cores of the machine.
escrowmq and dtm answer a commit when it is on disk; RocketMQ's commit is one-way and nobody is told, so its call is one
flush long instead of two. escrowmq's messages count when a consumer received them from Kafka, RocketMQ's when its own
consumer did, dtm's when its branch was called. escrowmq's own Kafka idles beside the others' cells. dtm runs in the first
round only. Without a local part
all callers march in step, which flatters batching; the cell with 256 is free of that.`,
  main: COMPLETE,
  reference: ({ cell }) => ({ system: rocketmq.name, cell }),
  columns: THROUGHPUT_COLUMNS,
  run,
};
