/** Too much at once: for the broker, for a polite group beside a greedy one, for small messages beside large ones. */
import type { Bench } from '../bench.ts';
import { contenders } from '../contenders.ts';
import { COMPLETE, figure, number, p50p99, total } from '../figures.ts';
import type { ArrivalsOrder, Large, OperationCounts } from '../load/messages.ts';
import { median } from '../spread.ts';
import type { Cell, Throughput } from '../system.ts';
import type { RunningEscrowmq } from '../systems/escrowmq.ts';
import { arrivals, BACK_IN_SUCCESSION, measureOverload, type Overload } from '../systems/escrowmq-overload.ts';
import type { Column, Table } from '../table.ts';

type Result = Throughput | Overload;

const TIMES = 5;
const PEAK = 'peak: 256 in flight';
const OVERLOAD = `${TIMES} times the peak`;
const ALONE = '16 in flight, alone';
const BESIDE_GREEDY = '16 in flight, beside a greedy group';
const BESIDE_LARGE = '16 in flight, 1 % of 900 KiB';
const LARGE: Large = { every: 100, bytes: 900 * 1024 };
/** Far more waits then than the broker lets in. */
const LOAD = { payloadBytes: 512, perRequest: 50, connections: 400 };

const cellsOf = (bench: Bench, inFlight: number): Cell => ({
  inFlight,
  warmUpSeconds: bench.options.quick ? 1 : 4,
  seconds: bench.options.quick ? 1 : 8,
  payloadBytes: 512,
  localMs: null,
});

/** The greedy group offers its load as long as the other one is measured. */
const besideGreedy = async (running: RunningEscrowmq, cell: Cell, perSecond: number): Promise<Throughput> => {
  await running.unaskedGroup('greedy');
  const receiving = await running.receiving();
  const { url } = running.broker;
  const order: ArrivalsOrder = { ...LOAD, url, topic: receiving.topic, groups: ['greedy'], perSecond, seconds: 3_600 };
  const greedy = await arrivals(order);
  try {
    greedy.send('run');
    return await running.throughput(cell);
  } finally {
    await Promise.all([greedy.stop(), receiving.stop()]);
  }
};

const run = async (bench: Bench): Promise<void> => {
  const present = await bench.present(contenders(bench, ['escrowmq-client']));
  const [wide, polite] = [cellsOf(bench, 256), cellsOf(bench, 16)];
  const seconds = bench.seconds(120, 5);
  for (const round of bench.rounds) {
    for (const { system } of present) {
      await bench.withFresh({ system, round, cell: 'start', parameters: {} }, async started => {
        const running = started as RunningEscrowmq;
        const measure = <R extends Result>(cell: string, parameters: object, work: () => Promise<R>) =>
          bench.measure<R>({ system, round, cell, parameters }, work);
        const peak = await measure(PEAK, wide, () => running.throughput(wide));
        if (peak === null) return;
        const perSecond = TIMES * peak.completePerSecond;
        const order = { ...LOAD, groups: ['bench'], perSecond, seconds };
        await measure(OVERLOAD, order, () => measureOverload(running, order));
        await measure(ALONE, polite, () => running.throughput(polite));
        const beside = { ...polite, greedyPerSecond: perSecond };
        await measure(BESIDE_GREEDY, beside, () => besideGreedy(running, polite, perSecond));
        await measure(BESIDE_LARGE, { ...polite, ...LARGE }, () => running.throughput(polite, LARGE));
      });
    }
  }
};

const REFERENCES: Readonly<Record<string, string>> = {
  [OVERLOAD]: PEAK,
  [BESIDE_GREEDY]: ALONE,
  [BESIDE_LARGE]: ALONE,
};

const only = <R>(heading: string, pick: (overload: Overload) => number | null, unit = 1): Column<R | Result> =>
  number(heading, result => (typeof result === 'object' && 'offeredPerSecond' in result! ? pick(result) : null), unit);

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

const refused = (kind: 'prepare' | 'commit'): Column<Result>[] => [
  only(`${kind}s refused with 503 or 429, %`, ({ [kind]: counts }) => share(counts.overloaded, counts.answered), 100),
  only('of these with Retry-After, %', ({ [kind]: counts }) => share(counts.withRetryAfter, counts.overloaded), 100),
  only(`${kind}s refused otherwise`, ({ [kind]: counts }: Record<typeof kind, OperationCounts>) => counts.other),
];

const rss: Column<Result> = {
  heading: 'RSS of the broker MiB, start / peak / end',
  text: results => {
    const all = results.filter(result => 'rssBytes' in result).map(result => result.rssBytes);
    const mebibytes = (name: 'start' | 'peak' | 'end') => figure(median(all.map(each => each[name])) / 2 ** 20);
    return all.length === 0 ? '–' : `${mebibytes('start')} / ${mebibytes('peak')} / ${mebibytes('end')}`;
  },
};

export const overload: Table<Result> = {
  name: 'overload',
  summary: 'five times the load it can take, a greedy group, a few large messages',
  reading: `The peak is what the batching client reached just before. The overload arrives at its own pace, in requests of
${LOAD.perRequest} operations over ${LOAD.connections} connections for prepares and as many for commits; arrivals that find all of them taken are turned
away and never sent. The load takes its share of the same cores, so goodput below the peak is not the broker's doing
alone. Commits of the overload count from the answer to the prepare to the answer that says they are durable, with all
repeats after a refusal. Back: from the end of the arrivals until ${BACK_IN_SUCCESSION} transactions in succession of a lone caller took no
longer than 99 % of them did before. The greedy group offers the same load for as long as the other is measured.
With 1 % of 900 KiB the latencies are those of the small messages. Ratios are to the peak, and to 16 in flight alone.`,
  main: { heading: COMPLETE.heading, value: ({ completePerSecond }) => completePerSecond },
  reference: ({ system, cell }) => (REFERENCES[cell] === undefined ? null : { system, cell: REFERENCES[cell] }),
  columns: [
    p50p99('call', result => ('callMs' in result ? result.callMs : null)),
    p50p99('commit', ({ commitMs }) => commitMs),
    only('offered/s', ({ offeredPerSecond }) => offeredPerSecond),
    only('turned away %', ({ turnedAwayShare }) => turnedAwayShare, 100),
    ...refused('prepare'),
    ...refused('commit'),
    rss,
    only('back after s', ({ backAfterSeconds }) => backAfterSeconds),
    total('failed', result => ('failed' in result ? result.failed : 0)),
    total('missing', ({ missing }) => missing),
    total('duplicates', ({ duplicates }) => duplicates),
  ],
  run,
};
