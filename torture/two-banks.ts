/**
 * Two banks, everything that can die dying, and a judge at the end: the banks of examples/transfer as they are, a broker
 * and a Kafka, real processes on real databases.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readTopic } from '../test/support/topics.ts';
import type { KafkaCluster } from '../tools/kafka/cluster.ts';
import { Caller } from './caller.ts';
import { check, type Verdict } from './checker.ts';
import { type HistoryEvent, readHistory } from './history.ts';
import type { KeptProcess } from './kept-process.ts';
import { Nemesis } from './nemesis.ts';
import { ACCOUNTS, ACTS, type Act, BALANCE, type Plan, planOf } from './plan.ts';
import { Stage, type StageOptions } from './stage.ts';

const SAMPLES = 25;
/** From the last transfer until everything is where it belongs. */
const DRAINED_WITHIN_MS = 120_000;

export interface RunOptions extends StageOptions {
  readonly transfers: number;
  readonly seed: number;
  /** Transfers under way at the same time. */
  readonly callers: number;
  /** After so long the run is given up, and rejects. */
  readonly limitMs: number;
}

export interface RunResult {
  readonly verdict: Verdict;
  readonly events: readonly HistoryEvent[];
  readonly acts: Readonly<Record<Act, number>>;
  /** Processes that were started again, whatever they died of. */
  readonly deaths: { readonly bankA: number; readonly bankB: number; readonly broker: number };
  /** Replies of the broker that were lost on purpose. */
  readonly swallowed: number;
  readonly seconds: number;
}

/** Rejects where the run itself could not be had; whether the promise held is for the verdict to say. */
export const runTwoBanks = async (options: RunOptions): Promise<RunResult> => {
  const { transfers, seed, limitMs } = options;
  const began = performance.now();
  const stage = new Stage(options);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The run took longer than ${limitMs / 1_000} s.`)), limitMs);
  });
  const work = async (): Promise<RunResult> => {
    await stage.open();
    const plan = planOf(transfers, seed);
    await play(stage, plan, options);
    return { ...(await judge(stage, plan, options.kafka)), seconds: (performance.now() - began) / 1_000 };
  };
  try {
    return await Promise.race([work(), late, stage.lost]);
  } finally {
    clearTimeout(timer);
    await stage.close();
  }
};

/** All transfers, with all that is done to them; resolves when everything that was killed is up again. */
const play = async (stage: Stage, plan: Plan, { kafka, callers }: RunOptions): Promise<void> => {
  const { broker, banksA, banksB, both, history } = stage;
  const nemesis = new Nemesis(plan.acts, { broker, kafka: kafka.nodes[0]!, banksA, banksB }, history);
  const caller = new Caller(banksA, history);
  const amounts = amountsOf(plan);
  const every = Math.max(1, Math.floor(plan.transfers.length / SAMPLES));
  // One at a time: each is several questions that belong together.
  let sampled = Promise.resolve();
  await caller.makeAll(plan.transfers, callers, () => {
    nemesis.note(caller.ended);
    if (caller.ended % every !== 0) return;
    sampled = sampled.then(async () => history.write({ event: 'sample', ...(await both.sample(amounts)) }));
    // What it failed with is thrown at the end.
    sampled.catch(() => {});
  });
  await sampled;
  nemesis.note(Number.POSITIVE_INFINITY);
  await nemesis.done;
};

const judge = async (stage: Stage, plan: Plan, kafka: KafkaCluster): Promise<Omit<RunResult, 'seconds'>> => {
  const { broker, banksA, banksB, both, logs } = stage;
  const { records, stuck } = await drained(stage, kafka);
  const deathsOf = (processes: readonly KeptProcess[]): number =>
    processes.reduce((sum, { deaths }) => sum + deaths, 0);
  const deaths = { bankA: deathsOf(banksA), bankB: deathsOf(banksB), broker: deathsOf([broker]) };
  // Before the last look: whatever still happens in them shall be seen.
  await stage.stopBanks();
  const events = readHistory(logs);
  const total = 2 * ACCOUNTS * BALANCE;
  const held = await both.everything();
  const verdict = check({ amounts: amountsOf(plan), total, events, records, stuck, crashes: stage.crashes, ...held });
  const countOf = (wanted: (event: HistoryEvent) => boolean): number => events.filter(wanted).length;
  const counts = ACTS.map(act => [act, countOf(event => event.event === 'act' && event.act === act)]);
  const acts = Object.fromEntries(counts) as Record<Act, number>;
  return { verdict, events, acts, deaths, swallowed: countOf(({ event }) => event === 'swallow') };
};

const amountsOf = ({ transfers }: Plan): ReadonlyMap<string, number> =>
  new Map(transfers.map(({ id, amount }) => [id, amount]));

/** Waits until nothing is under way any more: decided, forwarded, and handled by bank B. */
const drained = async (
  { topic, broker, both }: Stage,
  kafka: KafkaCluster,
): Promise<{ records: string[]; stuck: string | null }> => {
  const deadline = performance.now() + DRAINED_WITHIN_MS;
  let records: string[] = [];
  for (let stuck = 'the broker does not answer'; ; await delay(200)) {
    const left = await unended(broker).catch(() => null);
    if (left !== null && left.prepared + left.ready > 0) stuck = `at the broker: ${JSON.stringify(left)}`;
    if (left !== null && left.prepared + left.ready === 0) {
      records = (await readTopic(kafka, topic)).map(({ headers }) => String(headers.ce_id));
      const arrived = await both.arrived();
      const missing = new Set(records.filter(id => !arrived.has(id)));
      if (missing.size === 0) return { records, stuck: null };
      stuck = `records that bank B has not handled: ${missing.size}, for example ${[...missing][0]}`;
    }
    if (performance.now() > deadline) return { records, stuck };
  }
};

/** What the broker holds that has not come to its end. */
const unended = async (broker: KeptProcess): Promise<{ prepared: number; ready: number }> => {
  const text = await (await fetch(`${broker.url}/metrics`)).text();
  const figure = (series: string): number => {
    const line = text.split('\n').find(one => one.startsWith(`${series} `));
    if (line === undefined) throw new Error(`the broker's metrics lack ${series}`);
    return Number(line.split(' ')[1]);
  };
  return {
    prepared: figure('escrowmq_transactions{state="prepared"}'),
    ready: figure('escrowmq_messages{state="ready"}') + figure('escrowmq_messages{state="parked"}'),
  };
};
