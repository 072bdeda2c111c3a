/** The consumer of a topic, and what it has received. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadProcess } from './child.ts';
import type { ReceiverReport } from './messages.ts';

interface SeenReport {
  readonly event: 'seen';
  readonly seen: number;
}

export class Receiving {
  readonly topic: string;
  readonly #process: LoadProcess;

  private constructor(topic: string, process: LoadProcess) {
    this.topic = topic;
    this.#process = process;
  }

  /** Resolves when the consumer has its partitions. */
  static async start(brokers: readonly string[], topic: string): Promise<Receiving> {
    const process = new LoadProcess('bench/load/receiver.ts', [brokers.join(','), topic]);
    await process.nextEvent('ready');
    return new Receiving(topic, process);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when so many different messages were received, or none came for so long, or after so long in all. */
  async until(count: number, { quietMs, withinMs = 600_000 }: { quietMs: number; withinMs?: number }): Promise<void> {
    const ended = new AbortController();
    const seen = this.#process.next<SeenReport>(report => report.event === 'seen' && report.seen >= count, quietMs);
    const late = sleep(withinMs, null, { signal: ended.signal }).catch(() => null);
    // When it is late nobody waits any more for what the consumer would have said, nor for its end.
    await Promise.race([seen, late]).finally(() => ended.abort());
    seen.catch(() => null);
  }

  async report(): Promise<ReceiverReport> {
    const report = this.#process.nextEvent<ReceiverReport>('received');
    this.#process.send('report');
    return report;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}
