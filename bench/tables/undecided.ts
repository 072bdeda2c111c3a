/** What undecided transactions in the store cost those who come later, and a restart. */
import { eventually } from '../../test/support/broker-process.ts';
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { COMPLETE, number, THROUGHPUT_COLUMNS } from '../figures.ts';
import type { Cell, Throughput } from '../system.ts';
import type { RunningEscrowmq } from '../systems/escrowmq.ts';
import type { Table } from '../table.ts';

interface Result extends Throughput {
  readonly fillSeconds: number;
  readonly diskBytes: number;
  /** From the start of the process after SIGKILL to the first 200 of /readyz. */
  readonly readySeconds: number;
}

const FILL_IN_FLIGHT = 500;
const PAYLOAD_BYTES = 512;
const FAR_MS = 24 * 60 * 60 * 1000;

/** Kills the broker and starts it again on its folder; resolves with the seconds until it accepts transactions. */
const restart = async ({ broker }: RunningEscrowmq): Promise<number> => {
  await broker.kill();
  const began = performance.now();
  await broker.start();
  await eventually('readiness', async () => (await fetch(`${broker.url}/readyz`)).ok);
  return (performance.now() - began) / 1000;
};

const fill = async (running: RunningEscrowmq, transactions: number): Promise<number> => {
  if (transactions === 0) return 0;
  await running.unaskedGroup('undecided');
  const receiving = await running.receiving();
  const ending = { dueAt: Date.now() + FAR_MS };
  const order = { groups: ['undecided'], transactions, payloadBytes: PAYLOAD_BYTES, inFlight: FILL_IN_FLIGHT, ending };
  return running.fill({ ...order, topic: receiving.topic }).finally(() => receiving.stop());
};

const run = async (bench: Bench): Promise<void> => {
  const { quick } = bench.options;
  const cell: Cell = {
    inFlight: 64,
    warmUpSeconds: quick ? 1 : 4,
    seconds: bench.seconds(8, 1),
    payloadBytes: PAYLOAD_BYTES,
    localMs: null,
  };
  const present = await bench.present(contenders(bench, ['escrowmq-client']));
  for (const round of bench.rounds) {
    for (const undecided of quick ? [0, 10_000] : [0, 100_000, 1_000_000]) {
      for (const { system } of present) {
        const name = `${undecided.toLocaleString('en-US')} undecided`;
        const measurement = { system, round, cell: name, parameters: { undecided, ...cell } };
        await bench.withFresh(measurement, async running => {
          const own = running as RunningEscrowmq;
          const fillSeconds = await fill(own, undecided);
          await bench.measure<Result>(measurement, async () => {
            const throughput = await own.throughput(cell);
            const diskBytes = await own.diskBytes();
            return { ...throughput, fillSeconds, diskBytes, readySeconds: await restart(own) };
          });
        });
      }
    }
  }
};

export const undecided: Table<Result> = {
  name: 'undecided',
  summary: 'throughput and restart with undecided transactions in the store',
  reading: `64 transactions in flight, no local part, while that many others wait undecided with their first check a day away.
Ratios are to the empty store. Ready: from the start of the process after SIGKILL to the first 200 of \`/readyz\`, with the
runtime's own start. The disk holds the undecided ones and those of the measurement, just before the kill.`,
  main: COMPLETE,
  reference: ({ system }) => ({ system, cell: '0 undecided' }),
  columns: [
    number('ready s', ({ readySeconds }) => readySeconds),
    number('disk MiB', ({ diskBytes }) => diskBytes, 1 / 2 ** 20),
    number('fill s', ({ fillSeconds }) => fillSeconds),
    ...THROUGHPUT_COLUMNS,
  ],
  run,
};
