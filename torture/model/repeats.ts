/** Random requests, each sent up to five times, at once, one after another and across kill -9, against the model. */
import fc from 'fast-check';
import type { BrokerProcess } from '../../test/support/broker-process.ts';
import type { PlantedFault } from '../planted-fault.ts';
import { memoryBroker } from './memory-broker.ts';
import { ASKABLE, type Kind, RepeatModel, type RepeatRequest, type Reply } from './repeat-model.ts';

/** How the repeats of a request follow each other. `killed`: while the first are under way; `restarted`: between them. */
type Manner = 'at once' | 'in turn' | 'restarted' | 'killed';

export interface RepeatOptions {
  readonly runs: number;
  readonly commands: number;
  readonly seed: number;
  readonly fault: PlantedFault | null;
  readonly dataDir: string;
  isLate(): boolean;
}

export interface Repeated {
  readonly requests: number;
  readonly calls: number;
  /** Calls without an answer, because the broker was killed. */
  readonly unanswered: number;
  readonly kills: number;
  readonly runs: number;
  readonly anomalies: readonly string[];
}

const IDS = 8;
const MOST_TIMES = 5;
/** Requests of a batch; each about another id. */
const MOST_TOGETHER = 4;
/** So that nobody is asked but by an operator. */
const NEVER_MS = 30 * 24 * 3_600_000;

const CONTENTS = [
  [{ topic: 'transfers', key: 'k', payload: 'one' }],
  [{ topic: 'transfers', key: 'k', payload: 'another' }],
  [
    { topic: 'transfers', payload: null },
    { topic: 'audit', payload: { base64: 'AAEC/w==' }, headers: { b: '2', a: '1' } },
  ],
] as const;

const KINDS: [kind: Kind, weight: number][] = [
  ['prepare', 8],
  ['commit', 3],
  ['rollback', 2],
  ['check', 1],
  ['show', 1],
  ['retry', 1],
  ['discard', 1],
  ['group', 1],
];
const MANNERS: [manner: Manner, weight: number][] = [
  ['at once', 20],
  ['in turn', 20],
  ['restarted', 1],
  ['killed', 1],
];

const chosen = <T>(among: readonly [T, number][]): fc.Arbitrary<T> =>
  fc.oneof(...among.map(([value, weight]) => ({ arbitrary: fc.constant(value), weight })));

const request = fc.record({
  kind: chosen(KINDS),
  id: fc.integer({ min: 0, max: IDS - 1 }).map(i => `t${i}`),
  // Mostly the same, so that repeats of an earlier request are repeats.
  group: chosen([
    [ASKABLE, 6],
    ['alone', 1],
  ]),
  content: chosen([
    [0, 6],
    [1, 1],
    [2, 1],
  ]),
  reason: chosen<string | null>([
    [null, 3],
    ['by hand', 1],
  ]),
}) satisfies fc.Arbitrary<RepeatRequest>;

/** The requests as a batch has them; null: they are sent as single calls. */
const operationsOf = (requests: readonly RepeatRequest[]): object[] | null => {
  const operations = requests.map(({ kind, id, group, content, reason }) => {
    if (kind === 'prepare') return { op: kind, id, group, messages: CONTENTS[content] };
    if (kind === 'commit' || kind === 'rollback') return { op: kind, id, ...(reason === null ? {} : { reason }) };
    if (kind === 'check') return { op: kind, id, reason: 'ask' };
    return kind === 'retry' || kind === 'discard' ? { op: kind, messageId: `${id}.0`, reason: 'by hand' } : null;
  });
  return operations.every(operation => operation !== null) ? operations : null;
};

class Repeater {
  readonly counts = { requests: 0, calls: 0, unanswered: 0, kills: 0, runs: 0 };
  readonly anomalies: string[] = [];
  readonly #broker: BrokerProcess;

  constructor(broker: BrokerProcess) {
    this.#broker = broker;
  }

  /** Sends the requests together so many times; the first divergent reply ends the run. */
  async repeat(model: RepeatModel, requests: readonly RepeatRequest[], times: number, manner: Manner): Promise<void> {
    const refusals = requests.map(one => model.take(one));
    this.counts.requests += requests.length;
    for (const replies of await this.#replies(requests, times, manner)) {
      for (const [i, one] of requests.entries()) {
        const fault = model.judge(one, refusals[i]!, replies[i]!);
        if (fault === null) continue;
        const { status, body } = replies[i]!;
        const told = `${status} ${body?.code ?? body?.state}`;
        const sentence = `${one.kind} ${one.id}, sent ${times} times ${manner}, was answered ${told}: ${fault}`;
        this.anomalies.push(sentence);
        throw new Error(sentence);
      }
    }
  }

