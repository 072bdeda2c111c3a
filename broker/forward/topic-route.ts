/**
 * The lanes of one topic, and what holds all of them: the topic's own fault, messages that have no partition yet, and
 * the barrier of a change of its number of partitions.
 *
 * Nothing is read beyond the place in the commit order that the coordinator has announced. So when a lane runs, every
 * message up to there has been seen here, and none without a partition can lie before one that is sent.
 */
import { Lane } from './lane.ts';
import { NO_ROOM, submitIfRoom } from './room.ts';
import { Setback, type Trouble } from './setback.ts';
import type { Surroundings } from './surroundings.ts';
import { Unassigned } from './unassigned.ts';

export interface TopicStatus {
  readonly topic: string;
  /** Lanes with messages to send, or in flight. */
  readonly waitingLanes: number;
  /** Messages wait for a partition, that is for Kafka to say how many there are. */
  readonly unassigned: boolean;
  /** The longest-standing trouble; null: none. */
  readonly trouble: Trouble | null;
}

export class TopicRoute {
  readonly topic: string;
  readonly #around: Surroundings;
  readonly #lanes = new Map<number, Lane>();
  /** The fault of the topic. */
  readonly #setback: Setback;
  readonly #unassigned: Unassigned;
  #clearing = false;

  constructor(topic: string, around: Surroundings) {
    this.topic = topic;
    this.#around = around;
    this.#setback = new Setback(around.parkAfterMs);
    this.#unassigned = new Unassigned(topic, around, this.#setback);
  }

  /** There is a message for the partition (null: for none yet). Returns whether that is news. */
  want(partition: number | null): boolean {
    if (partition === null) return this.#unassigned.want();
    const known = this.#lanes.get(partition);
    if (!known) {
      const place = { topic: this.topic, partition };
      const lane = new Lane(place, this.#around, this.#setback, () => this.#forget(lane));
      this.#lanes.set(partition, lane);
      return true;
    }
    const news = !known.wanted && !known.busy;
    known.wanted = true;
    return news;
  }

  has(partition: number | null): boolean {
    return partition === null ? this.#unassigned.exist : this.#lanes.has(partition);
  }

  /** Starts what may start now. Returns when to look again (monotonic; infinite: when something happens). */
  advance(now: number): number {
    const held = Math.max(this.#setback.until, this.#unassigned.setback.until);
    if (held > now) return held;
    if (this.#unassigned.exist) {
      if (!this.#unassigned.working) this.#around.track(this.#unassigned.assign(), 'other');
      return Number.POSITIVE_INFINITY;
    }
    const barrier = this.#around.coordinator.topic(this.topic)?.barrier ?? null;
    const upTo = Math.min(barrier ?? Number.POSITIVE_INFINITY, this.#around.announced());
    let next = Number.POSITIVE_INFINITY;
    // A copy: a lane that starts goes to the end, so that all have their turn where there is not room for all.
    for (const lane of [...this.#lanes.values()]) {
      if (lane.busy || !lane.wanted || lane.drainedTo >= upTo) continue;
      if (lane.setback.until > now) next = Math.min(next, lane.setback.until);
      else if (this.#around.mayStart()) this.#around.track(this.#start(lane, upTo, barrier !== null), 'sending');
    }
    if (barrier !== null && !this.#clearing && this.#isDrained(barrier)) this.#around.track(this.#clear(), 'other');
    return next;
  }

  /** Forgets lanes whose trouble is long ago. */
  prune(now: number): void {
    for (const lane of [...this.#lanes.values()]) {
      if (lane.setback.isForgotten(now)) lane.setback.over();
      this.#forget(lane);
    }
  }

  /** Nothing waits, and nothing needs to be remembered. */
  isIdle(now: number): boolean {
    const working = this.#unassigned.exist || this.#unassigned.working || this.#clearing;
    return this.#lanes.size === 0 && !working && this.#setback.isForgotten(now);
  }

  status(): TopicStatus {
    const lanes = [...this.#lanes.values()];
    const troubles = [this.#setback, this.#unassigned.setback, ...lanes.map(({ setback }) => setback)]
      .map(({ trouble }) => trouble)
      .filter(trouble => trouble !== null)
      .sort((a, b) => a.since - b.since);
    return {
      topic: this.topic,
      waitingLanes: lanes.filter(({ wanted, busy }) => wanted || busy).length,
      unassigned: this.#unassigned.exist,
      trouble: troubles[0] ?? null,
    };
  }

  async #start(lane: Lane, upTo: number, limited: boolean): Promise<void> {
    this.#lanes.delete(lane.partition);
    this.#lanes.set(lane.partition, lane);
    lane.busy = true;
    lane.wanted = false;
    this.#around.catalogue.touch(this.topic);
    try {
      await lane.run(upTo);
    } finally {
      lane.busy = false;
      // Behind the barrier there may be more.
      if (limited) lane.wanted = true;
      this.#forget(lane);
    }
  }

  /** A lane lives as long as it has something to do or to remember. */
  #forget(lane: Lane): void {
    const done = !lane.busy && !lane.wanted && lane.unmarked === 0 && lane.setback.trouble === null;
    if (done) this.#lanes.delete(lane.partition);
  }

  #isDrained(barrier: number): boolean {
    return [...this.#lanes.values()].every(({ busy, wanted, drainedTo }) => !busy && (!wanted || drainedTo >= barrier));
  }

  async #clear(): Promise<void> {
    this.#clearing = true;
    try {
      const { coordinator, moment } = this.#around;
      const isCleared = await submitIfRoom(coordinator, [{ type: 'clear_barrier', topic: this.topic }]);
      if (isCleared) this.#unassigned.setback.over();
      else this.#unassigned.setback.happened('unknown', NO_ROOM, moment());
    } finally {
      this.#clearing = false;
    }
  }
}
