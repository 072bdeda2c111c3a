/** Throughput by size of the payload. */
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { COMPLETE, number, THROUGHPUT_COLUMNS } from '../figures.ts';
import type { Cell, Throughput } from '../system.ts';
import type { Table } from '../table.ts';

const KIB = 1024;
const PAYLOADS = [
  { cell: '100 B', payloadBytes: 100 },
  { cell: '4 KiB', payloadBytes: 4 * KIB },
  { cell: '64 KiB', payloadBytes: 64 * KIB },
  { cell: '900 KiB', payloadBytes: 900 * KIB },
];
const IN_FLIGHT = 16;

/** The payload's size is part of every line's parameters, and so of what the columns see. */
type Result = Throughput & Pick<Cell, 'payloadBytes'>;

const run = async (bench: Bench): Promise<void> => {
  const present = await bench.present(contenders(bench, ['escrowmq-single', 'escrowmq-client']));
  const [warmUpSeconds, seconds] = [bench.options.quick ? 1 : 4, bench.seconds(8, 1)];
  for (const round of bench.rounds) {
    for (const { system } of present) {
      await bench.withFresh({ system, round, cell: 'start', parameters: {} }, async running => {
        for (const { cell, payloadBytes } of PAYLOADS) {
          const parameters: Cell = { inFlight: IN_FLIGHT, warmUpSeconds, seconds, payloadBytes, localMs: null };
          await bench.measure<Result>({ system, round, cell, parameters }, async () => ({
            ...(await running.throughput(parameters)),
            payloadBytes,
          }));
        }
      });
    }
  }
};

export const payloads: Table<Result> = {
  name: 'payloads',
  summary: 'throughput by size of the payload',
  reading: `${IN_FLIGHT} transactions in flight, no local part, one message each. Ratios are of the batching client to single
calls. MB/s counts payloads only, 10⁶ bytes each; every payload is written by the broker and by Kafka.`,
  main: COMPLETE,
  reference: ({ cell }) => ({ system: 'escrowmq, single calls', cell }),
  columns: [
    number('MB/s', ({ completePerSecond, payloadBytes }) => (completePerSecond * payloadBytes) / 1e6),
    ...THROUGHPUT_COLUMNS,
  ],
  run,
};
