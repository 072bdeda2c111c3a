/**
 * A real broker process whose way to a real Kafka leads through a wire that fails, producers that never give up, and what
 * the judge says of them in the end:
 *
 *   load ─▶ broker ─▶ proxy ─▶ Kafka ─▶ judge
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerProcess, eventually, kafkaArgs } from '../../test/support/broker-process.ts';
import { createTopic, readTopic, type TopicRecord, type TopicShape } from '../../test/support/topics.ts';
import { gauges, list } from '../../test/support/transactions.ts';
import { type KafkaCluster, kafkaAvailable, startKafka } from '../../tools/kafka/cluster.ts';
import type { KafkaOptions } from '../../tools/kafka/options.ts';
import { type Judgement, judgeCalls, type SeenRecord } from '../call-checker.ts';
import { CallHistory } from '../call-history.ts';
import { Load, type LoadOptions } from '../load.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';
import { KafkaProxy, type ProxyOptions } from './kafka-proxy.ts';

type Kafka = Pick<KafkaCluster, 'brokers' | 'close'>;

const GROUP = 'load';
const SETTLED_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 50;
const READ_WITHIN_MS = 60_000;
const OWN = { ...process.env, KAFKA_BROKERS: undefined };

/** For `lacks()` of a proof that needs some Kafka. */
export const noKafka = (): string | null => kafkaAvailable().why ?? null;

/** For `lacks()` of a proof that kills Kafka: only nodes that we start ourselves can be killed. */
export const noOwnKafka = (): string | null => {
  const { how, why } = kafkaAvailable(OWN);
  return how === 'java' ? null : (why ?? 'Killing Kafka needs Java and Maven.');
};

/** The Kafka that all tests share, which is not ended; where there is none, one that is. */
export const anyKafka = async (): Promise<Kafka> => {
  const given = process.env.ESCROWMQ_TEST_KAFKA;
  return given ? { brokers: given.split(','), close: async () => {} } : startKafka();
};

/** Whose nodes can be killed. */
export const ownKafka = (options: KafkaOptions = {}): Promise<KafkaCluster> =>
  startKafka({ isShortLived: true, ...options, env: OWN });

export interface LineOptions {
  readonly kafka: Pick<KafkaCluster, 'brokers'>;
  /** Data of the broker, history of the calls. */
  readonly folder: string;
  readonly fault: PlantedFault | null;
  readonly wire?: ProxyOptions;
  /** The broker is given Kafka's own addresses, and the wire is not used. */
  readonly isDirect?: boolean;
  /** Of the broker, besides what plants the fault. */
  readonly env?: Readonly<Record<string, string>>;
}

let topics = 0;

export class KafkaLine {
  readonly broker: BrokerProcess;
  readonly proxy: KafkaProxy;
  readonly history: CallHistory;
  readonly #kafka: LineOptions['kafka'];
  readonly #topics = new Set<string>();

  /** Resolves when the broker listens. */
  static async open(options: LineOptions): Promise<KafkaLine> {
    const proxy = new KafkaProxy(options.wire);
    const { brokers } = options.kafka;
    const line = new KafkaLine(options, proxy, options.isDirect ? brokers : await proxy.listen(brokers));
    await line.broker.start();
    await line.broker.put(`/v1/producer-groups/${GROUP}`, { check: { afterMs: 3_600_000 } });
    return line;
  }

  private constructor({ kafka, folder, fault, env }: LineOptions, proxy: KafkaProxy, brokers: readonly string[]) {
    mkdirSync(folder, { recursive: true });
    this.#kafka = kafka;
    this.proxy = proxy;
    this.history = new CallHistory(join(folder, 'calls.jsonl'));
    this.broker = new BrokerProcess(join(folder, 'broker'), {
      args: kafkaArgs({ brokers }),
      env: { ...environmentWith(fault), ...env },
    });
  }

  /** Makes one that tells when each record was written; by default under a name that nobody else has. */
  async topic(
    shape: TopicShape,
    name = `proof-${process.pid}-${Date.now().toString(36)}-${topics++}`,
  ): Promise<string> {
    await createTopic(this.#kafka, name, {
      ...shape,
      config: { 'message.timestamp.type': 'LogAppendTime', ...shape.config },
    });
    this.#topics.add(name);
    return name;
  }

  /** Begun, to these topics, and in the history. */
  load(options: Omit<LoadOptions, 'group' | 'history'>): Load {
    const load = new Load(this.broker, { group: GROUP, history: this.history, ...options });
    load.start();
    return load;
  }

  /** Messages in this state, as the broker counts them. */
  async count(state: 'ready' | 'forwarded' | 'parked'): Promise<number> {
    return (await gauges(this.broker)).get(`escrowmq_messages{state="${state}"}`) ?? 0;
  }

  /** Resolves when so many messages more are in Kafka, and that is durable. */
  async moreForwarded(count: number, when: string): Promise<void> {
    const wanted = (await this.count('forwarded')) + count;
    const what = `${count} messages more to be forwarded ${when}`;
    await eventually(what, async () => (await this.count('forwarded')) >= wanted, SETTLED_WITHIN_MS);
  }

  /** Resolves when no committed message waits any more, or with how many still do when nothing has moved for too long. */
  async settled(): Promise<number> {
    let [left, deadline] = [Number.POSITIVE_INFINITY, 0];
    for (;;) {
      const now = await this.count('ready');
      if (now === 0) return 0;
      if (now < left) [left, deadline] = [now, performance.now() + SETTLED_WITHIN_MS];
      if (performance.now() > deadline) return now;
      await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** All that is in the topics now, in the order in which it was written. */
  async records(): Promise<(SeenRecord & TopicRecord)[]> {
    const all: (SeenRecord & TopicRecord)[] = [];
    for (const topic of this.#topics) {
      const found = await readTopic(this.#kafka, topic, { timeoutMs: READ_WITHIN_MS });
      for (const record of found) all.push({ ...record, topic, ...messageOf(record) });
    }
    return all.sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset);
  }

  /** What was called against what has arrived by now; nothing waits for the rest. */
  async judgeNow(isMovable: boolean): Promise<Judgement> {
    const states = new Map((await list(this.broker)).map(({ id, state }) => [id as string, state as string]));
    return judgeCalls({ events: this.history.read(), states, records: await this.records() }, { isMovable });
  }

  /** Everything that was called against everything that arrived. The loads are at their end. */
  async judge(isMovable: boolean): Promise<Judgement> {
    const left = await this.settled();
    const parked = await this.count('parked');
    const judged = await this.judgeNow(isMovable);
    if (left + parked === 0) return judged;
    const detail = `${left} committed messages wait for ever, ${parked} are parked`;
    return { ...judged, anomalies: [...judged.anomalies, { kind: 'missing', id: '', detail }] };
  }

  async close(): Promise<void> {
    await this.broker.kill();
    this.proxy.close();
    this.history.close();
  }
}

const messageOf = ({ headers }: TopicRecord): { id: string; index: number } => {
  const id = String(headers.ce_id);
  const point = id.lastIndexOf('.');
  return { id: id.slice(0, point), index: Number(id.slice(point + 1)) };
};
