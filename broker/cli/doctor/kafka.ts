/** What the doctor says of Kafka and of the topics that messages go to. */
import type { KafkaConfig } from '../../config.ts';
import { inspectKafka, type KafkaInspection, MAX_TOPICS_INSPECTED, type TopicInspection } from '../../inspection.ts';
import { counted } from '../terminal-text.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const alter = (topic: string, value: number): string =>
  `kafka-configs.sh --alter --topic ${topic} --add-config min.insync.replicas=${value}`;

/** Null: nothing is to be said of it. */
const topicFinding = ({ topic, partitions, replicas, lagging, minInSync, error }: TopicInspection): Finding | null => {
  const check = `topic ${topic}`;
  if (partitions === null || replicas === null) {
    return warn(
      check,
      `Messages were prepared for it. ${error}`,
      'Create it, or give the broker’s user the right to describe and write it.',
    );
  }
  if (minInSync !== null && minInSync > replicas)
    return fail(
      check,
      `min.insync.replicas is ${minInSync}, and there are ${counted(replicas, 'replica')}: nothing can be written.`,
      alter(topic, Math.max(1, replicas - 1)),
    );
  if (replicas < 2)
    return warn(check, 'It has one replica: what is on a lost disk of Kafka is lost.', 'Use three replicas.');
  if (minInSync === 1)
    return warn(
      check,
      `It has ${replicas} replicas, but min.insync.replicas is 1: an acknowledged record may be on one disk only.`,
      alter(topic, 2),
    );
  if (minInSync === replicas)
    return warn(
      check,
      `min.insync.replicas is ${minInSync} of ${replicas} replicas: one Kafka broker away, and nothing can be written.`,
      'Use one replica more than that.',
    );
  if (lagging > 0)
    return warn(check, `${counted(lagging, 'partition')} have replicas that are behind.`, 'Look at Kafka’s brokers.');
  return null;
};

/** `known`: topics that there are; only so many were looked at. */
export const topicFindings = (topics: readonly TopicInspection[], known: number): Finding[] => {
  const findings = topics.map(topicFinding).filter(finding => finding !== null);
  const good = topics.length - findings.length;
  const unread = topics.filter(({ minInSync, error }) => minInSync === null && error === null).length;
  if (good > 0)
    findings.unshift(
      ok(
        'topics',
        `${counted(good, 'topic')} as it should be${unread > 0 ? `; min.insync.replicas of ${unread} may not be read by this user` : ''}.`,
      ),
    );
  if (known > topics.length)
    findings.push(ok('topics', `Only the first ${MAX_TOPICS_INSPECTED} of ${known} were looked at.`));
  return findings;
};

/** `topics`: those that messages were prepared for. */
export const kafkaFindings = async (kafka: KafkaConfig | null, topics: readonly string[]): Promise<Finding[]> => {
  if (kafka === null)
    return [
      warn(
        'Kafka',
        'The memory publisher stands in for it: records are gone at restart.',
        'For more than trying out: --publisher kafka and --kafka-brokers.',
      ),
    ];
  let found: KafkaInspection;
  try {
    found = await inspectKafka(kafka, topics);
  } catch (error) {
    const advice = `Is a Kafka at ${kafka.brokers.join(', ')}? See --kafka-brokers, --kafka-tls and --kafka-sasl.`;
    return [fail('Kafka', (error as Error).message, advice)];
  }
  const brokers = `${counted(found.brokers.length, 'broker')} (${found.brokers.join(', ')})`;
  return [
    ok('Kafka', `Cluster ${found.clusterId} answers, with ${brokers}.`),
    ...topicFindings(found.topics, topics.length),
  ];
};
