/**
 * Takes committed messages to Kafka, in commit order per topic-partition. One clock for all lanes: a tick starts the
 * sends of all lanes that have work and none in flight, so that under load many messages share few sends; an idle
 * forwarder starts at once.
 */
import type { Coordinator } from '../coordinator/coordinator.ts';
import { Poller } from '../poller.ts';
import type { Store } from '../store/store.ts';
import { within } from './deadline.ts';
import { ForwardMarks } from './forward-marks.ts';
import { BATCH_BYTES } from './lane.ts';
import type { Publisher, PublisherState } from './publisher.ts';
import type { ForwardHooks, Surroundings } from './surroundings.ts';
import type { TopicCatalogue } from './topic-catalogue.ts';
import { TopicRoute, type TopicStatus } from './topic-route.ts';

export type { ForwardHooks } from './surroundings.ts';
export type { TopicStatus } from './topic-route.ts';

/** From start to start of two ticks with something to send, at least. */
const PACE_MS = 10;
/** The store is asked for lanes this often, should a wake-up ever get lost. */
const LANES_MS = 30_000;
/** Bytes of all sends in flight. */
const MAX_LOAD_BYTES = 64 * 1024 * 1024;

export interface ForwarderSettings {
  readonly store: Pick<Store, 'lanes' | 'readyMessages'>;
  readonly coordinator: Coordinator;
  readonly publisher: Publisher;
  readonly catalogue: TopicCatalogue;
  readonly clock: { now(): number; monotonic(): number };
  /** In [0, 1). */
  readonly random: () => number;
  /** The broker's own name in `ce_source`. */
  readonly source: string;
  /** How long a topic's fault must last before its messages are parked. */
  readonly parkAfterMs: number;
  /** Default 10. */
  readonly paceMs?: number;
  readonly hooks?: ForwardHooks;
  /** A message's way is broken: the process must stop. */
  readonly onFatal: (error: Error) => void;
}

export interface ForwarderStatus {
  readonly kafka: PublisherState;
  /** Topics with something to send, or with trouble. */
  readonly topics: readonly TopicStatus[];
}

export class Forwarder {
  readonly #settings: ForwarderSettings;
  readonly #paceMs: number;
  readonly #poller: Poller;
  readonly #marks: ForwardMarks;
  readonly #around: Surroundings;
  readonly #routes = new Map<string, TopicRoute>();
  readonly #sends = new Set<Promise<void>>();
  /** When the last tick that had something to send began. */
  #sentAt = Number.NEGATIVE_INFINITY;
  #lanesAt: number;
  #heldBytes = 0;
  /** Some lane had to wait for others to let go of their bytes. */
  #crowded = false;

  constructor(settings: ForwarderSettings) {
    const { store, coordinator, publisher, catalogue, clock, random, source, parkAfterMs, hooks = {} } = settings;
    this.#settings = settings;
    this.#paceMs = settings.paceMs ?? PACE_MS;
    const onFatal = (error: Error): void => this.#fail(error);
    this.#poller = new Poller({ step: async () => this.#tick(), onFatal });
    const marks = new ForwardMarks({ coordinator, onRoom: () => this.#poller.wake(), onFatal });
    this.#marks = marks;
    this.#around = {
      ...{ store, coordinator, publisher, catalogue, marks, source, parkAfterMs, hooks },
      moment: () => ({ now: clock.now(), monotonic: clock.monotonic(), random: random() }),
      announced: () => coordinator.counters().get('commitOrder') ?? 0,
      hold: bytes => this.#hold(bytes),
      mayStart: () => this.#mayStart(),
      track: (work, kind) => this.#track(work, kind),
      stopping: false,
      abandoned: false,
    };
    this.#lanesAt = clock.monotonic() + LANES_MS;
  }

  /** Resolves when everything that waits in the store is known: start it before whoever commits, and the catalogue. */
  async start(): Promise<void> {
    await this.#readLanes();
    this.#poller.start();
  }

  /** The coordinator's `onReady`: a message became ready. */
  onReady(topic: string, partition: number | null): void {
    if (this.#route(topic).want(partition)) this.#poller.wake();
  }

  status(): ForwarderStatus {
    const now = this.#settings.clock.monotonic();
    const topics = [...this.#routes.values()].filter(route => !route.isIdle(now)).map(route => route.status());
    const { status, since, lastError } = this.#settings.publisher.state();
    return { kafka: { status, since, lastError }, topics };
  }

  /** Why messages of the topic that are ready do not go to Kafka; null: nothing is known to be in their way. */
  trouble(topic: string): string | null {
    const { status, lastError } = this.#settings.publisher.state();
    return this.#routes.get(topic)?.status().trouble?.error ?? (status === 'down' ? lastError : null);
  }

  /**
   * Starts no new send, waits for those in flight, then for their marks to be durable; for both together `deadlineMs` at
   * most. What is not done by then is sent again at the next start.
   */
  async stop(deadlineMs: number): Promise<void> {
    const end = this.#settings.clock.monotonic() + deadlineMs;
    this.#around.stopping = true;
    await this.#poller.stop();
    await within(deadlineMs, Promise.all(this.#sends), 'sends are still in flight').catch(() => {});
    this.#around.abandoned = true;
    await this.#marks.flush(Math.max(0, end - this.#settings.clock.monotonic()));
  }

  #route(topic: string): TopicRoute {
    let route = this.#routes.get(topic);
    if (!route) {
      route = new TopicRoute(topic, this.#around);
      this.#routes.set(topic, route);
    }
    return route;
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes > 0 || !this.#crowded) return;
    this.#crowded = false;
    this.#poller.wake();
  }

  #mayStart(): boolean {
    this.#crowded ||= this.#heldBytes + BATCH_BYTES > MAX_LOAD_BYTES;
    return !this.#crowded && !this.#marks.full && !this.#around.stopping;
  }

  /** Returns the milliseconds until the next tick. */
  #tick(): number {
    const now = this.#settings.clock.monotonic();
    const early = this.#sentAt + this.#paceMs - now;
    if (early > 0) return early;
    const inFlight = this.#sends.size;
    if (now >= this.#lanesAt) {
      this.#lanesAt = now + LANES_MS;
      for (const route of this.#routes.values()) route.prune(now);
      this.#track(this.#readLanes(), 'other');
    }
    let next = this.#lanesAt;
    // A topic that sends goes to the end, so that all have their turn where there is not room for all.
    for (const [topic, route] of [...this.#routes]) {
      const before = this.#sends.size;
      next = Math.min(next, route.advance(now));
      if (this.#sends.size > before || route.isIdle(now)) this.#routes.delete(topic);
      if (!route.isIdle(now)) this.#routes.set(topic, route);
    }
    if (this.#sends.size > inFlight) this.#sentAt = now;
    return Math.max(0, next - now);
  }

  async #readLanes(): Promise<void> {
    for (const { topic, partition } of await this.#settings.store.lanes()) {
      // One that is known reads on by itself; its messages may be in Kafka and only their marks not durable.
      if (!this.#routes.get(topic)?.has(partition)) this.#route(topic).want(partition);
    }
  }

  #track(work: Promise<void>, kind: 'sending' | 'other'): void {
    const cared = work
      .catch(error => this.#fail(error as Error))
      .finally(() => {
        this.#sends.delete(cared);
        this.#poller.wake();
      });
    if (kind === 'sending') this.#sends.add(cared);
  }

  /** After a stop nobody waits for the outcome, and the store may be closed. */
  #fail(error: Error): void {
    if (this.#around.abandoned) return;
    this.#around.stopping = true;
    this.#settings.onFatal(error);
  }
}
