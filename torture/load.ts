/**
 * Producers that go on whatever happens to the broker: they repeat a call until it is answered, as clients do, and
 * remember what was acknowledged. And the auditor, who holds that against what consumers see.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, BrokerProcess } from '../test/support/broker-process.ts';
import type { TopicRecord } from '../test/support/topics.ts';
import type { CallHistory, Operation } from './call-history.ts';
import { Random } from './random.ts';

export interface LoadOptions {
  group: string;
  topics: readonly string[];
  /** Producers at the same time, each with keys of its own. */
  producers?: number;
  /** Between two transactions of one producer. */
  pauseMs?: number;
  /** Where every call is written down: before it is sent, and when its answer is there. */
  history?: CallHistory;
  /** Waits so long for an answer, repeating the call, before it gives up and rejects. */
  patienceMs?: number;
  /** Of each producer. The first is wanted most, the second half as often, the third a third as often (Zipf). */
  keys?: number;
  /** In one transaction, each with a key of its own choice. */
  messages?: number;
  /** Of these, in transactions that are committed, so many take the keys in turn instead, so that each key occurs. */
  inTurn?: number;
  /** Payloads are filled up to that, about. */
  payloadBytes?: number;
}

export interface Acknowledged {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** Of its messages, in their order, the first of which is `key`. */
  readonly keys: readonly string[];
  /** Commits of one key have rising numbers. */
  readonly number: number;
  state: 'prepared' | 'committed' | 'rolled_back';
}

const ANSWERED_WITHIN_MS = 60_000;
const KEYS = 3;
const SEED = 1;
const DEFAULTS = {
  producers: 6,
  pauseMs: 10,
  patienceMs: ANSWERED_WITHIN_MS,
  keys: KEYS,
  messages: 1,
  inTurn: 0,
  payloadBytes: 0,
};
let loads = 0;

export class Load {
  /** By id. What was never acknowledged is not in it. */
  readonly acknowledged = new Map<string, Acknowledged>();
  /** Answers that no broker may give. */
  readonly wrong: string[] = [];
  /** Commits and rollbacks that came after the opposite one, and were refused. */
  contradicted = 0;
  readonly #broker: BrokerProcess;
  readonly #options: Required<Omit<LoadOptions, 'history'>>;
  readonly #history: CallHistory | null;
  readonly #prefix = `load-${process.pid}-${loads++}`;
  readonly #producers: Promise<void>[] = [];
  #number = 0;
  #isStopping = false;

  constructor(broker: BrokerProcess, options: LoadOptions) {
    this.#broker = broker;
    this.#options = { ...DEFAULTS, ...options };
    this.#history = options.history ?? null;
  }

  start(): void {
    for (let i = 0; i < this.#options.producers; i++) this.#producers.push(this.#produce(i));
  }

  /** Resolves when every call begun has been answered. Rejects if one never was. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#producers);
  }

  in(state: Acknowledged['state']): Acknowledged[] {
    return [...this.acknowledged.values()].filter(one => one.state === state);
  }

  /** Resolves after so many acknowledgements more. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.size + count;
    const deadline = performance.now() + ANSWERED_WITHIN_MS;
    while (this.acknowledged.size < wanted) {
      if (performance.now() > deadline) throw new Error(`waited in vain for ${count} acknowledgements more`);
      await delay(5);
    }
  }

  async #produce(producer: number): Promise<void> {
    const { keys, messages, inTurn, pauseMs } = this.#options;
    const draw = zipf(keys, new Random(SEED + producer));
    let next = 0;
    for (let turn = 0; !this.#isStopping; turn++) {
      const number = this.#number++;
      const walked = fateOf(number) === 'committed' ? inTurn : 0;
      const some = Array.from(
        { length: messages },
        (_, index) => `key-${producer}-${index < walked ? next++ % keys : draw()}`,
      );
      await this.#transaction(`${this.#prefix}-${producer}-${turn}`, number, some);
      if (pauseMs > 0) await delay(pauseMs);
    }
  }

  async #transaction(id: string, number: number, keys: readonly string[]): Promise<void> {
    const { group, topics, payloadBytes } = this.#options;
    const topic = topics[number % topics.length]!;
    const payload = JSON.stringify({ id, number, ...(payloadBytes > 0 && { fill: 'x'.repeat(payloadBytes) }) });
    const key = keys[0]!;
    const about = { id, topic, key, number, ...(keys.length > 1 && { keys }) };
    const messages = keys.map(one => ({ topic, key: one, payload }));
    const made = await this.#insist('prepare', about, '/v1/transactions', { id, group, messages });
    if (made.status !== 201 && made.status !== 200) return void this.wrong.push(`prepare ${id}: ${told(made)}`);
    const entry: Acknowledged = { id, topic, key, keys, number, state: 'prepared' };
    this.acknowledged.set(id, entry);
    const state = fateOf(number);
    if (state === 'prepared') return;
    const [act, opposite] =
      state === 'committed' ? (['commit', 'rollback'] as const) : (['rollback', 'commit'] as const);
    // Now and then twice at once, as a client does that was too impatient.
    const calls = Array.from({ length: number % 4 === 0 ? 2 : 1 }, () =>
      this.#insist(act, about, `/v1/transactions/${id}/${act}`),
    );
    for (const answer of await Promise.all(calls)) {
      if (answer.status !== 200 || answer.body.state !== state) this.wrong.push(`${act} ${id}: ${told(answer)}`);
    }
    entry.state = state;
    if (number % 20 !== 0) return;
    const refused = await this.#insist(opposite, about, `/v1/transactions/${id}/${opposite}`);
    if (refused.status !== 409 || refused.body.state !== state) this.wrong.push(`${opposite} ${id}: ${told(refused)}`);
    this.contradicted++;
  }

  /** Until there is an answer that says something. */
  async #insist(op: Operation, about: About, path: string, body?: unknown): Promise<Answer> {
    const deadline = performance.now() + this.#options.patienceMs;
    for (;;) {
      this.#history?.write({ event: 'invoke', op, ...about });
      const answer = await this.#broker.post(path, body).catch(error => error as Error);
      if (!(answer instanceof Error) && answer.status < 500) {
        const isOk = answer.status < 300;
        this.#history?.write({ event: isOk ? 'ok' : 'fail', op, ...about, state: String(answer.body.state) });
        return answer;
      }
      const why = answer instanceof Error ? String(answer.cause ?? answer) : told(answer);
      this.#history?.write({ event: 'info', op, ...about, why });
      if (performance.now() > deadline) throw new Error(`no answer to ${path}: ${why}`);
      await delay(20);
    }
  }
}

