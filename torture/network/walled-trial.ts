/** Run by proofs/p07-walled.ts in a network of its own: load on a broker whose Kafka is behind a firewall now and then. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Passed } from '../proofs/p07-passed.ts';
import type { WalledOrder, WalledWord } from '../proofs/p07-walled.ts';
import { refusalsIn } from '../proofs/p12-outage.ts';
import { KafkaLine, ownKafka } from './kafka-line.ts';
import { WalledNetwork } from './walled-network.ts';

const PARTITIONS = 3;

const tell = (word: WalledWord): void => void process.send!(word);

const trial = async ({ load: shape, some, walls, folder }: WalledOrder): Promise<Passed> => {
  const network = await WalledNetwork.make();
  const kafka = await ownKafka({ host: network.address, within: network.beyond });
  const line = await KafkaLine.open({ kafka, folder, fault: null, isDirect: true });
  // Whoever ordered it is gone.
  process.once('disconnect', () => void line.broker.kill().finally(() => process.exit(1)));
  try {
    const load = line.load({ topics: [await line.topic({ partitions: PARTITIONS })], ...shape });
    const wrong: string[] = [];
    await line.moreForwarded(some, 'at the beginning');
    for (const [wall, ms] of walls) {
      network.build(wall);
      await delay(ms);
      const [forwarded, before] = [await line.count('forwarded'), load.in('committed').length];
      await load.more(some);
      if ((await line.count('forwarded')) > forwarded) throw new Error(`a wall that was to ${wall} let something pass`);
      if (load.in('committed').length === before) wrong.push(`nothing was accepted behind a wall (${wall})`);
      tell({ say: `P7: a wall (${wall}) for ${ms} ms, ${await line.count('ready')} messages wait` });
      network.open();
      await line.moreForwarded(some, `after a wall (${wall})`);
    }
    await load.stop();
    const judgement = await line.judge(false);
    return {
      judgement,
      wrong: [...load.wrong, ...wrong, ...refusalsIn(line.history.read())],
      messages: load.in('committed').length * shape.messages,
      acts: 0,
      walls: walls.length,
      met: line.proxy.met,
      partitions: PARTITIONS,
    };
  } finally {
    await line.close();
    await kafka.close();
    network.close();
  }
};

tell({ passed: await trial(JSON.parse(process.argv[2]!) as WalledOrder) });
process.removeAllListeners('disconnect');
process.disconnect();
