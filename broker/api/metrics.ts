/**
 * Figures for Prometheus, in a registry of their own. What happens is counted here as it happens; what there is, is read
 * at each scrape, see gauges.ts. Units are in the names. docs/metrics.md explains all of them.
 */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { ERRORS, type ErrorCode } from '../protocol/errors.ts';
import { type GaugeSources, Gauges } from './gauges.ts';

/** Topics that get a label of their own; the rest is counted together as `other`. */
const MAX_TOPIC_LABELS = 200;
const OTHER_TOPICS = 'other';

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const SLOW_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Labels that are known before anything happens: a series that appears with its first event hides that one from rates. */
const CHECK_RESULTS = ['commit', 'rollback', 'unknown', 'no_answer'];
const CONTRADICTORS = ['producer', 'check', 'operator'];
const SEND_FAULTS = ['record', 'topic', 'partition', 'unknown'];
const COMMIT_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];

/** What happened since the start, each as often as it did. */
export type SinceStart = Readonly<
  Record<'prepared' | 'committed' | 'rolledBack' | 'checks' | 'forwarded' | 'parked', number>
>;

export class Metrics {
  readonly #registry = new Registry();
  readonly #topics = new Set<string>();
  readonly #happened = { committed: 0, rolledBack: 0, checks: 0, forwarded: 0, parked: 0 };
  /** Transactions prepared so far: each takes the next number of the sequence. */
  #prepared: () => number = () => 0;
  #preparedBefore = 0;
  readonly #resolutions: Counter<'state' | 'by'>;
  readonly #contradictions: Counter<'by'>;
  readonly #checks: Counter<'result'>;
  readonly #calls: Histogram<'outcome'>;
  readonly #forwarded: Counter<'topic'>;
  readonly #forwardDelay: Histogram;
  readonly #parked: Counter;
  readonly #sendFailures: Counter<'fault'>;
  readonly #commitSize: Histogram;
  readonly #commitDuration: Histogram;
  readonly #requests: Histogram<'route' | 'method' | 'status'>;
  readonly #refusals: Counter<'code'>;

  constructor() {
    const registers = [this.#registry];
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name: `escrowmq_${name}`, help, labelNames, registers });
    const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
      new Histogram({ name: `escrowmq_${name}`, help, buckets, labelNames, registers });
    this.#resolutions = counter('resolutions_total', 'Transactions resolved, by state and by whom', ['state', 'by']);
    this.#contradictions = counter(
      'contradictions_total',
      'Resolutions that came after the opposite one: two systems disagree',
      ['by'],
    );
    this.#checks = counter('checks_total', 'Check-backs by their result, one each transaction asked about', ['result']);
    this.#calls = histogram('check_call_duration_seconds', 'Calls to producer groups', SLOW_SECONDS, ['outcome']);
    this.#forwarded = counter('forwarded_messages_total', 'Messages that Kafka acknowledged, by topic', ['topic']);
    this.#forwardDelay = histogram(
      'forward_delay_seconds',
      'From the commit of the oldest message of a send until Kafka acknowledged it',
      SLOW_SECONDS,
    );
    this.#parked = counter('parked_messages_total', 'Messages that were parked because Kafka refuses them');
    this.#sendFailures = counter('send_failures_total', 'Sends to Kafka that failed, by whose fault', ['fault']);
    this.#commitSize = histogram('commit_commands', 'Commands that shared one durable commit', COMMIT_SIZES);
    this.#commitDuration = histogram('commit_duration_seconds', 'One durable commit of the store', FAST_SECONDS);
    this.#requests = histogram('http_request_duration_seconds', 'Requests by route', FAST_SECONDS, [
      'route',
      'method',
      'status',
    ]);
    this.#refusals = counter(
      'refusals_total',
      'Requests, and operations of batches, that were refused, by error code',
      ['code'],
    );
    for (const result of CHECK_RESULTS) this.#checks.inc({ result }, 0);
    for (const by of CONTRADICTORS) this.#contradictions.inc({ by }, 0);
    for (const fault of SEND_FAULTS) this.#sendFailures.inc({ fault }, 0);
    for (const code of Object.keys(ERRORS)) this.#refusals.inc({ code }, 0);
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Names the sources of what is read at each scrape. Once, before the first scrape. */
  watch(sources: GaugeSources): void {
    new Gauges(this.#registry, sources, topic => this.#labelOf(topic));
    this.#prepared = () => sources.coordinator.counters().get('sequence') ?? 0;
    this.#preparedBefore = this.#prepared();
  }

  /** Since the sources were named: as figures, for whoever does not scrape. */
  sinceStart(): SinceStart {
    return { prepared: this.#prepared() - this.#preparedBefore, ...this.#happened };
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  onCommit(commands: number, tookMs: number): void {
    this.#commitSize.observe(commands);
    this.#commitDuration.observe(tookMs / 1000);
  }

  onResolution(kind: 'committed' | 'rolled_back' | 'contradicted', by: string): void {
    if (kind === 'contradicted') {
      this.#contradictions.inc({ by });
      return;
    }
    this.#resolutions.inc({ state: kind, by });
    this.#happened[kind === 'committed' ? 'committed' : 'rolledBack']++;
  }

  onCheck(result: string, count = 1): void {
    this.#checks.inc({ result }, count);
    this.#happened.checks += count;
  }

  /** `error` null: with an answer. The group is no label: groups have no bound. */
  onCall(_group: string, tookMs: number, error: string | null): void {
    this.#calls.observe({ outcome: error === null ? 'answer' : 'no_answer' }, tookMs / 1000);
  }

  /** `oldestAgeMs`: since the commit of the oldest of them. */
  onForwarded(topic: string, count: number, oldestAgeMs: number): void {
    this.#forwardDelay.observe(oldestAgeMs / 1000);
    this.#happened.forwarded += count;
    this.#forwarded.inc({ topic: this.#labelOf(topic) }, count);
  }

  onParked(count = 1): void {
    this.#parked.inc(count);
    this.#happened.parked += count;
  }

  onSendFailed(fault: string): void {
    this.#sendFailures.inc({ fault });
  }

  /** A request, or one operation of a batch. */
  onRefusal(code: ErrorCode): void {
    this.#refusals.inc({ code });
  }

  /** `route` is the pattern of the path, never the path itself. */
  onRequest(route: string, method: string, status: number, tookMs: number): void {
    this.#requests.observe({ route, method, status }, tookMs / 1000);
  }

  #labelOf(topic: string): string {
    if (this.#topics.size < MAX_TOPIC_LABELS) this.#topics.add(topic);
    return this.#topics.has(topic) ? topic : OTHER_TOPICS;
  }
}
