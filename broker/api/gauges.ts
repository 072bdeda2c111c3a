/**
 * What there is, read at each scrape: from the counters of the store, which are exact after a crash, or from the parts
 * themselves. Nothing here remembers anything.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Space, Store } from '../store/store.ts';
import { VERSION } from '../version.ts';

const TRANSACTION_STATES = ['prepared', 'committed', 'rolled_back'];
const MESSAGE_STATES = ['held', 'ready', 'forwarded', 'parked', 'discarded', 'dropped'];
const STATUSES = ['ok', 'degraded', 'unavailable'];

/** Where the figures come from. */
export interface GaugeSources {
  readonly coordinator: Pick<Coordinator, 'counters' | 'waiting' | 'topics' | 'groups'>;
  readonly store: Pick<Store, 'oldest' | 'oldestReady' | 'space'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whether the last contact with Kafka went well. */
  readonly kafkaUp: () => boolean;
  /** Calls to producer groups that are under way. */
  readonly checkCalls: () => number;
  /** As /readyz says it. */
  readonly readiness: () => { readonly status: string; readonly checks: Record<string, { readonly status: string }> };
  readonly publisher: 'kafka' | 'memory';
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];
type Read = () => Sample[] | Promise<Sample[]>;

/** Sums up, or takes the largest. */
type Join = (a: number, b: number) => number;

export class Gauges {
  readonly #registry: Registry;
  readonly #sources: GaugeSources;
  readonly #labelOf: (topic: string) => string;

  /** Registers them. `labelOf`: a topic's label, which many topics may share. */
  constructor(registry: Registry, sources: GaugeSources, labelOf: (topic: string) => string) {
    this.#registry = registry;
    this.#sources = sources;
    this.#labelOf = labelOf;
    this.#ofTheStore();
    this.#ofTopics();
    this.#ofTheParts();
    this.#ofTheDisk();
  }

