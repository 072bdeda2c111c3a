/** What is done to a broker's check-backs, step by step, and what of it should not have happened. */

import { SPELLINGS } from '../../test/support/address-spellings.ts';
import { type Answer, type BrokerProcess, eventually } from '../../test/support/broker-process.ts';
import { type HostileProducer, MANNERS } from './hostile-producer.ts';
import type { OutsideWorld } from './outside-world.ts';

interface Stage {
  readonly broker: BrokerProcess;
  readonly world: OutsideWorld;
  readonly producer: HostileProducer;
  /** The address that the producer listens on, which alone may be called, and its port. */
  readonly allowed: string;
  readonly port: number;
  /** A trap is on this port of every address. */
  readonly trapPort: number;
  /** Of every group. */
  readonly secret: string;
}

const NOT_ALLOWED = 'its address is not allowed';
const LEADS_ELSEWHERE = 'its name leads to an address that is not allowed';
const REDIRECTS = [300, 301, 302, 303, 305, 307, 308];
/** Not due while this runs: they are asked when we say so. */
const LATER = { check: { afterMs: 3_600_000 } };

/** Spellings of this machine's own addresses; at each the trap would be hit. */
const OWN_ADDRESSES = [
  ...['127.0.0.1', '127.1', '127.0.0.2', '0x7f000001', '2130706434', '0177.0.0.1', '127.0.0.1.', '127。0。0。2'],
  ...[
    '0.0.0.0',
    '0',
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:2]',
    '[::ffff:0.0.0.0]',
  ],
];

/** Where a name leads at its second look-up; the producer may still be among them. */
const REBOUND = [
  ['127.0.0.1'],
  ['127.0.0.2'],
  ['::1'],
  ['::ffff:127.0.0.1'],
  ['0.0.0.0'],
  ['::'],
  ['127.0.0.2', '::1', '127.0.0.1'],
];

interface Target {
  readonly group: string;
  readonly url: string;
  readonly isName: boolean;
}

