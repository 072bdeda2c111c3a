/** A topic's number of partitions on its way to the coordinator, when it is another one than the coordinator has. */
import type { Coordinator } from '../coordinator/coordinator.ts';
import { submitIfRoom } from './room.ts';

export class TopicReport {
  readonly #coordinator: Coordinator;
  readonly #held = new Set<string>();

  constructor(coordinator: Coordinator) {
    this.#coordinator = coordinator;
  }

  /**
   * While held, a change of the topic's number is not reported (a first number is): messages that still have to be
   * given a partition by the old one would get it by the new one, and overtake others of their key.
   */
  hold(topic: string): void {
    this.#held.add(topic);
  }

  release(topic: string): void {
    this.#held.delete(topic);
  }

  /** Resolves when the coordinator has it durably. Without room on the disk nothing happens: it will be seen again. */
  async seen(topic: string, partitions: number): Promise<void> {
    const known = this.#coordinator.topic(topic)?.partitions ?? null;
    if (known === partitions || (known !== null && this.#held.has(topic))) return;
    await submitIfRoom(this.#coordinator, [{ type: 'topic_seen', topic, partitions }]);
  }
}
