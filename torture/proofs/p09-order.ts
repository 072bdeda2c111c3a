/** P9: the order of a key in Kafka is the order of its commits. */
import { addPartitions } from '../../test/support/topics.ts';
import { anyKafka, KafkaLine, noKafka } from '../network/kafka-line.ts';
import type { Fate } from '../network/kafka-proxy.ts';
import type { Proof } from '../proof.ts';
import { Random } from '../random.ts';

const SIZES = {
  short: { transactions: 600, messages: 8, inTurn: 0, restarts: 1, partitions: [3, 8] },
  full: { transactions: 10_000, messages: 10, inTurn: 3, restarts: 10, partitions: [6, 12, 24] },
} as const;
const PRODUCERS = 10;
const KEYS = 10_000;
/** Of so many sends one fails. */
const FAILS = 10;
const FAILURES: readonly Fate[] = ['lost', 'unanswered', 'late'];

export const P9: Proof = {
  promise: 'P9',
  sentence: 'Messages of one key reach Kafka in the order of their commits.',
  how: `${KEYS.toLocaleString('en')} keys, of which few are frequent (Zipf) and each occurs; one of ${FAILS} sends loses its connection before or after Kafka wrote it, or is answered late; the broker is killed; partitions are added, all under load`,
  target: '10,000 keys; no message of a key first appears before an earlier one',
  faults: [
    {
      name: 'two-sends-in-a-lane',
      what: 'the next send of a partition does not wait for the answer to the one before',
      file: 'broker/forward/lane.ts',
      from: `const sent = await unobserved(() => publisher.send(this.topic, this.partition, batch.records)).catch(
        error => error as Error,
      );`,
      to: `const before = this.#cursor;
      this.#passed(batch.messages);
      this.busy = false;
      const sent = await unobserved(() => publisher.send(this.topic, this.partition, batch.records)).catch(error => {
        this.#cursor = before;
        return error as Error;
      });`,
    },
  ],
  lacks: noKafka,
  run: async ({ size, seed, fault, folder, say }) => {
    const { transactions, messages, inTurn, restarts, partitions } = SIZES[size];
    const random = new Random(seed);
    const kafka = await anyKafka();
    const fate = (): Fate => (random.below(FAILS) === 0 ? FAILURES[random.below(FAILURES.length)]! : 'pass');
    const line = await KafkaLine.open({ kafka, folder, fault, wire: { fate } });
    try {
      const [first, ...later] = partitions;
      const topic = await line.topic({ partitions: first! });
      const load = line.load({
        ...{ topics: [topic], producers: PRODUCERS, keys: KEYS / PRODUCERS },
        ...{ pauseMs: 0, messages, inTurn },
      });
      const acts = random.shuffle([...Array<'kill'>(restarts).fill('kill'), ...later]);
      // Partitions can only become more.
      const totals = [...later];
      const each = Math.round(transactions / (acts.length + 1));
      for (const act of acts) {
        await load.more(each);
        say(`P9: ${load.acknowledged.size} transactions`);
        await (act === 'kill' ? line.broker.restart() : addPartitions(kafka, topic, totals.shift()!));
      }
      await load.more(each);
      await load.stop();
      line.proxy.fate = () => 'pass';
      // Order that is lost stays lost, whatever comes after.
      const early = await line.judgeNow(true);
      const lost = early.anomalies.filter(({ kind }) => kind === 'inversion');
      const { anomalies, counts } = lost.length > 0 ? { ...early, anomalies: lost } : await line.judge(true);
      const keys = new Set(load.in('committed').flatMap(one => one.keys)).size;
      const { pass: _, ...failed } = line.proxy.met;
      return {
        figures: {
          'messages committed': counts.committed * messages,
          'keys that occurred': keys,
          partitions: partitions.join(' → '),
          'broker killed': restarts,
          'sends that failed': Object.values(failed).reduce((a, b) => a + b),
          duplicates: counts.duplicates,
          inversions: anomalies.filter(({ kind }) => kind === 'inversion').length,
        },
        anomalies: [...load.wrong, ...anomalies.map(({ detail }) => detail)],
        missed: size === 'full' && keys < KEYS ? [`${keys} of ${KEYS} keys occurred.`] : [],
      };
    } finally {
      await line.close();
      await kafka.close();
    }
  },
};
