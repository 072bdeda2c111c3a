/** Does the planned harm, one act after the other, while the transfers go on. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaNode } from '../tools/kafka/cluster.ts';
import type { History } from './history.ts';
import type { KeptProcess } from './kept-process.ts';
import type { Act, PlannedAct } from './plan.ts';

/** Long enough for the broker to notice. */
const FROZEN_MS = 2_000;

export interface Victims {
  readonly broker: KeptProcess;
  readonly kafka: KafkaNode;
  readonly banksA: readonly KeptProcess[];
  readonly banksB: readonly KeptProcess[];
}

export class Nemesis {
  readonly #acts: PlannedAct[];
  readonly #victims: Victims;
  readonly #history: History;
  /** Resolves when everything that was begun is done and mended. */
  done: Promise<void> = Promise.resolve();
  #turn = 0;

  constructor(acts: readonly PlannedAct[], victims: Victims, history: History) {
    this.#acts = [...acts];
    this.#victims = victims;
    this.#history = history;
  }

  /** So many transfers have ended. */
  note(ended: number): void {
    while (this.#acts.length > 0 && this.#acts[0]!.after <= ended) {
      const { act } = this.#acts.shift()!;
      this.done = this.done.then(() => this.#do(act));
      // Whoever waits for it in the end is told.
      this.done.catch(() => {});
    }
  }

  async #do(act: Act): Promise<void> {
    this.#history.write({ event: 'act', act });
    const { broker, kafka, banksA, banksB } = this.#victims;
    this.#turn += 1;
    if (act === 'kill kafka') {
      await kafka.kill();
      return kafka.start();
    }
    if (act === 'freeze kafka') {
      kafka.pause();
      await delay(FROZEN_MS);
      return kafka.resume();
    }
    const some = { 'kill broker': [broker], 'kill bank a': banksA, 'kill bank b': banksB }[act];
    const victim = some[this.#turn % some.length]!;
    victim.kill();
    // Two acts at once upon the same process would be one.
    while (victim.url !== null) await delay(1);
    await victim.up();
  }
}
