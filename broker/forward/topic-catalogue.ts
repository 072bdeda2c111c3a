/**
 * What Kafka says of topics, not asked more often than needed: for the early refusal at prepare, for fixing partitions,
 * and so that added partitions are seen. A number that is new goes to the coordinator.
 */
import type { Coordinator } from '../coordinator/coordinator.ts';
import { Poller } from '../poller.ts';
import { within } from './deadline.ts';
import type { Publisher, TopicAnswer } from './publisher.ts';
import { TopicReport } from './topic-report.ts';

/** An answer this young is taken as it is; a refusal at prepare rests on no older one. */
const FRESH_MS = 1_000;
/** From this age on the question is asked again beside the answer, so that nobody waits while a topic is busy. */
const RENEW_MS = 500;
/** How long a caller waits for Kafka. */
const WAIT_MS = 1_000;
/** Topics in use are asked about this often in the background. */
const REFRESH_MS = 5_000;
/** The background looks this often for something to ask, and while Kafka is away asks this often. */
const STEP_MS = 1_000;
/** Without any topic in use, one question this often tells whether Kafka is there. */
const PING_MS = 10_000;
/** Asked about then. What is answered about it is nobody's topic, and is not reported. */
const PING_TOPIC = 'escrowmq-is-kafka-there';
/** A topic not used for so long is forgotten. */
const FORGET_MS = 5 * 60_000;
/** Topics remembered, and questions at one time, at most; beyond that the answer is `unknown`. */
const MAX_TOPICS = 2_000;
const MAX_QUESTIONS = 100;

export type TopicKnowledge = { readonly partitions: number } | 'missing' | 'unknown';

export interface TopicCatalogueSettings {
  readonly publisher: Publisher;
  readonly coordinator: Coordinator;
  readonly clock: { monotonic(): number };
  readonly onFatal: (error: Error) => void;
}

interface Entry {
  readonly topic: string;
  answer: TopicAnswer | null;
  answeredAt: number;
  askedAt: number;
  usedAt: number;
  /** The question under way; null in it: there was no answer. */
  asking: Promise<TopicAnswer | null> | null;
}

export class TopicCatalogue {
  readonly #settings: TopicCatalogueSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #ping = newEntry(PING_TOPIC);
  /** What is new goes this way. */
  readonly report: TopicReport;
  readonly #poller: Poller;
  #questions = 0;
  /** Questions that wait for one of those under way to end. */
  readonly #queue: (() => void)[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  /** The last question got no answer: nobody is to wait for the next. */
  #away = false;
  #stopped = false;

  constructor(settings: TopicCatalogueSettings) {
    this.#settings = settings;
    this.report = new TopicReport(settings.coordinator);
    this.#poller = new Poller({ step: () => this.#step(), onFatal: settings.onFatal });
  }

  /** Begins to ask in the background. */
  start(): void {
    this.#poller.start();
  }

  /** Asks and reports nothing any more; does not wait for a question under way. */
  stop(): void {
    this.#stopped = true;
    void this.#poller.stop();
  }

