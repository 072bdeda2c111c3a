/** What the worlds have in common whose database is a server, so that all participants fit into this thread. */
import type { Test } from 'tap';
import type { Dialect } from '../../local-transaction/statement.ts';
import type { SqlFence } from '../../producer-sdk/index.ts';
import { type Act, type AnyTx, check, type Hands, perform, type Stand } from './parts.ts';
import { Port } from './port.ts';
import type { Session } from './stage.ts';
import { type Fault, type Found, producerOn, registry, type World } from './world.ts';

type Rows = readonly Record<string, unknown>[];

/** A connection whose statements are held by the port of whoever it was lent to. */
export interface GatedConnection extends Session {
  // biome-ignore lint/suspicious/noExplicitAny: of each driver its own
  query(text: string, params?: any): Promise<any>;
  release(): void;
}

/** Null: everything passes. */
export interface Place {
  port: Port | null;
}

interface Desk {
  readonly stand: Omit<Stand, 'asked' | 'answers' | 'ended'>;
  readonly place: Place;
}

export abstract class ServerWorld implements World {
  abstract readonly name: string;
  abstract readonly dialect: Dialect;
  version = '';
  fault: Fault | null = null;
  readonly #desks = new Map<string, Desk>();
  #url = '';

  /** One statement on a connection of nobody. */
  abstract ask(text: string, params?: readonly unknown[]): Promise<Rows>;
  abstract waiting(ids: readonly number[]): Promise<ReadonlySet<number>>;
  abstract kill(id: number): Promise<void>;
  protected abstract lend(port: Port | null): Promise<GatedConnection>;
  protected abstract fenceOn(lend: () => Promise<GatedConnection>): SqlFence<AnyTx>;
  /** How the transaction is begun by hand. */
  protected abstract readonly begin: string;
  /** What a tool or business function sends; `name` is the act. */
  protected abstract statementFor(name: Act, hands: Hands): string;

  protected async prepare(t: Test, schema: readonly string[], version: string): Promise<void> {
    const { url, close } = await registry();
    t.teardown(close);
    t.teardown(() => this.#close());
    this.#url = url;
    for (const statement of schema) await this.ask(statement);
    this.version = String(Object.values((await this.ask(version))[0]!)[0]);
  }

  async play(...[part, participant, run]: Parameters<World['play']>): ReturnType<World['play']> {
    const { place, stand } = await this.#desk(participant.name);
    const port = new Port(participant, run);
    place.port = port;
    return perform(part, run.story.id, { ...stand, ...port.moments() });
  }

  async check(id: string): Promise<string | null> {
    const { place, stand } = await this.#desk('last');
    place.port = null;
    return check(id, stand);
  }

  async row(id: string): Promise<Found | null> {
    const [row] = await this.ask(`select outcome, token from escrow_fence where transaction_id = '${id}'`);
    return (row as unknown as Found | undefined) ?? null;
  }

  async effects(id: string): Promise<readonly string[]> {
    const rows = await this.ask(`select execution from effect where id = '${id}' order by execution`);
    return rows.map(({ execution }) => String(execution));
  }

  async clear(): Promise<void> {
    await this.ask('delete from effect');
    await this.ask('delete from escrow_fence');
  }

  /** The table is looked at once, before that. */
  async plant(fault: Fault | null, names: readonly string[]): Promise<void> {
    for (const name of [...names, 'last']) await this.#desk(name);
    this.fault = fault;
    await this.clear();
    await this.setKey(fault !== 'fence without unique key');
  }

  protected abstract setKey(isThere: boolean): Promise<void>;

  async #close(): Promise<void> {
    for (const { stand } of this.#desks.values()) await stand.producer.close();
  }

  async #desk(name: string): Promise<Desk> {
    const known = this.#desks.get(name);
    if (known !== undefined) return known;
    const place: Place = { port: null };
    const lend = async (): Promise<GatedConnection> => {
      const { port } = place;
      port?.assertAlive();
      return this.lend(port);
    };
    const fence = this.fenceOn(lend);
    const producer = await producerOn(this.#url, fence, operation => place.port!.call(operation));
    const tool: Stand['tool'] = async work => {
      const connection = await lend();
      try {
        await connection.query(this.begin);
        await work(connection);
        await connection.query('commit');
      } catch (error) {
        await connection.query('rollback').catch(() => {});
        throw error;
      } finally {
        connection.release();
      }
    };
    const desk: Desk = { place, stand: { name, producer, fence, act: this.#act, tool } };
    this.#desks.set(name, desk);
    return desk;
  }

  readonly #act = async (tx: AnyTx, acts: readonly Act[], hands: Hands): Promise<void> => {
    for (const name of acts) {
      if (name === 'claim') await hands.claim();
      else if (name === 'verify') await hands.verify();
      else if (name === 'throw') {
        if (this.fault === 'rollback called from the catch') await hands.rollBackAtBroker();
        throw hands.error;
      } else await this.send(name, text => tx.query(text), hands);
    }
  };

  protected async send(name: Act, query: (text: string) => Promise<unknown>, hands: Hands): Promise<void> {
    await query(this.statementFor(name, hands));
  }
}
