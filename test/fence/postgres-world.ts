/** PostgreSQL through `pg`, with every statement of the protocol held until it may go. */
import type pg from 'pg';
import type { Test } from 'tap';
import { fenceSchema } from '../../producer-sdk/fence/fence-table.ts';
import { pgFence, type SqlFence } from '../../producer-sdk/index.ts';
import { postgresPool, type TestDatabase } from '../support/databases.ts';
import type { Act, AnyTx, Hands } from './parts.ts';
import { faulty } from './planted-faults.ts';
import type { Port } from './port.ts';
import { type GatedConnection, ServerWorld } from './server-world.ts';
import { stepOf } from './statements.ts';

const SCHEMA = [
  fenceSchema('postgresql'),
  'create table effect (id text not null, execution text not null)',
  'create index on effect (id)',
];

/** In the text of a verdict. At once is 1 ms: 0 would mean to wait for ever. */
const PATIENCE = /'lock_timeout', '\d+ms'/;
const AT_ONCE = `'lock_timeout', '1ms'`;
const NEVER = `'lock_timeout', '3600000ms'`;

class GatedClient implements GatedConnection {
  readonly id: number;
  isOpen = false;
  isGivenUp = false;
  readonly #client: pg.PoolClient;
  readonly #port: Port | null;
  readonly #world: PostgresWorld;
  #isReleased = false;
  #isLeft = false;

  constructor(client: pg.PoolClient, port: Port | null, world: PostgresWorld) {
    this.#client = client;
    this.#port = port;
    this.#world = world;
    this.id = (client as unknown as { processID: number }).processID;
  }

  async query(text: string, params: unknown[] = []): Promise<unknown> {
    const step = stepOf(text, params);
    const port = this.#port;
    port?.assertAlive();
    // What a pool's connection may still have open is ended first; there is nothing.
    const isNothing = step === null || (step === 'ROLLBACK' && !this.isOpen);
    if (isNothing || port === null) return this.#client.query(text, params);
    const { fault } = this.#world;
    const send = (text: string): Promise<unknown> => this.#client.query(text, params);
    const run = (): Promise<unknown> => send(text.replace(PATIENCE, NEVER));
    return port.statement(step, this, {
      run: () => faulty(fault, { step, params, run, ask: sql => this.#client.query(sql), shape: rows => ({ rows }) }),
      runImpatiently: async () => {
        if (step === 'verdict') return send(text.replace(PATIENCE, AT_ONCE));
        await this.#client.query(`select set_config(${AT_ONCE}, true)`);
        return run();
      },
      runAborted: async () => {
        await this.#client.query('select 1/0').catch(() => {});
        return run();
      },
    });
  }

  async end(): Promise<void> {
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    this.#release(true);
    await this.#world.gone(this.id);
  }

  async leave(): Promise<void> {
    await this.#client.query('rollback');
    this.#isLeft = true;
  }

  release(isBroken?: boolean): void {
    if (!this.isGivenUp) this.#release(isBroken && !this.#isLeft);
  }

  #release(isBroken?: boolean): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#client.release(isBroken);
  }

  getTransactionStatus(): string | null {
    return (this.#client as unknown as { getTransactionStatus(): string | null }).getTransactionStatus();
  }

  on(): void {}
  off(): void {}
}

export class PostgresWorld extends ServerWorld {
  readonly name = 'PostgreSQL';
  readonly dialect = 'postgresql';
  protected readonly begin = 'begin';
  readonly #pool: pg.Pool;
  readonly #admin: pg.Pool;

  private constructor(pool: pg.Pool, admin: pg.Pool) {
    super();
    this.#pool = pool;
    this.#admin = admin;
  }

  /** In an empty database. */
  static async open(t: Test, made: TestDatabase): Promise<PostgresWorld> {
    const admin = await postgresPool(t, { ...made, max: 2 });
    const pool = await postgresPool(t, { ...made, max: 20, idleTimeoutMillis: 0 });
    pool.on('connect', client => client.on('error', () => {}));
    const world = new PostgresWorld(pool, admin);
    await world.prepare(t, SCHEMA, `select 'PostgreSQL ' || current_setting('server_version')`);
    return world;
  }

  async ask(text: string, params: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.#admin.query(text, [...params])).rows;
  }

  async waiting(ids: readonly number[]): Promise<ReadonlySet<number>> {
    const rows = await this.ask('select pid from pg_locks where not granted and pid = any($1)', [ids]);
    return new Set(rows.map(({ pid }) => Number(pid)));
  }

  async kill(id: number): Promise<void> {
    await this.ask('select pg_terminate_backend($1)', [id]);
    await this.gone(id);
  }

  async gone(id: number): Promise<void> {
    while ((await this.ask('select 1 from pg_stat_activity where pid = $1', [id])).length > 0);
  }

  protected async lend(port: Port | null): Promise<GatedConnection> {
    return new GatedClient(await this.#pool.connect(), port, this);
  }

  protected fenceOn(connect: () => Promise<GatedConnection>): SqlFence<AnyTx> {
    return pgFence({ connect });
  }

  protected async setKey(isThere: boolean): Promise<void> {
    await this.ask('alter table escrow_fence drop constraint if exists escrow_fence_pkey');
    if (isThere)
      await this.ask('alter table escrow_fence add primary key (producer_group, transaction_id, branch, op)');
  }

  protected statementFor(name: Act, { id, name: execution }: Hands): string {
    if (name === 'savepoint') return 'savepoint mine';
    if (name === 'undo') return 'rollback to savepoint mine';
    // Several statements in one text: the SDK sees only the first of them.
    if (name === 'lose') return 'select 1; rollback; begin';
    if (name === 'delete the claim') return `delete from escrow_fence where transaction_id = '${id}'`;
    return `insert into effect (id, execution) values ('${id}', '${execution}')`;
  }
}