  /** For a prepare: what is known now of each topic, after a second at most. `missing` is never older than a second. */
  async inspect(topics: readonly string[]): Promise<Map<string, TopicKnowledge>> {
    const names = [...new Set(topics)];
    const knowledge = await Promise.all(names.map(topic => this.#inspect(topic)));
    return new Map(names.map((topic, i) => [topic, knowledge[i]!]));
  }

  /**
   * Asks now, or shares the question under way. A number is with the coordinator, durably, before this resolves. Null:
   * no answer.
   */
  async refresh(topic: string): Promise<TopicAnswer | null> {
    return this.#ask(this.#touched(topic));
  }

  /** The topic is in use: it is asked about in the background for the next minutes. */
  touch(topic: string): void {
    this.#touched(topic);
  }

  async #inspect(topic: string): Promise<TopicKnowledge> {
    const entry = this.#touched(topic);
    const age = this.#settings.clock.monotonic() - entry.answeredAt;
    if (entry.answer && age < FRESH_MS) {
      if (age >= RENEW_MS && !this.#away) void this.#ask(entry);
      return knowledgeOf(entry.answer);
    }
    if (this.#away) return 'unknown';
    try {
      return knowledgeOf(await within(WAIT_MS, this.#ask(entry), 'Kafka did not answer'));
    } catch {
      this.#lost();
      return 'unknown';
    }
  }

  /** The entries lie in the order of their last use. */
  #touched(topic: string): Entry {
    const entry = this.#entries.get(topic) ?? newEntry(topic);
    this.#entries.delete(topic);
    if (this.#entries.size >= MAX_TOPICS) {
      for (const { topic: longUnused } of this.#entries.values()) {
        this.#entries.delete(longUnused);
        break;
      }
    }
    this.#entries.set(topic, entry);
    entry.usedAt = this.#settings.clock.monotonic();
    return entry;
  }

  #ask(entry: Entry): Promise<TopicAnswer | null> {
    entry.asking ??= this.#question(entry).finally(() => {
      entry.asking = null;
    });
    return entry.asking;
  }

  async #question(entry: Entry): Promise<TopicAnswer | null> {
    if (this.#questions >= MAX_QUESTIONS) await new Promise<void>(resolve => this.#queue.push(resolve));
    // Whoever waited in the queue while Kafka went away has waited long enough.
    if (this.#stopped || (this.#away && this.#questions > 0)) return this.#next();
    const { publisher, clock, onFatal } = this.#settings;
    this.#questions++;
    entry.askedAt = this.#askedAt = clock.monotonic();
    try {
      entry.answer = await publisher.lookUp(entry.topic);
    } catch {
      // The publisher remembers the error. One topic alone may get none, like one whose leader is being elected.
      if (publisher.state().status === 'down') this.#lost();
      else this.#away = false;
      return null;
    } finally {
      this.#questions--;
      this.#next();
    }
    this.#away = false;
    entry.answeredAt = clock.monotonic();
    if ('partitions' in entry.answer && entry !== this.#ping && !this.#stopped) {
      await this.report.seen(entry.topic, entry.answer.partitions).catch(onFatal);
    }
    return entry.answer;
  }

  /** Lets the next question go. */
  #next(): null {
    this.#queue.shift()?.();
    return null;
  }

  #lost(): void {
    this.#away = true;
    this.#poller.wake();
  }

  /** One question at a time, about the topic that was not asked about for the longest time. */
  async #step(): Promise<number> {
    const now = this.#settings.clock.monotonic();
    let oldest: Entry | null = null;
    for (const entry of this.#entries.values()) {
      if (now - entry.usedAt > FORGET_MS && !entry.asking) this.#entries.delete(entry.topic);
      else if (!oldest || entry.askedAt < oldest.askedAt) oldest = entry;
    }
    if (this.#away) {
      // The wake-up that told us may have come right after the last question.
      const early = this.#askedAt + STEP_MS - now;
      if (early > 0) return early;
      await this.#ask(oldest ?? this.#ping);
      return STEP_MS;
    }
    if (oldest && now - oldest.askedAt >= REFRESH_MS) {
      return (await this.#ask(oldest)) ? 0 : STEP_MS;
    }
    if (now - this.#askedAt >= PING_MS) await this.#ask(this.#ping);
    return STEP_MS;
  }
}

const newEntry = (topic: string): Entry => ({
  topic,
  answer: null,
  answeredAt: Number.NEGATIVE_INFINITY,
  askedAt: Number.NEGATIVE_INFINITY,
  usedAt: 0,
  asking: null,
});

const knowledgeOf = (answer: TopicAnswer | null): TopicKnowledge => {
  if (answer === null || 'refused' in answer) return 'unknown';
  return 'missing' in answer ? 'missing' : { partitions: answer.partitions };
};
