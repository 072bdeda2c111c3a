/**
 * Everything that a run needs, up and running:
 *
 *   caller ─▶ bank A ×n ─▶ intermediary ─▶ broker ─▶ Kafka ─▶ bank B ×m
 *                ▲                            │
 *                └──────── balancer ◀─────────┘ check-backs
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Kind, startDatabases } from '../examples/transfer/databases.ts';
import { createTopic } from '../test/support/topics.ts';
import type { KafkaCluster } from '../tools/kafka/cluster.ts';
import { temporaryFolder } from '../tools/kafka/folder.ts';
import { CheckBalancer } from './check-balancer.ts';
import { History } from './history.ts';
import { BothBanks } from './holdings.ts';
import { type Fault, hookArguments } from './hooks/settings.ts';
import { Intermediary } from './intermediary.ts';
import { KeptProcess } from './kept-process.ts';
import { prepareBanks } from './prepare-banks.ts';

const HERE = import.meta.dirname;
const BROKER = resolve(HERE, '../broker/bin/escrowmq.js');
const BANKS = {
  a: resolve(HERE, '../examples/transfer/bank-a.ts'),
  b: resolve(HERE, '../examples/transfer/bank-b.ts'),
};
const PARTITIONS = 6;

export interface StageOptions {
  readonly database: Kind;
  readonly fault: Fault | null;
  /** One node, which will be killed. */
  readonly kafka: KafkaCluster;
  readonly banksA: number;
  readonly banksB: number;
}

/** Properties of Kafka with which a run does not wait long for members that were killed. */
export const KAFKA_PROPERTIES = { 'group.min.session.timeout.ms': 1_000 };

let topics = 0;

export class Stage {
  readonly topic = `transfers-${process.pid}-${topics++}`;
  readonly history: History;
  /** Of the history, a file for each process. */
  readonly logs: string;
  readonly banksA: KeptProcess[] = [];
  readonly banksB: KeptProcess[] = [];
  broker!: KeptProcess;
  both!: BothBanks;
  /** Rejects when a process cannot be kept alive. */
  readonly lost: Promise<never>;
  readonly #options: StageOptions;
  readonly #folder: string;
  readonly #markers: string;
  readonly #undo: (() => unknown)[] = [];
  #lose: (error: unknown) => void = () => {};

  constructor(options: StageOptions) {
    this.#options = options;
    const folder = temporaryFolder('escrowmq-torture-');
    this.#undo.push(() => folder.remove());
    this.#folder = folder.path;
    this.logs = join(folder.path, 'history');
    this.#markers = join(folder.path, 'markers');
    for (const made of [this.logs, this.#markers]) mkdirSync(made);
    this.history = new History(this.logs, 'caller');
    this.#undo.push(() => this.history.close());
    this.lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    this.lost.catch(() => {});
  }

  /** Resolves when everything listens. */
  async open(): Promise<void> {
    const { database, fault, kafka, banksA, banksB } = this.#options;
    await createTopic(kafka, this.topic, { partitions: PARTITIONS });
    const databases = await startDatabases(database, this.#folder);
    this.#undo.push(() => databases.close());
    await prepareBanks(databases, fault);
    this.both = await BothBanks.open(databases);
    this.#undo.push(() => this.both.close());

    const brokers = kafka.brokers.join(',');
    const data = join(this.#folder, 'broker');
    this.broker = this.#keep('broker', [
      BROKER,
      'serve',
      '--port',
      '0',
      '--data-dir',
      data,
      '--kafka-brokers',
      brokers,
    ]);
    await this.broker.start();
    const balancer = new CheckBalancer(this.banksA);
    this.#undo.push(() => balancer.close());
    const checkUrl = await balancer.listen();
    for (let number = 1; number <= banksA; number++) {
      const between = await this.#intermediary();
      const args = ['--database', databases.a, '--broker', between.url, '--check-url', checkUrl];
      between.bank = this.#bank('a', number, args);
      this.banksA.push(between.bank);
    }
    for (let number = 1; number <= banksB; number++) {
      this.banksB.push(this.#bank('b', number, ['--database', databases.b, '--kafka', brokers]));
    }
    await Promise.all([...this.banksA, ...this.banksB].map(bank => bank.start()));
  }

  get crashes(): string[] {
    return [this.broker, ...this.banksA, ...this.banksB].flatMap(({ crashes }) => crashes);
  }

  /** Both banks, in order. */
  async stopBanks(): Promise<void> {
    await Promise.all([...this.banksA, ...this.banksB].map(bank => bank.stop()));
  }

  /** Everything is tried, whatever fails. */
  async close(): Promise<void> {
    for (const step of this.#undo.splice(0).reverse()) await Promise.allSettled([(async () => step())()]);
  }

  async #intermediary(): Promise<Intermediary> {
    const between = new Intermediary({
      // A broker that is down breaks the connection.
      broker: () => this.broker.url ?? 'http://127.0.0.1:1',
      history: this.history,
      markers: this.#markers,
    });
    this.#undo.push(() => between.close());
    await between.listen();
    return between;
  }

  #bank(side: 'a' | 'b', number: number, args: readonly string[]): KeptProcess {
    const name = `${side}${number}`;
    const hook = hookArguments(join(HERE, `hooks/bank-${side}.ts`), {
      name,
      folder: this.logs,
      markers: this.#markers,
      fault: this.#options.fault,
    });
    return this.#keep(name, [...hook, BANKS[side], ...args, '--topic', this.topic, '--port', '0']);
  }

  #keep(name: string, command: readonly string[]): KeptProcess {
    const kept = new KeptProcess(name, command, join(this.#folder, `${name}.log`));
    kept.lost.catch(this.#lose);
    this.#undo.push(() => kept.stop());
    return kept;
  }
}
