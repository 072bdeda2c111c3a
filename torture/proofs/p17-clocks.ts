/** P17: neither a wall clock that is set nor a pause of the whole process fools the broker. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerProcess, eventually, kafkaArgs } from '../../test/support/broker-process.ts';
import { CheckHandler } from '../../test/support/check-handler.ts';
import { createTopic } from '../../test/support/topics.ts';
import { commit, gauges, inState, list, prepare, show } from '../../test/support/transactions.ts';
import { kafkaAvailable, startKafka } from '../../tools/kafka/cluster.ts';
import { judgeAsking, judgeGauges, type Seen } from '../clocks/judge.ts';
import { lacksWallClock, WallClock } from '../clocks/wall-clock.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';
import { Random } from '../random.ts';

/** `pauseMs` is longer than a check may take, at full size than any request may. */
const SIZES = { short: { jumps: 0, pauseMs: 6_000 }, full: { jumps: 30, pauseMs: 65_000 } } as const;
const HOUR = 3_600;
/** Kafka refuses what is stamped further ahead than an hour, so that it waits until the clock is set right. */
const TOO_FAR_AHEAD = HOUR - 60;
/** Near the beginning of 1970. */
const EPOCH = (): number => 60 - Math.round(Date.now() / 1_000);
/** What ended is looked for every tenth of it, so at least once after the clock was set forward and a pause. */
const RETENTION_S = 60;
/** Younger than this nothing may be forgotten; older ones are not looked for. */
const SURELY_KEPT_MS = 50_000;
const TOPIC = 'clocks';
const UNDECIDED = 30;
const COMMITS = 20;
/** By the steady clock, for whatever is due within a second. */
const PATIENCE_MS = 10_000;

/** Asked in ten minutes, and every half a second: both answer `unknown` far fewer times than their limit. */
const GROUPS = {
  rarely: { afterMs: 600_000, intervalMs: 600_000, maxIntervalMs: 600_000, limit: 100 },
  often: { afterMs: 500, intervalMs: 500, maxIntervalMs: 500, limit: 1_000 },
  prompt: { afterMs: 200, intervalMs: 200, maxIntervalMs: 200, limit: 1_000 },
} as const;

const WALL_CLOCK_FOR_AGES: PlantedFault = {
  name: 'wall-clock-for-ages',
  what: 'pauses and ages inside the process are measured by the wall clock',
  file: 'broker/clock.ts',
  from: 'const steadyMs = (): number => performance.now();',
  to: 'const steadyMs = (): number => Date.now();',
};

const FORGETS_BY_WALL_CLOCK: PlantedFault = {
  name: 'forgets-by-the-wall-clock',
  what: 'what ended is forgotten by its age on the wall clock alone',
  file: 'broker/retention.ts',
  from: ' - (clock.setForwardMs?.(retentionMs) ?? 0)',
  to: '',
};

class Trial {
  readonly anomalies: string[] = [];
  readonly broker: BrokerProcess;
  /** Committed ones, by the moment of the steady clock at which that was acknowledged. */
  readonly committed = new Map<string, number>();
  #works = 0;

  constructor(broker: BrokerProcess) {
    this.broker = broker;
  }

  get isGood(): boolean {
    return this.anomalies.length === 0;
  }

  /** What a day's work is: commits that reach the other side, and a check in time. False: something did not. */
  async work(when: string, reachesOtherSide = true): Promise<boolean> {
    const { broker } = this;
    const turn = this.#works++;
    const fresh = `fresh-${turn}`;
    try {
      await prepare(broker, 'prompt', fresh, { topic: TOPIC, payload: fresh });
      for (let i = 0; i < COMMITS; i++) await this.#commitOne(`done-${turn}-${i}`);
      await inState(broker, fresh, 'committed', PATIENCE_MS);
      const idle = async (): Promise<boolean> => (await gauges(broker)).get('escrowmq_messages{state="ready"}') === 0;
      if (reachesOtherSide) await eventually('committed messages to be forwarded', idle, PATIENCE_MS);
      this.anomalies.push(...judgeGauges(await gauges(broker)).map(sentence => `${when}: ${sentence}`));
    } catch (error) {
      this.anomalies.push(`${when}: ${(error as Error).message}`);
    }
    return this.isGood;
  }

  async #commitOne(id: string): Promise<void> {
    const made = await prepare(this.broker, 'rarely', id, { topic: TOPIC, payload: id });
    const done = await commit(this.broker, id);
    if (made.status !== 201 || done.status !== 200) throw new Error(`${id}: ${made.status}, then ${done.status}`);
    this.committed.set(id, performance.now());
  }

  /** Whatever ended not long ago is still known, and so a repeat is told so. */
  async repeat(): Promise<number> {
    const young = [...this.committed].filter(([, at]) => performance.now() - at < SURELY_KEPT_MS);
    for (const [id] of young) {
      const { status } = await commit(this.broker, id);
      if (status !== 200)
        this.anomalies.push(`${id} was committed less than ${RETENTION_S} s ago, and a repeat is ${status}`);
    }
    return young.length;
  }
}

