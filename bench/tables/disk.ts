/** Bytes on disk, and bytes written. */

import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../test/support/broker-process.ts';
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { number } from '../figures.ts';
import type { Receiving } from '../load/receiving.ts';
import { type Broker, nameOf, type RunningEscrowmq } from '../systems/escrowmq.ts';
import type { Table } from '../table.ts';

/** All bytes are of the data folder and of all transactions together. */
interface Result {
  readonly transactions: number;
  readonly emptyBytes: number;
  readonly retainedBytes: number;
  readonly purgedBytes: number;
  readonly writtenBytes: number;
  readonly purgeSeconds: number;
}

const PAYLOAD_BYTES = 512;
const IN_FLIGHT = 64;
const GROUP = 'disk';
const QUIET_MS = 10_000;
const PATIENCE_MS = 600_000;
/** The space is given back a moment after the last transaction is gone, and nothing tells when. */
const SHRINK_MS = 5_000;

/** Asks until `isSo` says yes to what is listed there. */
const until = async (url: string, isSo: (items: { waiting: number }[]) => boolean): Promise<void> => {
  const probe = async () => isSo(((await (await fetch(url)).json()) as { items: { waiting: number }[] }).items);
  await eventually(url, probe, PATIENCE_MS);
};

/** Commits all and sees them forwarded; resolves with the bytes written for it. */
const load = async (running: RunningEscrowmq, receiving: Receiving, transactions: number): Promise<number> => {
  const stopUsage = running.measureUsage({});
  const order = { groups: [GROUP], transactions, payloadBytes: PAYLOAD_BYTES, inFlight: IN_FLIGHT };
  await running.fill({ ...order, topic: receiving.topic, ending: 'commit' });
  await receiving.until(transactions, { quietMs: QUIET_MS });
  await until(`${running.broker.url}/v1/topics`, items => items.every(({ waiting }) => waiting === 0));
  return stopUsage().broker!.writtenBytes;
};

/** Ends the broker in order, which empties its journal into the database. */
const bytesAtRest = async (running: RunningEscrowmq): Promise<number> => {
  await running.broker.stop();
  return running.diskBytes();
};

const purge = async (broker: Broker): Promise<number> => {
  await broker.start(['--retention', '1s']);
  const began = performance.now();
  await until(`${broker.url}/v1/transactions?limit=1`, items => items.length === 0);
  const seconds = (performance.now() - began) / 1000;
  await sleep(SHRINK_MS);
  return seconds;
};

const measure = async (running: RunningEscrowmq, transactions: number): Promise<Result> => {
  const emptyBytes = await bytesAtRest(running);
  await running.broker.start();
  await running.unaskedGroup(GROUP);
  const receiving = await running.receiving();
  const writtenBytes = await load(running, receiving, transactions).finally(() => receiving.stop());
  const retainedBytes = await bytesAtRest(running);
  const purgeSeconds = await purge(running.broker);
  const purgedBytes = await bytesAtRest(running);
  return { transactions, emptyBytes, retainedBytes, purgedBytes, writtenBytes, purgeSeconds };
};

const run = async (bench: Bench): Promise<void> => {
  const transactions = bench.options.quick ? 5_000 : 200_000;
  const present = await bench.present(contenders(bench, ['escrowmq-client']));
  for (const round of bench.rounds) {
    for (const { system } of present) {
      const cell = transactions.toLocaleString('en-US');
      const parameters = { transactions, payloadBytes: PAYLOAD_BYTES, inFlight: IN_FLIGHT };
      const measurement = { system, round, cell, parameters };
      await bench.withFresh(measurement, async running => {
        await bench.measure(measurement, () => measure(running as RunningEscrowmq, transactions));
      });
    }
  }
};

export const disk: Table<Result> = {
  name: 'disk',
  summary: 'bytes on disk and bytes written per transaction',
  reading: `Transactions of one message with ${PAYLOAD_BYTES} B, ${IN_FLIGHT} in flight through the ${nameOf('client')}, all committed and forwarded. Retained: the data
folder after an orderly stop, less that of an empty broker. Purged: the same after they were forgotten (\`--retention 1s\`)
and another stop; \`purge\` is the time from that start until none is left. Written: \`write_bytes\` of the broker process
while it ran, checkpoints counted, without the last one at its stop; Kafka's own writes are not in it.`,
  main: {
    heading: 'retained B per transaction (less is better)',
    value: ({ transactions, emptyBytes, retainedBytes }) => (retainedBytes - emptyBytes) / transactions,
  },
  reference: () => null,
  columns: [
    number('purged MiB', ({ purgedBytes }) => purgedBytes, 1 / 2 ** 20),
    number('empty MiB', ({ emptyBytes }) => emptyBytes, 1 / 2 ** 20),
    number('written B per transaction', ({ writtenBytes, transactions }) => writtenBytes / transactions),
    number('purge s', ({ purgeSeconds }) => purgeSeconds),
  ],
  run,
};
