/** escrowmq with a real Kafka: only what a consumer received from Kafka counts. */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { VERSION } from '../../broker/version.ts';
import { BrokerProcess, kafkaArgs } from '../../test/support/broker-process.ts';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import { memorySettings } from '../image-settings.ts';
import { LoadProcess } from '../load/child.ts';
import {
  type FillOrder,
  type FillReport,
  isLarge,
  type Large,
  type ProducerOrder,
  type ProducerReport,
  type ReceiverReport,
} from '../load/messages.ts';
import { Receiving } from '../load/receiving.ts';
import { measureUsage } from '../process-usage.ts';
import { spreadOf } from '../spread.ts';
import type {
  Backlog,
  BacklogOrder,
  Cell,
  Running,
  SlowLocal,
  SlowLocalOrder,
  Spread,
  System,
  Throughput,
  Usage,
} from '../system.ts';
import { measureBacklog } from './escrowmq-backlog.ts';
import { measureSlowLocal } from './escrowmq-slow-local.ts';

const PARTITIONS = 6;
/** A consumer that received nothing for so long has all there is. */
const QUIET_MS = 3_000;

/** A broker process, however it was started. */
export type Broker = Pick<BrokerProcess, 'url' | 'pid' | 'dataDir' | 'put' | 'start' | 'stop' | 'kill'>;

export interface EscrowmqOptions {
  /** Or what starts it, when it is needed. */
  readonly kafka: KafkaCluster | (() => Promise<KafkaCluster>);
  readonly calls: 'single' | 'client';
  /** Further settings of the broker. */
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
}

let topics = 0;

/** A new topic that nobody has written to. */
export const freshTopic = async (brokers: readonly string[]): Promise<string> => {
  const topic = `bench-${process.pid}-${topics++}`;
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();
  return topic;
};

/** Bytes that its files occupy. */
export const folderBytes = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => {
    const status = statSync(path.join(folder, name), { throwIfNoEntry: false });
    return sum + (status?.isFile() ? status.blocks * 512 : 0);
  }, 0);

export const nameOf = (calls: EscrowmqOptions['calls']): string =>
  calls === 'single' ? 'escrowmq, single calls' : 'escrowmq, batching client';

export const DURABILITY =
  'prepare and commit each fsynced before their answers; Kafka acks=all, one node, its default flush';

export const escrowmq = ({ kafka, calls, args = [], env = {} }: EscrowmqOptions): System => ({
  name: nameOf(calls),
  version: VERSION,
  durability: DURABILITY,
  unavailable: async () => null,
  start: async folder => {
    const cluster = typeof kafka === 'function' ? await kafka() : kafka;
    mkdirSync(folder, { recursive: true });
    const broker = new BrokerProcess(path.join(folder, 'data'), {
      args: [...kafkaArgs(cluster), ...args],
      env: { ...memorySettings(), ...env },
    });
    await broker.start();
    return new RunningEscrowmq(cluster, broker, calls, folder);
  },
});

export class RunningEscrowmq implements Running {
  readonly broker: Broker;
  readonly #kafka: KafkaCluster;
  readonly #calls: 'single' | 'client';
  readonly #folder: string;

  constructor(kafka: KafkaCluster, broker: Broker, calls: 'single' | 'client', folder: string) {
    this.#kafka = kafka;
    this.broker = broker;
    this.#calls = calls;
    this.#folder = folder;
  }

  /** A consumer of a new topic. */
  async receiving(): Promise<Receiving> {
    const { brokers } = this.#kafka;
    return Receiving.start(brokers, await freshTopic(brokers));
  }

  /** A group that is never asked, as far as a benchmark lasts. */
  async unaskedGroup(group: string): Promise<void> {
    await this.broker.put(`/v1/producer-groups/${group}`, { checkUrl: null, check: { afterMs: 3_600_000 } });
  }

