/** The inner part of kafkajs, for what its public part cannot do: ask one certain broker, and fetch without a group. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import { answers } from '../../tools/kafka/probe.ts';

/** A cluster that was started, or the addresses of one in plain text. */
export type KafkaTarget = readonly string[] | Pick<KafkaCluster, 'brokers' | 'security'>;

export interface WirePartition {
  readonly partitionId: number;
  readonly leader: number;
  readonly partitionErrorCode: number;
}

export interface WireRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer | Buffer[]>;
}

/** A fetched part of a partition: what is in the log, and what of it a consumer is shown. */
export interface WireBatch {
  readonly rawMessages: readonly WireRecord[];
  readonly messages: readonly WireRecord[];
}

interface FetchedPartition {
  readonly partition: number;
  readonly messages: readonly WireRecord[];
}

export interface WireBroker {
  createTopics(request: { topics: object[]; timeout: number }): Promise<unknown>;
  createPartitions(request: { topicPartitions: object[]; timeout: number }): Promise<unknown>;
  deleteTopics(request: { topics: string[]; timeout: number }): Promise<unknown>;
  metadata(topics: string[]): Promise<{ topicMetadata: { topic: string; partitionMetadata: WirePartition[] }[] }>;
  fetch(request: object): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;
}

/** Knows the brokers and the leaders of partitions. Never retries: its callers do. */
export interface WireCluster {
  readonly brokerPool: { readonly seedBroker: WireBroker };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findTopicPartitionMetadata(topic: string): WirePartition[];
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(which: { nodeId: string }): Promise<WireBroker>;
  fetchTopicsOffset(
    topics: { topic: string; fromBeginning: boolean; partitions: { partition: number }[] }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

/** 0 and 1, as the protocol has them. */
export const ISOLATION = { uncommitted: 0, committed: 1 } as const;
export type Isolation = keyof typeof ISOLATION;

const require = createRequire(import.meta.url);
const Cluster = require('kafkajs/src/cluster') as new (options: object) => WireCluster;
const Batch = require('kafkajs/src/consumer/batch') as new (topic: string, from: string, part: object) => WireBatch;
const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => object;

/** The settings of a quiet kafkajs client, with certificate and user where the cluster has them. */
export const kafkaConfig = (target: KafkaTarget): KafkaConfig => {
  const { brokers, security } = 'brokers' in target ? target : { brokers: target, security: undefined };
  const plain: KafkaConfig = { brokers: [...brokers], logLevel: logLevel.NOTHING, connectionTimeout: 2000 };
  if (security === undefined) return plain;
  const { caFile, username, password } = security;
  return {
    ...plain,
    ssl: { ca: [readFileSync(caFile, 'utf8')] },
    sasl: { mechanism: 'scram-sha-256', username, password },
  };
};

/**
 * The target without the brokers that are down or frozen. kafkajs always starts with the first one of the list, and
 * takes a connection to a frozen one for a good one. Rejects if none answers.
 */
export const answering = async (target: KafkaTarget): Promise<KafkaTarget> => {
  const { brokers, security } = 'brokers' in target ? target : { brokers: target, security: undefined };
  const ca = security && readFileSync(security.caFile, 'utf8');
  const isAnswering = await Promise.all(brokers.map(broker => answers(broker, { ca })));
  const left = brokers.filter((_, index) => isAnswering[index]);
  if (left.length === 0) throw new Error(`none of ${brokers.join(', ')} answers`);
  return { brokers: left, ...(security && { security }) };
};

/** The same Kafka, once for each of its brokers. */
export const oneByOne = (target: KafkaTarget): KafkaTarget[] =>
  'brokers' in target
    ? target.brokers.map(broker => ({ ...target, brokers: [broker] }))
    : target.map(broker => [broker]);

/** A cluster object, connected to its first broker that answers: the `seedBroker`. */
export const connectWire = async (target: KafkaTarget, isolation: Isolation = 'committed'): Promise<WireCluster> => {
  const config = kafkaConfig(await answering(target));
  const cluster = new Cluster({
    ...config,
    logger: new Kafka(config).logger(),
    socketFactory: createSocketFactory(),
    clientId: 'escrowmq-test',
    authenticationTimeout: 5000,
    requestTimeout: 5000,
    enforceRequestTimeout: true,
    reauthenticationThreshold: 10_000,
    metadataMaxAge: 0,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    isolationLevel: ISOLATION[isolation],
    retry: { retries: 0 },
  });
  await cluster.connect();
  return cluster;
};

/** Leaves out control records and what was aborted, as every consumer must do itself. */
export const decodeFetched = (topic: string, from: number, part: FetchedPartition): WireBatch =>
  new Batch(topic, String(from), part);
