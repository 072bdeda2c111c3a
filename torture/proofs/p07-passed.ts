/** What the parts of P7 went through, and what follows from it. */
import { BATCH_RECORDS } from '../../broker/forward/lane.ts';
import type { Judgement } from '../call-checker.ts';
import type { Fate } from '../network/kafka-proxy.ts';
import type { Finding } from '../proof.ts';

/** What one part of it went through. */
export interface Passed {
  readonly judgement: Judgement;
  readonly wrong: readonly string[];
  /** Of committed transactions. */
  readonly messages: number;
  /** Nodes killed, stopped or frozen. */
  readonly acts: number;
  /** Times that everything between the broker and Kafka was dropped or rejected. */
  readonly walls?: number;
  readonly met: Readonly<Record<Fate, number>>;
  readonly partitions: number;
}

export const findingOf = (parts: readonly Passed[]): Finding => {
  const sum = (of: (part: Passed) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const failed = sum(({ met }) => met.lost + met.unanswered + met.swallowed + met.late);
  const duplicates = sum(({ judgement }) => judgement.counts.duplicates);
  // Each act and each wall may interrupt one send in each partition.
  const bound = (sum(({ acts, walls = 0, partitions }) => (acts + walls) * partitions) + failed) * BATCH_RECORDS;
  return {
    figures: {
      'messages committed': sum(({ messages }) => messages),
      missing: sum(({ judgement }) => judgement.anomalies.filter(({ kind }) => kind === 'missing').length),
      'nodes killed, stopped or frozen': sum(({ acts }) => acts),
      'times a firewall dropped or rejected all that goes between broker and Kafka': sum(({ walls = 0 }) => walls),
      'sends or answers that the wire lost, swallowed or held back': failed,
      duplicates: `${duplicates}, at most ${bound} are explained by what failed`,
    },
    anomalies: [
      ...parts.flatMap(({ wrong, judgement }) => [...wrong, ...judgement.anomalies.map(({ detail }) => detail)]),
      ...(duplicates > bound ? [`${duplicates} duplicates, and what failed explains ${bound}`] : []),
    ],
  };
};