/** Every undecided one, with all that is known of it. */
const undecidedOf = async (broker: BrokerProcess, group: string): Promise<Seen[]> => {
  const ids = (await list(broker, `group=${group}&state=prepared`)).map(({ id }) => String(id));
  const missing = Array.from({ length: UNDECIDED }, (_, i) => `${group}-${i}`).filter(id => !ids.includes(id));
  return Promise.all([...ids, ...missing].map(id => show(broker, id) as Promise<Seen>));
};

/** Where messages go. */
interface Other {
  readonly isKafka: boolean;
  /** Of the broker. */
  readonly args: string[];
  close(): Promise<void>;
}

const publisher = async (size: ProofOptions['size']): Promise<Other> => {
  if (size === 'short' || kafkaAvailable().how === 'none') {
    return { isKafka: false, args: ['--publisher', 'memory'], close: async () => {} };
  }
  const kafka = await startKafka();
  await createTopic(kafka, TOPIC, { partitions: 3 });
  return { isKafka: true, args: kafkaArgs(kafka), close: () => kafka.close() };
};

const run = async ({ size, seed, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const { jumps, pauseMs } = SIZES[size];
  const wall = new WallClock(folder);
  const to = await publisher(size);
  const broker = new BrokerProcess(join(folder, 'data'), {
    args: [...to.args, '--retention', `${RETENTION_S}s`],
    env: { ...environmentWith(fault), ...wall.env },
  });
  const handler = new CheckHandler();
  handler.answer(id => (id.startsWith('fresh') ? 'commit' : 'unknown'));
  const trial = new Trial(broker);
  try {
    await handler.listen();
    await broker.start();
    for (const [group, check] of Object.entries(GROUPS)) {
      await broker.put(`/v1/producer-groups/${group}`, { checkUrl: handler.url, check });
    }
    const began = performance.now();
    for (const group of ['rarely', 'often']) {
      for (let i = 0; i < UNDECIDED; i++) {
        await prepare(broker, group, `${group}-${i}`, { topic: TOPIC, payload: group });
      }
    }
    const random = new Random(seed);
    const chance = Array.from({ length: jumps }, () => random.below(4 * HOUR) - 2 * HOUR);
    const reaches = (seconds: number): boolean => !to.isKafka || seconds < TOO_FAR_AHEAD;
    let [before, forward] = [0, 0];
    for (const seconds of [0, -HOUR, EPOCH(), 0, ...chance, HOUR]) {
      wall.set(seconds);
      if (seconds > before) forward += 1;
      before = seconds;
      if (!(await trial.work(`${seconds} s off`, reaches(seconds)))) break;
    }
    say('pause');
    if (trial.isGood) {
      const working = trial.work('during a pause', reaches(before));
      process.kill(broker.pid, 'SIGSTOP');
      await delay(pauseMs);
      process.kill(broker.pid, 'SIGCONT');
      if (await working) await trial.work('after a pause', reaches(before));
    }
    const repeated = trial.isGood ? await trial.repeat() : 0;
    wall.set(0);
    if (trial.isGood) await trial.work('set right at last');
    for (const group of trial.isGood ? (['rarely', 'often'] as const) : []) {
      const { intervalMs } = GROUPS[group];
      const undecided = await undecidedOf(broker, group);
      const seen = { asked: handler.asked, tookMs: performance.now() - began, forward };
      trial.anomalies.push(...judgeAsking({ intervalMs, undecided }, seen));
    }
    return {
      figures: {
        'times the clock was set': 5 + jumps,
        'pause, s': pauseMs / 1_000,
        committed: trial.committed.size,
        'repeated at the end': repeated,
        'checks asked': handler.asked.length,
        to: to.isKafka ? 'Kafka' : 'memory',
      },
      anomalies: trial.anomalies,
    };
  } finally {
    await broker.kill();
    await handler.close();
    await to.close();
  }
};

export const P17: Proof = {
  promise: 'P17',
  sentence: 'Clocks that are set and pauses of the process cannot fool the broker.',
  how: 'the wall clock of the broker set by ± 1 h and to 1970 and back, and a SIGSTOP longer than its time-outs',
  target: '0 false unresolved, 0 check storms, nothing forgotten early, everything else at once',
  faults: [WALL_CLOCK_FOR_AGES, FORGETS_BY_WALL_CLOCK],
  lacks: lacksWallClock,
  run,
};