  /** Of the broker, Kafka and these processes; starts now, ends with the call of what it returns. */
  measureUsage(others: Record<string, number>): () => Record<string, Usage> {
    const kafka = this.#kafka.nodes.map(({ id, pid }) => [id === 1 ? 'kafka' : `kafka ${id}`, pid]);
    return measureUsage({ broker: this.broker.pid, ...others, ...Object.fromEntries(kafka) });
  }

  /** Where there are large messages between the others, the latencies are those of the others. */
  async throughput(cell: Cell, large: Large | null = null): Promise<Throughput> {
    await this.unaskedGroup('bench');
    const receiving = await this.receiving();
    const order: ProducerOrder = { url: this.broker.url, topic: receiving.topic, calls: this.#calls, cell, large };
    const producer = new LoadProcess('bench/load/producer.ts', [JSON.stringify(order)]);
    try {
      await producer.nextEvent('ready');
      const warmedUp = await this.#phase(producer, receiving, 'warm up', 0);
      const stopUsage = this.measureUsage({ producer: producer.pid, consumer: receiving.pid });
      const phase = await this.#phase(producer, receiving, 'measure', warmedUp.first + warmedUp.commitAt.length);
      const processes = stopUsage();
      return { ...summary(phase, await receiving.report(), large), processes };
    } finally {
      await Promise.all([producer.stop(), receiving.stop()]);
    }
  }

  async #phase(producer: LoadProcess, receiving: Receiving, word: string, before: number): Promise<ProducerReport> {
    const report = producer.nextEvent<ProducerReport>('phase');
    producer.send(word);
    const phase = await report;
    await receiving.until(before + phase.commitAt.length - phase.failed, { quietMs: QUIET_MS });
    return phase;
  }

  /** Stores so many transactions through the client; resolves with the seconds it took. */
  async fill(order: Omit<FillOrder, 'url'>): Promise<number> {
    const filler = new LoadProcess('bench/load/filler.ts', [JSON.stringify({ ...order, url: this.broker.url })]);
    try {
      return (await filler.nextEvent<FillReport>('filled')).seconds;
    } finally {
      await filler.stop();
    }
  }

  async backlog(order: BacklogOrder): Promise<Backlog> {
    const receiving = await this.receiving();
    return measureBacklog(this, receiving, order).finally(() => receiving.stop());
  }

  async slowLocal(order: SlowLocalOrder): Promise<SlowLocal> {
    const receiving = await this.receiving();
    return measureSlowLocal(this.broker, receiving, order).finally(() => receiving.stop());
  }

  async diskBytes(): Promise<number> {
    return folderBytes(this.broker.dataDir);
  }

  async stop(): Promise<void> {
    await this.broker.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const summary = (
  phase: ProducerReport,
  { seenAt, duplicates }: ReceiverReport,
  large: Large | null,
): Omit<Throughput, 'processes'> => {
  const { first, commitAt, prepareMs, commitMs, startedAt, endedAt, failed } = phase;
  const accepted = [...commitAt.keys()].filter(i => commitAt[i] !== 0);
  const seen = accepted.filter(i => seenAt[first + i]);
  const lastSeen = seen.reduce((latest, i) => Math.max(latest, seenAt[first + i]!), 0);
  const spread = (indexes: readonly number[], time: (index: number) => number): Spread =>
    spreadOf(Float64Array.from(indexes.filter(i => !isLarge(first + i, large)).map(time)));
  return {
    completePerSecond: Math.round((seen.length * 1000) / (lastSeen - startedAt)),
    acceptedPerSecond: Math.round((accepted.length * 1000) / (endedAt - startedAt)),
    callMs: spread(accepted, i => prepareMs[i]! + commitMs[i]!),
    prepareMs: spread(accepted, i => prepareMs[i]!),
    commitMs: spread(accepted, i => commitMs[i]!),
    endToEndMs: spread(seen, i => seenAt[first + i]! - commitAt[i]!),
    accepted: accepted.length,
    seen: seen.length,
    missing: accepted.length - seen.length,
    duplicates,
    failed,
  };
};
