/** One node: the wire fails, the topics change, and at full size the node fails, too. */
import { addPartitions, deleteTopic } from '../../test/support/topics.ts';
import { commit, prepare, show } from '../../test/support/transactions.ts';
import type { Operation } from '../call-history.ts';
import { anyKafka, KafkaLine, ownKafka } from '../network/kafka-line.ts';
import { FATES, type Fate } from '../network/kafka-proxy.ts';
import type { ProofOptions } from '../proof.ts';
import { Random } from '../random.ts';
import type { Passed } from './p07-passed.ts';
import { upset } from './p07-upset.ts';

const SIZES = {
  short: { producers: 6, messages: 5, some: 60, partitions: [2, 5], acts: 0, swallowedMs: 1_000, fails: 15 },
  // Longer than the client library waits for an answer.
  full: { producers: 10, messages: 20, some: 300, partitions: [2, 5, 9], acts: 4, swallowedMs: 35_000, fails: 60 },
} as const;
const DOOMED = 20;
const GROUP = 'load';

export const oneNode = async ({ size, seed, fault, folder, say }: ProofOptions): Promise<Passed> => {
  const { producers, messages, some, partitions, acts, swallowedMs, fails } = SIZES[size];
  const random = new Random(seed);
  const own = acts > 0 ? await ownKafka() : null;
  const kafka = own ?? (await anyKafka());
  const line = await KafkaLine.open({ kafka, folder, fault, wire: { swallowedMs } });
  try {
    const [first, ...later] = partitions;
    const topic = await line.topic({ partitions: first! });
    const other = await line.topic({ partitions: first! });
    const doomed = await line.topic({});
    const load = line.load({ topics: [topic, other], producers, messages, pauseMs: 5 });
    const waiting = await prepareFor(line, doomed);
    await load.more(some);
    await deleteTopic(kafka, doomed);
    for (const id of waiting) await told(line, 'commit', id, doomed, () => commit(line.broker, id));
    for (const total of later) {
      await addPartitions(kafka, topic, total);
      await untilUsed(line, topic, load, total);
      await load.more(some);
      say(`P7: ${load.acknowledged.size} transactions, ${total} partitions`);
    }
    await line.topic({}, doomed);
    const bad = FATES.filter(fate => fate !== 'pass');
    line.proxy.fate = (): Fate => (random.below(fails) === 0 ? bad[random.below(bad.length)]! : 'pass');
    for (let act = 0; act < acts; act++) {
      say(`P7: ${await upset(own!.nodes[0]!, act, random)}`);
      await line.moreForwarded(some, 'after it');
    }
    await load.more(2 * some);
    await load.stop();
    line.proxy.fate = () => 'pass';
    say('P7: one node, the load has ended');
    const judgement = await line.judge(true);
    return {
      judgement,
      wrong: load.wrong,
      messages: load.in('committed').length * messages + waiting.length,
      acts,
      met: line.proxy.met,
      partitions: partitions.at(-1)! + first! + 1,
    };
  } finally {
    await line.close();
    await kafka.close();
  }
};

/** Calls once, and writes it into the history. */
const told = async (
  line: KafkaLine,
  op: Operation,
  id: string,
  topic: string,
  call: () => ReturnType<typeof prepare>,
): Promise<void> => {
  const about = { op, id, topic, key: 'doomed', number: Number(id.split('-')[1]) };
  line.history.write({ event: 'invoke', ...about });
  const { status, body } = await call();
  line.history.write({ event: status < 300 ? 'ok' : 'fail', ...about, state: body.state });
};

/** Half messages for the topic; their ids, in the order in which they are to be committed. */
const prepareFor = async (line: KafkaLine, topic: string): Promise<string[]> => {
  const ids = Array.from({ length: DOOMED }, (_, number) => `doomed-${number}`);
  for (const id of ids) {
    await told(line, 'prepare', id, topic, () =>
      prepare(line.broker, GROUP, id, { topic, key: 'doomed', payload: id }),
    );
  }
  return ids;
};

/** Resolves when the last partition of the topic got a message. */
const untilUsed = async (
  line: KafkaLine,
  topic: string,
  load: ReturnType<KafkaLine['load']>,
  total: number,
): Promise<void> => {
  for (;;) {
    await load.more(5);
    const last = load.in('committed').findLast(one => one.topic === topic);
    const { messages } = await show(line.broker, last!.id);
    const used = (messages as { partition: number | null }[]).map(({ partition }) => partition ?? 0);
    if (Math.max(...used) === total - 1) return;
  }
};
