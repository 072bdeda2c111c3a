/** P7: whatever Kafka or the client library does, every committed message arrives. */
import { join } from 'node:path';
import { noOwnKafka } from '../network/kafka-line.ts';
import type { Proof } from '../proof.ts';
import { oneNode } from './p07-one-node.ts';
import { findingOf } from './p07-passed.ts';
import { threeNodes } from './p07-three-nodes.ts';
import { lacksWall, walled } from './p07-walled.ts';

export const P7: Proof = {
  promise: 'P7',
  sentence: 'Every committed message reaches Kafka at least once.',
  how: 'load on one node and on three, whose nodes are stopped, killed and frozen in turn; a wire that loses sends, breaks instead of answers, swallows answers and holds them back; partitions added; a topic deleted while messages wait for it, and made again; a firewall (iptables, in networks of its own) that drops or rejects everything between broker and Kafka, which meanwhile accepts. In the shape of the system test of Kafka’s own transactions',
  target: '100,000 messages, none missing; duplicates ≤ what failed × one send',
  faults: [
    {
      name: 'believe-any-answer',
      what: 'a send counts although Kafka’s answer does not name the partition',
      file: 'broker/forward/kafka-answer.ts',
      from: 'if (answer.length !== 1 || !entry || entry.topicName !== topic || entry.partition !== partition) return null;',
      to: 'if (answer.length !== 1 || !entry || entry.topicName !== topic || entry.partition !== partition) return 0;',
    },
  ],
  lacks: noOwnKafka,
  run: async options => {
    const one = await oneNode({ ...options, folder: join(options.folder, 'one') });
    const found = findingOf([one]);
    if (found.anomalies.length > 0) return found;
    const three = await threeNodes({ ...options, folder: join(options.folder, 'three') });
    const lack = lacksWall();
    if (lack !== null) return { ...findingOf([one, three]), missed: [`A firewall was not tried: ${lack}`] };
    return findingOf([one, three, await walled({ ...options, folder: join(options.folder, 'walled') })]);
  },
};
