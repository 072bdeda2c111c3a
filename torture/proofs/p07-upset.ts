/** What can happen to a node of Kafka. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaNode } from '../../tools/kafka/cluster.ts';
import type { Random } from '../random.ts';

/** In this order: one after the other. */
const UPSETS = ['stop', 'kill', 'stop', 'freeze'] as const;
export const ALL_UPSETS = UPSETS.length;
/** Longer than the cluster takes to choose other leaders. */
const FROZEN_MS = [2_500, 6_000] as const;

/**
 * The next one, by the number of the turn. `meanwhile`: awaited while the node is away, and before it is brought back. Resolves when
 * it answers again, with what was done.
 */
export const upset = async (
  node: KafkaNode,
  turn: number,
  random: Random,
  meanwhile: () => Promise<void> = async () => {},
): Promise<string> => {
  const act = UPSETS[turn % UPSETS.length]!;
  if (act === 'freeze') {
    node.pause();
    const [least, most] = FROZEN_MS;
    await Promise.all([delay(least + random.below(most - least)), meanwhile()]);
    node.resume();
  } else {
    await node[act]();
    await meanwhile();
    await node.start();
  }
  return `${act} node ${node.id}`;
};