export class AddressAttack {
  readonly anomalies: string[] = [];
  readonly figures: Record<string, number> = {};
  rebindings = 0;
  readonly #stage: Stage;
  readonly #targets: readonly Target[];
  /** Those that were let in while everything was allowed. */
  #registered: Target[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
    const own = OWN_ADDRESSES.map(host => `http://${host}:${stage.trapPort}/`);
    const spellings = [
      // Only names are allowed to both.
      ...SPELLINGS.map(([url, here, there]) => ({ url, isName: here && there })),
      ...own.map(url => ({ url, isName: false })),
      { url: `http://localhost:${stage.port}/`, isName: true },
    ];
    this.#targets = spellings.map((spelling, i) => ({ ...spelling, group: `g${i}` }));
    this.figures.spellings = this.#targets.length;
  }

  /** Every spelling, at a broker that allows every address; those that it takes get a transaction each. */
  async register(): Promise<void> {
    for (const target of this.#targets) {
      const { status } = await this.#put(target.group, target.url);
      if (status !== 201) continue;
      await this.#prepare(target.group);
      this.#registered.push(target);
    }
    this.figures['set while everything was allowed'] = this.#registered.length;
    if (this.#registered.length < 60) this.#wrong(`only ${this.#registered.length} spellings could be set`);
  }

  /** Each of them is asked, by the test question and about its transaction. */
  async callRegistered(): Promise<void> {
    for (const { group, url, isName } of this.#registered) {
      const error = isName ? LEADS_ELSEWHERE : NOT_ALLOWED;
      await this.#expectTest(group, url, { ok: false, error });
      await this.#post(`/v1/transactions/t-${group}/check`, { reason: 'ask now' }, 202);
    }
    for (const { group, url, isName } of this.#registered) {
      await this.#expectUnanswered(group, url, isName ? LEADS_ELSEWHERE : NOT_ALLOWED);
    }
    this.figures['refused when called'] = this.#registered.length;
  }

  /** Addresses are refused at once, names when they are looked up. */
  async setAgain(): Promise<void> {
    let refused = 0;
    for (const { url, isName } of this.#targets) {
      const { status } = await this.#put('again', url);
      if (status < 300) {
        if (!isName) this.#wrong(`${url} was taken as a check address`);
      } else if (status === 400 || status === 422) refused++;
      else this.#wrong(`${url} was answered ${status}`);
    }
    this.figures['refused when set'] = refused;
  }

  async redirect(): Promise<void> {
    for (const status of REDIRECTS) {
      const group = `redirect-${status}`;
      await this.#set(group, `redirect/${status}`);
      await this.#expectTest(group, group, { ok: false, error: `redirect refused (${status})` });
    }
    this.figures.redirects = REDIRECTS.length;
  }

  /** Names that lead to the producer first and elsewhere then. */
  async rebind(round: number): Promise<void> {
    const { world, allowed, port } = this.#stage;
    const names = REBOUND.map((addresses, i) => ({ group: `rebinds-${round}-${i}`, addresses }));
    world.lead({
      names: Object.fromEntries(
        names.flatMap(({ group, addresses }) => [
          [`${group}.example`, [[allowed], addresses]],
          [`${group}.mixed.example`, [addresses, [...addresses, allowed]]],
        ]),
      ),
      others: ['127.0.0.2'],
    });
    for (const { group, addresses } of names) {
      const url = `http://${group}.example:${port}/right`;
      await this.#must(this.#put(group, url), 201);
      await this.#prepare(group);
      await this.#expectTest(group, `${url} at first`, { ok: true, error: null });
      await this.#expectTest(group, `${url} → ${addresses}`, { ok: false, error: LEADS_ELSEWHERE });
      await this.#post(`/v1/transactions/t-${group}/check`, { reason: 'ask now' }, 202);
      await this.#expectUnanswered(group, url, LEADS_ELSEWHERE);
      const mixed = `http://${group.toUpperCase()}.Mixed.Example.:${port}/right`;
      await this.#must(this.#put(group, mixed), 200);
      await this.#expectTest(group, `${mixed} → ${addresses}`, { ok: false, error: LEADS_ELSEWHERE });
      await this.#expectTest(group, `${mixed} → the producer too`, { ok: true, error: null });
    }
    this.rebindings += names.length * 2;
    this.figures.rebindings = this.rebindings;
  }

  /** All manners at once. Beside them a decent one is heard. */
  async answerHostilely(): Promise<void> {
    const manners = Object.entries(MANNERS);
    await Promise.all(
      manners.map(async ([path, { error }]) => {
        await this.#set(path, path);
        await this.#expectTest(path, path, { ok: error === null, error });
      }),
    );
    this.figures['hostile answers'] = manners.length;
    try {
      await eventually('connections to be given up', async () => this.#stage.producer.open.size === 0);
    } catch {
      this.#wrong(`${this.#stage.producer.open.size} connections were never given up`);
    }
  }

  /** After all of it, a transaction whose producer answers is decided. */
  async proceed(): Promise<void> {
    await this.#set('decent', 'right');
    await this.#prepare('decent');
    await this.#post('/v1/transactions/t-decent/check', { reason: 'ask now' }, 202);
    await this.#until('t-decent', 'committed', ({ state }) => state === 'committed');
  }

  #wrong(sentence: string): void {
    this.anomalies.push(sentence);
  }

  #put(group: string, checkUrl: string): Promise<Answer> {
    const { broker, secret } = this.#stage;
    return broker.put(`/v1/producer-groups/${group}`, { checkUrl, checkSecret: secret });
  }

  #set(group: string, path: string): Promise<void> {
    const { allowed, port } = this.#stage;
    return this.#must(this.#put(group, `http://${allowed}:${port}/${path}`), 201);
  }

  #prepare(group: string): Promise<void> {
    const messages = [{ topic: 'transfers', payload: 'x' }];
    return this.#post('/v1/transactions', { id: `t-${group}`, group, messages, ...LATER }, 201);
  }

  #post(path: string, body: object, status: number): Promise<void> {
    return this.#must(this.#stage.broker.post(path, body), status);
  }

  async #must(call: Promise<Answer>, expected: number): Promise<void> {
    const { status, body } = await call;
    if (status !== expected) throw new Error(`${status} instead of ${expected}: ${JSON.stringify(body)}`);
  }

  async #expectTest(group: string, what: string, expected: { ok: boolean; error: string | null }): Promise<void> {
    const { body } = await this.#stage.broker.post(`/v1/producer-groups/${group}/test`);
    if (body.ok !== expected.ok || body.error !== expected.error)
      this.#wrong(`${what}: ${body.error ?? 'a good answer'}, not: ${expected.error ?? 'a good answer'}`);
  }

  async #expectUnanswered(group: string, url: string, error: string): Promise<void> {
    const transaction = await this.#until(
      `t-${group}`,
      'asked',
      one => one.check.lastAt !== null || one.resolvedAt !== null,
    );
    const { state, check } = transaction ?? { state: 'never asked', check: {} };
    if (state !== 'prepared' || check.attempts !== 0 || check.lastError !== error)
      this.#wrong(`${url}: its transaction is ${state}, ${check.lastError ?? 'without an error'}`);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as the broker shows it
  async #until(id: string, what: string, condition: (transaction: any) => boolean): Promise<any> {
    try {
      return await eventually(`${id} to be ${what}`, async () => {
        const { body } = await this.#stage.broker.get(`/v1/transactions/${id}`);
        return condition(body) ? body : null;
      });
    } catch (error) {
      this.#wrong((error as Error).message);
    }
  }
}
