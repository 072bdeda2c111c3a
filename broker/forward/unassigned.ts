/**
 * The messages of one topic that have no partition yet, because nothing was known of the topic when they were
 * committed. They get one in commit order as soon as Kafka says how many there are. While any is left no lane of the
 * topic runs: it may belong before everything that waits there.
 */
import { parkWaiting } from './parking.ts';
import type { TopicAnswer } from './publisher.ts';
import { NO_ROOM, submitIfRoom } from './room.ts';
import { Setback } from './setback.ts';
import type { Surroundings } from './surroundings.ts';

/** Messages given a partition in one commit. */
const CHUNK = 500;
const CHUNK_BYTES = 4 * 1024 * 1024;

export class Unassigned {
  /** What delays the assigning, other than a fault of the topic. */
  readonly setback: Setback;
  readonly #topic: string;
  readonly #around: Surroundings;
  readonly #topicSetback: Setback;
  #exist = false;
  /** One was announced since this was last set back. */
  #announced = false;
  #working = false;

  constructor(topic: string, around: Surroundings, topicSetback: Setback) {
    this.setback = new Setback(around.parkAfterMs);
    this.#topic = topic;
    this.#around = around;
    this.#topicSetback = topicSetback;
  }

  get exist(): boolean {
    return this.#exist;
  }

  get working(): boolean {
    return this.#working;
  }

  /** There is one. Returns whether that is news. */
  want(): boolean {
    this.#announced = true;
    if (this.#exist) return false;
    this.#exist = true;
    this.#around.catalogue.report.hold(this.#topic);
    return true;
  }

  /** Tries to give all of them a partition. */
  async assign(): Promise<void> {
    this.#working = true;
    try {
      if (!this.#isKnown()) {
        const answer = await this.#around.catalogue.refresh(this.#topic);
        if (this.#around.stopping) return;
        if (!this.#isKnown()) return await this.#unassignable(answer);
      }
      this.#topicSetback.over();
      this.setback.over();
      while (!this.#around.stopping && (await this.#assignChunk()));
    } finally {
      this.#working = false;
    }
  }

  #isKnown(): boolean {
    return typeof this.#around.coordinator.topic(this.#topic)?.partitions === 'number';
  }

  /** In commit order, as messages of one key must be. Resolves with whether to go on. */
  async #assignChunk(): Promise<boolean> {
    const { store, coordinator, announced, moment } = this.#around;
    this.#announced = false;
    const lane = { topic: this.#topic, partition: null };
    const messages = await store.readyMessages(lane, 0, announced(), CHUNK, CHUNK_BYTES);
    if (messages.length === 0) {
      if (!this.#announced) this.#done();
      return this.#announced;
    }
    const commands = messages.map(({ transactionId, index }) => ({ type: 'assign', transactionId, index }) as const);
    if (await submitIfRoom(coordinator, commands)) return true;
    this.setback.happened('unknown', NO_ROOM, moment());
    return false;
  }

  /** Kafka has no number for the topic. As with a send, its fault must last before the messages are parked. */
  async #unassignable(answer: TopicAnswer | null): Promise<void> {
    const { moment, parkAfterMs, announced } = this.#around;
    if (answer === null || 'partitions' in answer) {
      this.#topicSetback.over();
      const error = answer ? NO_ROOM : `Kafka does not say how many partitions topic ${this.#topic} has.`;
      this.setback.happened('unknown', error, moment());
      return;
    }
    this.setback.over();
    const error = 'refused' in answer ? answer.refused : `There is no topic ${this.#topic} in Kafka.`;
    this.#topicSetback.happened('topic', error, moment());
    if (this.#topicSetback.lastedMs() < parkAfterMs) return;
    this.#announced = false;
    const lane = { topic: this.#topic, partition: null };
    const { drained } = await parkWaiting(this.#around, { lane, after: 0, upTo: announced(), error, goOn: () => true });
    if (drained && !this.#announced) this.#done();
  }

  #done(): void {
    this.#exist = false;
    this.#around.catalogue.report.release(this.#topic);
  }
}
