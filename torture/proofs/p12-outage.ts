/** P12: Kafka is away, and nobody who calls the broker hears of it. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallEvent } from '../call-history.ts';
import { anyKafka, KafkaLine, noKafka } from '../network/kafka-line.ts';
import { environmentAsInTheImage } from '../planted-fault.ts';
import type { Proof } from '../proof.ts';

const SIZES = {
  short: { awayMs: 5_000, producers: 6, pauseMs: 10, messages: 4, payloadBytes: 500 },
  full: { awayMs: 60_000, producers: 12, pauseMs: 10, messages: 5, payloadBytes: 1_000 },
} as const;
const BEFORE = 50;
const PARTITIONS = 6;
/** A figure to reach; twice as much, and the queue is in memory. */
const MOST_BYTES = 300e6;
const LOOK_EVERY_MS = 50;
const CATCH_UP_WITHIN_MS = 120_000;

/** Resident memory of a process, in bytes. */
export const residentBytes = (pid: number): number => {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (line === null) throw new Error(`process ${pid} has no resident memory`);
  return Number(line[1]) * 1024;
};

/** Calls that were not answered as they should be, whatever became of their repeats. */
export const refusalsIn = (events: readonly CallEvent[]): string[] =>
  events.flatMap(one => (one.event === 'info' ? [`${one.op} ${one.id}: ${one.why}`] : []));

export const P12: Proof = {
  promise: 'P12',
  sentence: 'Kafka may be away for hours: the broker takes everything meanwhile, and forwards it afterwards.',
  how: 'every connection to Kafka breaks and none can be made, under load; after that time Kafka is there again, and the load goes on',
  target:
    'no call refused, nothing missing or out of order, less than 300 MB of memory, catching up at twice the rate of arrival',
  faults: [
    {
      name: 'refused-while-away',
      what: 'a topic of which Kafka says nothing is taken for one that is missing',
      file: 'broker/forward/topic-catalogue.ts',
      from: "if (this.#away) return 'unknown';",
      to: "if (this.#away) return 'missing';",
    },
  ],
  lacks: () =>
    process.platform === 'linux' ? noKafka() : 'The memory of a process is read from /proc, which only Linux has.',
  run: async ({ size, fault, folder, say }) => {
    const { awayMs, messages, ...pace } = SIZES[size];
    const kafka = await anyKafka();
    const env = environmentAsInTheImage(fault);
    const line = await KafkaLine.open({ kafka, folder, fault, env });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, residentBytes(line.broker.pid));
    }, LOOK_EVERY_MS);
    try {
      const topic = await line.topic({ partitions: PARTITIONS });
      const load = line.load({ topics: [topic], messages, ...pace });
      await load.more(BEFORE);
      line.proxy.isAway = true;
      const before = load.in('committed').length;
      const left = performance.now();
      await delay(awayMs);
      const awayS = (performance.now() - left) / 1_000;
      const arrived = (load.in('committed').length - before) * messages;
      say(`P12: ${arrived} messages were committed while Kafka was away`);
      const [waiting, forwarded] = [await line.count('ready'), await line.count('forwarded')];
      line.proxy.isAway = false;
      const back = performance.now();
      // The load goes on: there are always some on their way.
      while ((await line.count('ready')) > waiting / 20 && performance.now() - back < CATCH_UP_WITHIN_MS) {
        await delay(LOOK_EVERY_MS);
      }
      const caughtUpS = (performance.now() - back) / 1_000;
      const rate = ((await line.count('forwarded')) - forwarded) / caughtUpS / (arrived / awayS);
      await load.stop();
      const { anomalies, counts } = await line.judge(false);
      const refused = refusalsIn(line.history.read());
      const found = [...load.wrong, ...refused, ...anomalies.map(({ detail }) => detail)];
      const took = `${Math.round(most / 1e6)} MB`;
      if (most > 2 * MOST_BYTES) found.push(`the broker took ${took} of memory`);
      const missed = [
        ...(most > MOST_BYTES ? [`The broker took ${took} of memory.`] : []),
        ...(size === 'full' && rate < 2 ? [`It caught up at ${rate.toFixed(1)} × the rate of arrival.`] : []),
      ];
      return {
        figures: {
          'seconds away': Math.round(awayS),
          'messages committed meanwhile': arrived,
          'waiting at the end': waiting,
          'calls refused': load.wrong.length + refused.length,
          'memory, at most': took,
          'caught up after': `${caughtUpS.toFixed(1)} s, at ${rate.toFixed(1)} × the rate of arrival`,
          duplicates: counts.duplicates,
        },
        anomalies: found,
        missed,
      };
    } finally {
      clearInterval(watch);
      await line.close();
      await kafka.close();
    }
  },
};
