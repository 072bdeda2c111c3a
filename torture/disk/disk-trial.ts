/** A broker whose disk is treated badly, producers that go on meanwhile, and the judge of what they were told. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerProcess } from '../../test/support/broker-process.ts';
import { list } from '../../test/support/transactions.ts';
import { judgeCalls } from '../call-checker.ts';
import { type CallEvent, CallHistory } from '../call-history.ts';
import { Load, type LoadOptions } from '../load.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';

const GROUP = 'load';
const TOPICS = ['transfers', 'audit'] as const;
/** A broker that answers at all acknowledges what is waited for within that. */
const PATIENCE_MS = 60_000;
/** Of a producer: its call may come at a bad moment of many brokers. */
const INSISTS_MS = 600_000;
/** A broker that ends by itself does so within that. */
const ENDS_WITHIN_MS = 5_000;

class CountingHistory extends CallHistory {
  acknowledged = 0;

  override write(event: CallEvent): void {
    if (event.event === 'ok') this.acknowledged++;
    super.write(event);
  }
}

type Shape = Pick<LoadOptions, 'producers' | 'pauseMs' | 'payloadBytes'>;

export interface DiskTrialOptions {
  /** The broker's data folder. */
  readonly dataDir: string;
  /** Of the history: on another disk. */
  readonly folder: string;
  readonly fault: PlantedFault | null;
  readonly args?: readonly string[];
}

export class DiskTrial {
  readonly broker: BrokerProcess;
  /** Of the restarts, from the start of the process until it listens, milliseconds. */
  readonly startsMs: number[] = [];
  readonly #history: CountingHistory;
  readonly #loads: Load[] = [];

  private constructor(broker: BrokerProcess, historyFile: string) {
    this.broker = broker;
    this.#history = new CountingHistory(historyFile);
  }

  /** The broker runs, nothing goes on yet. */
  static async open({ dataDir, folder, fault, args = [] }: DiskTrialOptions): Promise<DiskTrial> {
    const env = environmentWith(fault);
    const broker = new BrokerProcess(dataDir, { args: ['--publisher', 'memory', ...args], env });
    await broker.start();
    await broker.put(`/v1/producer-groups/${GROUP}`, {});
    return new DiskTrial(broker, join(folder, 'history.jsonl'));
  }

  /** Producers begin, and insist on every call until it is answered. */
  startLoad({ producers = 16, pauseMs = 1, payloadBytes = 0 }: Shape = {}): Load {
    const history = this.#history;
    const shape = { producers, pauseMs, payloadBytes, patienceMs: INSISTS_MS };
    const load = new Load(this.broker, { group: GROUP, topics: TOPICS, ...shape, history });
    this.#loads.push(load);
    load.start();
    return load;
  }

  /** Answers that no broker may give. */
  get wrong(): string[] {
    return this.#loads.flatMap(({ wrong }) => wrong);
  }

  /** Answers that acknowledged something. */
  get acknowledged(): number {
    return this.#history.acknowledged;
  }

  /** Resolves after so many acknowledgements more, or when something is wrong already. */
  async acknowledges(count: number): Promise<void> {
    const wanted = this.acknowledged + count;
    const deadline = performance.now() + PATIENCE_MS;
    while (this.acknowledged < wanted && this.wrong.length === 0) {
      if (performance.now() > deadline) throw new Error(`waited in vain for ${count} acknowledgements more`);
      await delay(2);
    }
  }

  /** The broker stands still, in the midst of whatever it does: what it has not answered by now it never will. */
  async halt(): Promise<void> {
    const { pid } = this.broker;
    process.kill(pid, 'SIGSTOP');
    const isStill = (): boolean =>
      readdirSync(`/proc/${pid}/task`).every(thread =>
        /\) [TZ] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
      );
    while (!isStill()) await delay(1);
  }

  /** Whether the broker ends by itself; it is killed where it does not. */
  async ends(withinMs = ENDS_WITHIN_MS): Promise<boolean> {
    const timeout = new AbortController();
    const late = delay(withinMs, 'late' as const, { signal: timeout.signal }).catch(() => 'late' as const);
    const isLate = (await Promise.race([this.broker.ended(), late])) === 'late';
    timeout.abort();
    if (isLate) await this.broker.kill();
    return !isLate;
  }

  /** Rejects where it does not come up. */
  async restart(): Promise<void> {
    const began = performance.now();
    await this.broker.restart();
    this.startsMs.push(performance.now() - began);
  }

  /** Ends all load; then what it was told against what the broker knows. The broker must run. */
  async judge(): Promise<string[]> {
    await Promise.all(this.#loads.map(load => load.stop()));
    const items = await list(this.broker, `group=${GROUP}`);
    const states = new Map(items.map(({ id, state }) => [id as string, state as string]));
    const { anomalies } = judgeCalls({ events: this.#history.read(), states, records: null });
    return [...anomalies.map(({ detail }) => detail), ...this.wrong];
  }

  async close(): Promise<void> {
    await this.broker.kill();
    this.#history.close();
  }
}