  async #replies(requests: readonly RepeatRequest[], times: number, manner: Manner): Promise<Reply[][]> {
    const send = (): Promise<Reply[] | null> => this.#send(requests);
    const some = Math.ceil(times / 2);
    const atOnce = (count: number): Promise<(Reply[] | null)[]> => Promise.all(Array.from({ length: count }, send));
    let replies: (Reply[] | null)[] = [];
    if (manner === 'at once') replies = await atOnce(times);
    else if (manner === 'in turn') for (let i = 0; i < times; i++) replies.push(await send());
    else {
      const first = atOnce(some);
      if (manner === 'restarted') await first;
      this.counts.kills++;
      await this.#broker.restart();
      replies = [...(await first), ...(await atOnce(times - some + 1))];
    }
    return replies.filter(reply => reply !== null);
  }

  async #send(requests: readonly RepeatRequest[]): Promise<Reply[] | null> {
    this.counts.calls++;
    try {
      const operations = requests.length > 1 ? operationsOf(requests) : null;
      if (operations === null) return await Promise.all(requests.map(one => this.#call(one)));
      const { status, body } = await this.#broker.post('/v1/batch', { operations });
      if (status !== 200) throw new Error(`a batch was answered ${status}: ${JSON.stringify(body)}`);
      return body.results;
    } catch (error) {
      // Nothing is known of it: whoever sent it repeats it.
      if ((error as Error).name !== 'TypeError') throw error;
      this.counts.unanswered++;
      return null;
    }
  }

  #call({ kind, id, group, content, reason }: RepeatRequest): Promise<Reply> {
    const path = `/v1/transactions/${id}`;
    switch (kind) {
      case 'prepare':
        return this.#broker.post('/v1/transactions', { id, group, messages: CONTENTS[content] });
      case 'commit':
      case 'rollback':
        return this.#broker.post(`${path}/${kind}`, reason === null ? undefined : { reason });
      case 'check':
        return this.#broker.post(`${path}/check`, { reason: 'ask' });
      case 'show':
        return this.#broker.get(path);
      case 'retry':
      case 'discard':
        return this.#broker.post(`/v1/messages/${id}.0/${kind}`, { reason: 'by hand' });
      case 'group':
        return this.#broker.put(`/v1/producer-groups/${id}`, { check: { limit: content + 1 } });
    }
  }
}

/** One of the model's commands, in the ids of this run. */
class RepeatCommand implements fc.AsyncCommand<RepeatModel, { repeater: Repeater; prefix: string }> {
  readonly #requests: readonly RepeatRequest[];
  readonly #times: number;
  readonly #manner: Manner;

  constructor(requests: readonly RepeatRequest[], times: number, manner: Manner) {
    this.#requests = requests;
    this.#times = times;
    this.#manner = manner;
  }

  check = (): boolean => true;

  async run(model: RepeatModel, { repeater, prefix }: { repeater: Repeater; prefix: string }): Promise<void> {
    const requests = this.#requests.map(one => ({ ...one, id: `${prefix}-${one.id}` }));
    await repeater.repeat(model, requests, this.#times, this.#manner);
  }

  toString = (): string => `${this.#times} times ${this.#manner}: ${JSON.stringify(this.#requests)}`;
}

const command = fc
  .tuple(
    fc.uniqueArray(request, { minLength: 1, maxLength: MOST_TOGETHER, selector: ({ id }) => id }),
    fc.integer({ min: 1, max: MOST_TIMES }),
    chosen(MANNERS),
  )
  .map(([requests, times, manner]) => new RepeatCommand(requests, times, manner));

export const runRepeats = async (options: RepeatOptions): Promise<Repeated> => {
  const { runs, commands, seed, fault, dataDir, isLate } = options;
  const broker = memoryBroker(dataDir, fault);
  const repeater = new Repeater(broker);
  await broker.start();
  try {
    // The port of whoever is asked is closed: a producer that is away.
    await broker.put(`/v1/producer-groups/${ASKABLE}`, {
      checkUrl: 'http://127.0.0.1:1/',
      check: { afterMs: NEVER_MS },
    });
    await broker.put('/v1/producer-groups/alone', { check: { afterMs: NEVER_MS } });
    const property = fc.asyncProperty(fc.commands([command], { maxCommands: commands, size: 'max' }), async all => {
      const prefix = `r${repeater.counts.runs++}`;
      await fc.asyncModelRun(() => ({ model: new RepeatModel(), real: { repeater, prefix } }), all);
    });
    for (let run = 0; run < runs && !isLate() && repeater.anomalies.length === 0; run++) {
      const { failed, errorInstance } = await fc.check(property, { numRuns: 1, seed: seed + run, endOnFailure: true });
      // Whatever is no divergent reply is a fault of the proof.
      if (failed && repeater.anomalies.length === 0) throw errorInstance;
    }
  } finally {
    await broker.kill();
  }
  return { ...repeater.counts, anomalies: repeater.anomalies };
};
