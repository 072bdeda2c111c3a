/** Many undecided transactions that are due for a check at the same moment. */
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { cpu, memory, number, total } from '../figures.ts';
import type { Backlog } from '../system.ts';
import { rocketmq } from '../systems/rocketmq.ts';
import type { Table } from '../table.ts';

const PAYLOAD_BYTES = 512;

/** What did not come within the patience counts as slower than anything that did. */
const late = (seconds: number | null): number => seconds ?? Number.POSITIVE_INFINITY;

const FAULTS = [
  { cell: 'all answer', hangingPercent: 0, refusingPercent: 0 },
  { cell: '10 % hang, 10 % refuse', hangingPercent: 10, refusingPercent: 10 },
];

const run = async (bench: Bench): Promise<void> => {
  const { quick } = bench.options;
  const present = await bench.present(contenders(bench, ['escrowmq-client', 'rocketmq', 'dtm-postgres']));
  for (const round of bench.rounds) {
    for (const { cell, ...faults } of FAULTS) {
      for (const { key, system } of present) {
        // dtm asks a few per second: more of them would only take longer.
        const transactions = quick ? 2_000 : key.startsWith('dtm') ? 10_000 : 100_000;
        const order = { transactions, payloadBytes: PAYLOAD_BYTES, patienceSeconds: bench.seconds(300, 20), ...faults };
        await bench.withFresh({ system, round, cell, parameters: order }, async running => {
          const name = `${transactions.toLocaleString('en-US')}, ${cell}`;
          await bench.measure({ system, round, cell: name, parameters: order }, () => running.backlog!(order));
        });
      }
    }
  }
};

export const backlog: Table<Backlog> = {
  name: 'backlog',
  summary: 'undecided transactions that all become due for a check at once',
  reading: `Every check answers commit. Times count from the first check call to the receipt by a consumer, over the
transactions whose producer can answer; \`–\` (0 per second) says that not so many came within the patience. Ratios are to RocketMQ where
the number of transactions is the same. escrowmq asks ten producer groups about up to 100 transactions in a call,
RocketMQ ten groups about one, dtm an address for each message. Hanging producers accept the call and never answer,
refusing ones are not there; calls to these cannot be counted. CPU counts until the last message or the end of the patience,
so it says little where messages are missing.`,
  main: {
    heading: 'delivered/s until 99 %',
    value: ({ answerable, percent99Seconds }) => (answerable * 0.99) / late(percent99Seconds),
  },
  reference: ({ cell }) => ({ system: rocketmq.name, cell }),
  columns: [
    number('50 % s', ({ halfSeconds }) => late(halfSeconds)),
    number('99 % s', ({ percent99Seconds }) => late(percent99Seconds)),
    number('last s', ({ lastSeconds }) => late(lastSeconds)),
    number('check calls', ({ checkCalls }) => checkCalls),
    cpu(({ delivered }) => delivered),
    memory,
    total('missing', ({ answerable, delivered }) => answerable - delivered),
    total('duplicates', ({ duplicates }) => duplicates),
  ],
  run,
};
