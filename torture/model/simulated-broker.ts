/** The broker's own parts over a disk that can lose power, wired as broker.ts does it, but for HTTP. One at a time. */
import { AddressPolicy } from '../../broker/check-back/address-policy.ts';
import { type Asked, Asker } from '../../broker/check-back/asker.ts';
import { CheckBack } from '../../broker/check-back/check-back.ts';
import { Coordinator } from '../../broker/coordinator/coordinator.ts';
import { Forwarder } from '../../broker/forward/forwarder.ts';
import type { Publisher } from '../../broker/forward/publisher.ts';
import { TopicCatalogue } from '../../broker/forward/topic-catalogue.ts';
import { createRetention } from '../../broker/retention.ts';
import type { DueCheck, ProducerGroup } from '../../broker/store/store.ts';
import { type Flushes, type MemoryDisk, MemoryStore } from './memory-disk.ts';
import type { MovingKafka } from './moving-kafka.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface Surroundings {
  readonly time: VirtualTime;
  readonly disk: MemoryDisk;
  readonly kafka: MovingKafka;
  readonly random: () => number;
  readonly retentionMs: number;
  readonly parkAfterMs: number;
  /** How long a flush of the disk takes. */
  flushMs(): number;
  isDiskFull(): boolean;
  /** What a producer group answers; resolves when it does. */
  ask(group: ProducerGroup, checks: readonly DueCheck[]): Promise<Asked>;
  onFatal(error: Error): void;
}

export class SimulatedBroker {
  /** When it was started, in virtual time. */
  readonly upSince: number;
  coordinator!: Coordinator;
  forwarder!: Forwarder;
  readonly #around: Surroundings;
  /** Written, and not durable yet. */
  readonly #unflushed = new Set<() => void>();
  #isAlive = true;

  private constructor(around: Surroundings) {
    this.#around = around;
    this.upSince = around.time.ms;
  }

  static async start(around: Surroundings): Promise<SimulatedBroker> {
    const broker = new SimulatedBroker(around);
    await broker.#start();
    return broker;
  }

  /** Nothing of it goes on. Of what was not flushed the disk has some or nothing, but never a later part alone. */
  cutPower(): void {
    this.#isAlive = false;
    this.#around.time.die();
    for (const commit of this.#unflushed) {
      if (this.#around.random() < 0.5) break;
      commit();
    }
    this.#unflushed.clear();
  }

  async #start(): Promise<void> {
    const { time, disk, kafka, random, retentionMs, parkAfterMs } = this.#around;
    const { clock } = time;
    const onFatal = (error: Error): void => {
      if (this.#isAlive) this.#around.onFatal(error);
    };
    const store = new MemoryStore(disk, this.#flushes());
    const coordinator = await Coordinator.open({
      ...{ store, clock, random, onFatal },
      onReady: (topic, partition) => forwarder.onReady(topic, partition),
      onCheckPlanned: (group, at) => checkBack.checkPlanned(group, at),
    });
    const publisher = this.#guarded(kafka.client());
    const catalogue = new TopicCatalogue({ publisher, coordinator, clock, onFatal });
    const forwarder = new Forwarder({
      ...{ store, coordinator, publisher, catalogue, clock, random, parkAfterMs, onFatal },
      source: 'simulation',
    });
    // The network is the one part of a check-back that cannot be had here.
    Asker.prototype.ask = (group, checks) => this.#whileAlive(this.#around.ask(group, checks));
    const policy = new AddressPolicy([], '127.0.0.1');
    const checkBack = new CheckBack({ store, coordinator, policy, clock, onFatal });
    this.coordinator = coordinator;
    this.forwarder = forwarder;
    await forwarder.start();
    catalogue.start();
    checkBack.start();
    createRetention({ store, coordinator, clock, retentionMs, onFatal }).start();
  }

  #flushes(): Flushes {
    const { time, flushMs, isDiskFull } = this.#around;
    return {
      flush: commit =>
        new Promise(resolve => {
          const flushed = (): void => {
            if (!this.#unflushed.delete(commit)) return;
            commit();
            resolve();
          };
          this.#unflushed.add(commit);
          time.after(flushMs(), flushed);
        }),
      get isFull() {
        return isDiskFull();
      },
    };
  }

  #guarded(publisher: Publisher): Publisher {
    return {
      send: (...send) => this.#whileAlive(publisher.send(...send)),
      lookUp: topic => this.#whileAlive(publisher.lookUp(topic)),
      state: () => publisher.state(),
      close: () => publisher.close(0),
    };
  }

  /** A process that is dead hears nothing any more. */
  #whileAlive<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      promise.then(
        result => {
          if (this.#isAlive) resolve(result);
        },
        error => {
          if (this.#isAlive) reject(error);
        },
      );
    });
  }
}
