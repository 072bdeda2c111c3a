/** A disk whose flushes are slow. */
import type { Bench } from '../bench.ts';
import { COMPLETE, number, THROUGHPUT_COLUMNS, total } from '../figures.ts';
import { LoadProcess } from '../load/child.ts';
import type { ProberReport } from '../load/prober.ts';
import { spreadOf } from '../spread.ts';
import type { Cell, Spread, Throughput } from '../system.ts';
import type { RunningEscrowmq } from '../systems/escrowmq.ts';
import { escrowmqOnSlowDisk } from '../systems/traced-broker.ts';
import type { Table } from '../table.ts';

interface Result extends Throughput {
  readonly livezMs: Spread;
  readonly livezFailed: number;
}

/** Added to every fdatasync and fsync of the broker. */
const DELAYS_MS = [0, 5, 20];
const IN_FLIGHT = [16, 64, 256];

/** Asks /livez from another process during all of the cell, its warm-up included. */
const measure = async (running: RunningEscrowmq, cell: Cell): Promise<Result> => {
  const prober = new LoadProcess('bench/load/prober.ts', [running.broker.url]);
  try {
    await prober.nextEvent('ready');
    const throughput = await running.throughput(cell);
    const probed = prober.nextEvent<ProberReport>('probed');
    prober.send('report');
    const { answerMs, failed } = await probed;
    return { ...throughput, livezMs: spreadOf(answerMs), livezFailed: failed };
  } finally {
    await prober.stop();
  }
};

const run = async (bench: Bench): Promise<void> => {
  const { quick } = bench.options;
  const [warmUpSeconds, seconds] = [quick ? 1 : 4, bench.seconds(8, 1)];
  for (const delayMs of quick ? [0, 5] : DELAYS_MS) {
    const on = (calls: 'single' | 'client') => escrowmqOnSlowDisk({ kafka: bench.kafka, calls, delayMs });
    const present = await bench.present([
      { key: 'escrowmq-single', system: on('single') },
      { key: 'escrowmq-client', system: on('client') },
    ]);
    for (const round of bench.rounds) {
      for (const { system } of present) {
        await bench.withFresh({ system, round, cell: `+${delayMs} ms`, parameters: { delayMs } }, async running => {
          for (const inFlight of quick ? [64] : IN_FLIGHT) {
            const cell: Cell = { inFlight, warmUpSeconds, seconds, payloadBytes: 512, localMs: null };
            const parameters = { delayMs, ...cell };
            const name = `+${delayMs} ms, ${inFlight} in flight`;
            await bench.measure({ system, round, cell: name, parameters }, () =>
              measure(running as RunningEscrowmq, cell),
            );
          }
        });
      }
    }
  }
};

export const slowDisk: Table<Result> = {
  name: 'slow-disk',
  summary: 'what slow flushes of the disk do to throughput and to /livez',
  reading: `strace adds the delay to every flush of the broker's files (Kafka's are left alone), beside what the disk itself takes;
with +0 ms it looks on without delaying, so that its own cost is in all rows. Ratios are to +0 ms. \`/livez\` is asked every
10 ms by a process of its own, whether the last answer has come or not, during the warm-up too.`,
  main: COMPLETE,
  reference: ({ system, cell }) => ({ system, cell: cell.replace(/^\+\d+/, '+0') }),
  columns: [
    number('/livez p50 ms', ({ livezMs }) => livezMs.p50),
    number('/livez p99 ms', ({ livezMs }) => livezMs.p99),
    number('/livez max ms', ({ livezMs }) => livezMs.max),
    total('/livez failed', ({ livezFailed }) => livezFailed),
    ...THROUGHPUT_COLUMNS,
  ],
  run,
};
