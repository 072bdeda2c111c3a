/** Three nodes, rolled, killed and frozen one after the other: what arrived under load while leaders move. */
import { KafkaLine, ownKafka } from '../network/kafka-line.ts';
import { FATES, type Fate } from '../network/kafka-proxy.ts';
import type { ProofOptions } from '../proof.ts';
import { Random } from '../random.ts';
import type { Passed } from './p07-passed.ts';
import { ALL_UPSETS, upset } from './p07-upset.ts';

const SIZES = {
  short: { producers: 4, messages: 5, pauseMs: 80, between: 100, rounds: 1, wanted: 3_000, fails: 60 },
  full: { producers: 6, messages: 20, pauseMs: 40, between: 1_000, rounds: 2, wanted: 80_000, fails: 300 },
} as const;
const PARTITIONS = 6;

export const threeNodes = async ({ size, seed, fault, folder, say }: ProofOptions): Promise<Passed> => {
  const { producers, messages, pauseMs, between, rounds, wanted, fails } = SIZES[size];
  const random = new Random(seed);
  const kafka = await ownKafka({ nodes: 3 });
  const bad = FATES.filter(fate => fate !== 'pass');
  const fate = (): Fate => (random.below(fails) === 0 ? bad[random.below(bad.length)]! : 'pass');
  const line = await KafkaLine.open({ kafka, folder, fault, wire: { fate } });
  let acts = 0;
  say('P7: three nodes');
  try {
    const topics = [
      await line.topic({ partitions: PARTITIONS, replicas: 3 }),
      await line.topic({ partitions: 1, replicas: 3 }),
    ];
    const load = line.load({ topics, producers, messages, pauseMs });
    await line.moreForwarded(between, 'at the beginning');
    const resumes = async (when: string): Promise<void> => line.moreForwarded(between, when);
    const order = random.shuffle([...kafka.nodes]);
    for (; acts < rounds * ALL_UPSETS; acts++) {
      const node = order[acts % order.length]!;
      const told = await upset(node, acts, random, () => resumes(`without node ${node.id}`));
      await resumes(`with node ${node.id} again`);
      say(`P7: ${told}, ${load.acknowledged.size * messages} messages`);
    }
    while (load.in('committed').length * messages < wanted) await load.more(100);
    await load.stop();
    const judgement = await line.judge(false);
    return {
      judgement,
      wrong: load.wrong,
      messages: load.in('committed').length * messages,
      acts,
      met: line.proxy.met,
      partitions: PARTITIONS + 1,
    };
  } finally {
    await line.close();
    await kafka.close();
  }
};
