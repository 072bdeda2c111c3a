/** One run of one table: what tables need in order to measure, and where their lines go. */
import { appendFileSync, chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type KafkaCluster, kafkaAvailable } from '../tools/kafka/cluster.ts';
import { temporaryFolder } from '../tools/kafka/folder.ts';
import { conditionsIn, refuseMemory } from './conditions.ts';
import { startWarmKafka } from './kafka.ts';
import type { Line } from './line.ts';
import type { Running, System } from './system.ts';

export interface Options {
  readonly rounds: number;
  /** How long a cell is measured; null: as the table thinks fit. */
  readonly seconds: number | null;
  /** A small version that proves that everything works; its figures mean nothing. */
  readonly quick: boolean;
  /** Names of the systems to run; empty: all. */
  readonly only: readonly string[];
}

/** A system under the name that `--only` knows it by. */
export interface Contender {
  readonly key: string;
  readonly system: System;
}

export interface Measurement {
  readonly system: System;
  readonly round: number;
  /** The row's name beside the system's. */
  readonly cell: string;
  readonly parameters: object;
}

const WARM_UP = { records: 500_000, seconds: 30 };
const QUICK_WARM_UP = { records: 10_000, seconds: 3 };

const log = (line: string): void => {
  process.stderr.write(`bench: ${line}\n`);
};

export class Bench {
  readonly options: Options;
  /** Whether something could not be measured that should have been. */
  hasFailures = false;
  readonly #table: string;
  readonly #command: string;
  readonly #file: string;
  readonly #temporary = temporaryFolder();
  readonly #running = new Set<Running>();
  #kafka: Promise<KafkaCluster> | null = null;
  #folders = 0;
  #hasLines = false;

  /** The table's file begins anew with the first line, so that a mistake in the command costs no results. */
  constructor(table: string, options: Options, command: string, resultsFolder: string) {
    this.#table = table;
    this.options = options;
    this.#command = command;
    refuseMemory(this.#temporary.path);
    // Databases run as accounts of their own and must get through to their folders.
    chmodSync(this.#temporary.path, 0o711);
    mkdirSync(resultsFolder, { recursive: true });
    this.#file = path.join(resultsFolder, `${table}.jsonl`);
  }

  /** 1, 2, … as many as there are rounds. */
  get rounds(): readonly number[] {
    return Array.from({ length: this.options.quick ? 1 : this.options.rounds }, (_, i) => i + 1);
  }

  /** The time to measure: what was asked for, else `full`, or `quick` in the small version. */
  seconds(full: number, quick: number): number {
    return this.options.seconds ?? (this.options.quick ? quick : full);
  }

  /** Started and warmed at the first call, and kept until the end of the run. */
  readonly kafka = (): Promise<KafkaCluster> => {
    this.#kafka ??= startWarmKafka(this.options.quick ? QUICK_WARM_UP : WARM_UP, log);
    return this.#kafka;
  };

  /** Those that were asked for and can run here; a line for each of the others that says why it does not. */
  async present(contenders: readonly Contender[]): Promise<readonly Contender[]> {
    const { only } = this.options;
    const unknown = only.filter(name => !contenders.some(({ key }) => key === name));
    if (unknown.length > 0) {
      const names = contenders.map(({ key }) => key).join(', ');
      throw new Error(`This table has no ${unknown.join(', ')}. It has ${names}.`);
    }
    const present: Contender[] = [];
    for (const contender of contenders) {
      const { key, system } = contender;
      const isWanted = only.length === 0 || only.includes(key);
      const reason = isWanted ? await this.#unavailable(contender) : 'not asked for (--only)';
      if (reason === null) present.push(contender);
      else this.#record({ system, round: 0, cell: '', parameters: {} }, { skipped: reason });
    }
    return present;
  }

  async #unavailable({ key, system }: Contender): Promise<string | null> {
    const { how, why = '' } = key.startsWith('escrowmq') ? kafkaAvailable() : { how: 'java' };
    return how === 'none' ? why : system.unavailable();
  }

  /** Starts the system with an empty store, and ends it whatever `work` does. Its failure is a line, not an error. */
  async withFresh(measurement: Measurement, work: (running: Running) => Promise<void>): Promise<void> {
    const { system, round } = measurement;
    log(`${system.name}, round ${round}: starting`);
    const folder = path.join(this.#temporary.path, `${this.#folders++}`);
    mkdirSync(folder, { mode: 0o711 });
    try {
      const running = await system.start(folder);
      this.#running.add(running);
      try {
        await work(running);
      } finally {
        await running.stop();
        this.#running.delete(running);
      }
    } catch (error) {
      this.#fail(measurement, error);
    }
  }

  /** Looks at the machine, measures and writes the line. A failure is a line too; then this resolves with null. */
  async measure<Result extends object>(measurement: Measurement, work: () => Promise<Result>): Promise<Result | null> {
    log(`${measurement.system.name}, round ${measurement.round}: ${measurement.cell}`);
    const conditions = conditionsIn(this.#temporary.path);
    try {
      const result = await work();
      this.#record(measurement, { conditions, result });
      return result;
    } catch (error) {
      this.#fail(measurement, error);
      return null;
    }
  }

  /** Ends everything that was started. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#running].map(running => running.stop()));
    await (await this.#kafka?.catch(() => null))?.close();
    this.#temporary.remove();
  }

  #fail(measurement: Measurement, error: unknown): void {
    this.hasFailures = true;
    const failed = (error as Error).message;
    log(`failed: ${(error as Error).stack}`);
    this.#record(measurement, { failed });
  }

  #record(
    { system, round, cell, parameters }: Measurement,
    outcome: Pick<Line, 'result' | 'skipped' | 'failed'> & Partial<Pick<Line, 'conditions'>>,
  ): void {
    const { name, version, durability } = system;
    const line: Line = {
      date: new Date().toISOString(),
      table: this.#table,
      command: this.#command,
      system: name,
      version,
      durability,
      round,
      cell,
      parameters,
      conditions: outcome.conditions ?? conditionsIn(this.#temporary.path),
      ...outcome,
    };
    const text = `${JSON.stringify(line)}\n`;
    process.stdout.write(text);
    if (this.#hasLines) appendFileSync(this.#file, text);
    else writeFileSync(this.#file, text);
    this.#hasLines = true;
  }
}