type About = Pick<Acknowledged, 'id' | 'topic' | 'key' | 'number'> & { readonly keys?: readonly string[] };

/** Of ten: seven committed, two rolled back, one left alone. */
const fateOf = (number: number): Acknowledged['state'] => {
  const place = number % 10;
  return place < 7 ? 'committed' : place < 9 ? 'rolled_back' : 'prepared';
};

/** Draws whole numbers below `count`, n with a weight of 1/(n + 1). */
const zipf = (count: number, random: Random): (() => number) => {
  const sums: number[] = [];
  for (let rank = 1; rank <= count; rank++) sums.push((sums.at(-1) ?? 0) + 1 / rank);
  return () => {
    const drawn = random.next() * sums.at(-1)!;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
};

const told = ({ status, body }: Answer): string => `${status} ${JSON.stringify(body)}`;

export interface Audit {
  /** Committed and not seen. */
  missing: string[];
  /** Seen, but never acknowledged as committed. */
  phantom: string[];
  /** First appearances of one key of one topic out of the order of commits. */
  inversions: string[];
  duplicates: number;
}

/** `records` of all topics of the load, each topic in the order of its partitions' offsets. One message a transaction. */
export const audit = (load: Load, records: Iterable<TopicRecord>): Audit => {
  const seen = new Set<string>();
  const last = new Map<string, number>();
  const found: Audit = { missing: [], phantom: [], inversions: [], duplicates: 0 };
  for (const { value } of records) {
    const { id, number } = JSON.parse(value!.toString()) as { id: string; number: number };
    if (seen.has(id)) {
      found.duplicates++;
      continue;
    }
    seen.add(id);
    const entry = load.acknowledged.get(id);
    if (entry?.state !== 'committed') found.phantom.push(id);
    const lane = `${entry?.topic} ${entry?.key}`;
    if (number < (last.get(lane) ?? -1)) found.inversions.push(`${lane}: ${number} after ${last.get(lane)}`);
    last.set(lane, Math.max(number, last.get(lane) ?? -1));
  }
  found.missing = load
    .in('committed')
    .map(({ id }) => id)
    .filter(id => !seen.has(id));
  return found;
};

/** What an audit of a good broker finds. */
export const NOTHING_WRONG = { missing: [], phantom: [], inversions: [] } as const;

/** Reads until no committed message is missing in these records; the deadline of the reader says so otherwise. */
export const hasAll =
  (load: Load, topic: string) =>
  (records: readonly TopicRecord[]): boolean => {
    const wanted = load.in('committed').filter(one => one.topic === topic).length;
    if (records.length < wanted) return false;
    return new Set(records.map(record => record.headers.ce_id?.toString())).size >= wanted;
  };