  #ofTheStore(): void {
    const { coordinator, store } = this.#sources;
    this.#states('transactions', 'Transactions in the store, by state', TRANSACTION_STATES);
    this.#states('messages', 'Messages in the store, by state; ready ones wait for Kafka', MESSAGE_STATES);
    this.#gauge('transactions_unresolved', 'Transactions that wait for a person', () => this.#count('unresolved'));
    this.#gauge('transactions_contradicted', 'Transactions about which two systems disagree', () =>
      this.#count('contradicted'),
    );
    this.#gauge('transactions_overdue', 'Undecided transactions whose last check-back got no answer', () => {
      let overdue = 0;
      for (const { name } of coordinator.groups()) overdue += this.#count(`overdue:${name}`);
      return overdue;
    });
    this.#total('accepted_transactions_total', 'Transactions ever stored', 'sequence');
    this.#total('accepted_messages_total', 'Messages ever stored', 'accepted');
    this.#total('purged_messages_total', 'Messages removed after their retention', 'purged');
    this.#gauge('last_backup_timestamp_seconds', 'When the newest backup was begun, since 1970; 0: never', () => {
      return this.#count('lastBackupAt') / 1000;
    });
    this.#samples(
      'oldest_age_seconds',
      'Age of the oldest: prepared transaction (since it was stored), ready or parked message (since its commit); 0: none',
      ['state'],
      async () => Object.entries(await store.oldest()).map(([state, at]) => [{ state }, this.#ageS(at)]),
    );
  }

  #ofTopics(): void {
    const { coordinator, store } = this.#sources;
    const names = (): string[] => Array.from(coordinator.topics(), ({ name }) => name);
    const sum: Join = (a, b) => a + b;
    const counts = (counter: string): Read => {
      return () => this.#byTopic(names(), topic => this.#count(`${counter}:${topic}`), sum);
    };
    this.#samples(
      'topic_waiting_messages',
      'Committed messages that are not in Kafka yet, by topic',
      ['topic'],
      counts('ready'),
    );
    this.#samples(
      'topic_parked_messages',
      'Messages that Kafka refuses and that wait for a person, by topic',
      ['topic'],
      counts('parked'),
    );
    this.#samples(
      'topic_oldest_waiting_age_seconds',
      'Age of the oldest waiting message since its commit, by topic; 0: none waits',
      ['topic'],
      async () => {
        const oldest = await store.oldestReady();
        return this.#byTopic(names(), topic => this.#ageS(oldest.get(topic) ?? null), Math.max);
      },
    );
  }

  #ofTheParts(): void {
    const { coordinator, kafkaUp, checkCalls, readiness, publisher } = this.#sources;
    this.#gauge('producer_groups', 'Producer groups', () => [...coordinator.groups()].length);
    this.#gauge('producer_groups_silent', 'Producer groups that did not answer when they were asked last', () => {
      return [...coordinator.groups()].filter(group => group.lastError !== null).length;
    });
    this.#gauge('check_calls_in_flight', 'Calls to producer groups under way', checkCalls);
    this.#gauge('queue_waiting_commands', 'Commands that wait for their commit', () => coordinator.waiting.commands);
    this.#gauge('queue_waiting_bytes', 'Content of new transactions that wait for their commit', () => {
      return coordinator.waiting.bytes;
    });
    this.#gauge('kafka_up', '1 while Kafka can be reached, else 0', () => (kafkaUp() ? 1 : 0));
    this.#samples('status', '1 for what /readyz says, 0 for the others', ['status'], () => {
      const { status } = readiness();
      return STATUSES.map(one => [{ status: one }, one === status ? 1 : 0]);
    });
    this.#samples('part_ok', '1 where /readyz has nothing to say against the part, else 0', ['part'], () =>
      Object.entries(readiness().checks).map(([part, { status }]) => [{ part }, status === 'ok' ? 1 : 0]),
    );
    this.#samples('build_info', '1; the labels say what runs', ['version', 'publisher'], () => [
      [{ version: VERSION, publisher }, 1],
    ]);
  }

  #ofTheDisk(): void {
    const disk = (name: string, help: string, figure: keyof Space): void =>
      this.#samples(name, help, [], async () => [[{}, (await this.#sources.store.space())[figure]]]);
    disk('disk_free_bytes', 'Room on the disk of the data folder', 'freeBytes');
    disk(
      'disk_reserve_bytes',
      'Of it kept for the end of what was begun; nothing new is accepted into it',
      'reserveBytes',
    );
    disk('database_bytes', 'The database file', 'databaseBytes');
    disk('wal_bytes', 'The log of commits that are not in the database file yet (WAL)', 'walBytes');
  }

  #count(counter: string): number {
    return this.#sources.coordinator.counters().get(counter) ?? 0;
  }

  #ageS(at: number | null): number {
    return at === null ? 0 : Math.max(0, this.#sources.now() - at) / 1000;
  }

  /** One sample a label; the values of topics that share one are joined. */
  #byTopic(topics: readonly string[], figureOf: (topic: string) => number, join: Join): Sample[] {
    const joined = new Map<string, number>();
    for (const topic of topics) {
      const label = this.#labelOf(topic);
      joined.set(label, join(joined.get(label) ?? 0, figureOf(topic)));
    }
    return Array.from(joined, ([topic, value]) => [{ topic }, value]);
  }

  #samples(name: string, help: string, labelNames: string[], read: Read): void {
    new Gauge({
      name: `escrowmq_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      async collect() {
        for (const [labels, value] of await read()) this.set(labels, value);
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    this.#samples(name, help, [], () => [[{}, read()]]);
  }

  #states(name: string, help: string, states: readonly string[]): void {
    this.#samples(name, help, ['state'], () => states.map(state => [{ state }, this.#count(`${name}.${state}`)]));
  }

  #total(name: string, help: string, counter: string): void {
    const read = (): number => this.#count(counter);
    new Counter({
      name: `escrowmq_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}
