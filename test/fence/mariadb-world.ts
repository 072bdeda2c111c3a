/** MariaDB through `mysql2`, with every statement of the protocol held until it may go. */
import type mysql from 'mysql2/promise';
import type { Test } from 'tap';
import { fenceSchema } from '../../producer-sdk/fence/fence-table.ts';
import { mysqlFence, type SqlFence } from '../../producer-sdk/index.ts';
import { mariadbPool, type TestDatabase } from '../support/databases.ts';
import { until } from '../support/until.ts';
import type { Act, AnyTx, Hands } from './parts.ts';
import { faulty } from './planted-faults.ts';
import type { Port } from './port.ts';
import { type GatedConnection, ServerWorld } from './server-world.ts';
import { stepOf } from './statements.ts';

const SCHEMA = [
  fenceSchema('mysql'),
  'create table effect (nr bigint auto_increment primary key, id varchar(64), execution varchar(16), key (id)) engine=InnoDB',
  'create table account (name varchar(80) primary key, balance int) engine=InnoDB',
  // What no look at the text of a statement can tell.
  'create procedure lose() begin rollback; end',
];

/** For verdicts, in whole seconds; as long as the server takes. */
const PATIENCE = /session innodb_lock_wait_timeout = \d+/;
const NEVER = 'session innodb_lock_wait_timeout = 3600';

/** A transaction of the status report that waits, and the connection that it is on. */
const WAITING = /^LOCK WAIT .*\n(?:.*\n)??MariaDB thread id (\d+)/gm;

/** How many rows the other one changes, so that the server takes ours for the victim of a deadlock. */
const WEIGHT = 20;
const DEADLOCK = 1213;

class GatedMysql implements GatedConnection {
  readonly id: number;
  isOpen = false;
  isGivenUp = false;
  readonly #connection: mysql.PoolConnection;
  readonly #port: Port | null;
  readonly #world: MariadbWorld;
  #isReleased = false;
  #isLeft = false;

  constructor(connection: mysql.PoolConnection, port: Port | null, world: MariadbWorld) {
    this.#connection = connection;
    this.#port = port;
    this.#world = world;
    this.id = connection.threadId;
  }

  async query(text: string, params: unknown[] = []): Promise<unknown> {
    const step = stepOf(text, params);
    const port = this.#port;
    port?.assertAlive();
    const send = (text: string): Promise<unknown> => this.#connection.query(text, params);
    // What a pool's connection may still have open is ended first; there is nothing.
    const isNothing = step === null || (step === 'ROLLBACK' && !this.isOpen);
    if (isNothing || port === null) return send(port === null ? text : text.replace(PATIENCE, NEVER));
    const { fault } = this.#world;
    return port.statement(step, this, {
      run: () => faulty(fault, { step, params, run: () => send(text), ask: send, shape: rows => [rows, []] }),
      runImpatiently: async () => {
        await send('set @before = @@session.innodb_lock_wait_timeout, session innodb_lock_wait_timeout = 0');
        try {
          return await send(text);
        } finally {
          await send('set session innodb_lock_wait_timeout = @before');
        }
      },
    });
  }

  async end(): Promise<void> {
    this.#giveBack(() => this.#connection.destroy());
    await this.#world.gone(this.id);
  }

  async leave(): Promise<void> {
    await this.#connection.query('rollback');
    await this.#connection.query('set session autocommit = 1');
    this.#isLeft = true;
  }

  release(): void {
    if (!this.isGivenUp) this.#giveBack(() => this.#connection.release());
  }

  destroy(): void {
    if (this.#isLeft) this.release();
    else if (!this.isGivenUp) this.#giveBack(() => this.#connection.destroy());
  }

  #giveBack(how: () => void): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    how();
  }
}

export class MariadbWorld extends ServerWorld {
  readonly name = 'MariaDB';
  readonly dialect = 'mysql';
  protected readonly begin = 'begin';
  readonly #pool: mysql.Pool;
  readonly #admin: mysql.Pool;

  private constructor(pool: mysql.Pool, admin: mysql.Pool) {
    super();
    this.#pool = pool;
    this.#admin = admin;
  }

  /** In an empty database. */
  static async open(t: Test, made: TestDatabase): Promise<MariadbWorld> {
    const admin = await mariadbPool(t, { ...made, connectionLimit: 2 });
    const pool = await mariadbPool(t, { ...made, connectionLimit: 20 });
    const world = new MariadbWorld(pool, admin);
    await world.prepare(t, SCHEMA, `select concat('MariaDB ', substring_index(version(), '-', 1))`);
    return world;
  }

  async ask(text: string, params: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    const [rows] = await this.#admin.query(text, [...params]);
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
  }

  /** `information_schema.innodb_trx` is up to 100 ms old; the report is not. */
  async waiting(ids: readonly number[]): Promise<ReadonlySet<number>> {
    const [report] = await this.ask('show engine innodb status');
    // Before the list stands the last deadlock, with transactions that waited then.
    const [, list = ''] = String(report!.Status).split('LIST OF TRANSACTIONS');
    const waiting = [...list.matchAll(WAITING)].map(([, id]) => Number(id));
    return new Set(waiting.filter(id => ids.includes(id)));
  }

  async kill(id: number): Promise<void> {
    await this.ask(`kill ${id}`);
    await this.gone(id);
  }

  async gone(id: number): Promise<void> {
    while ((await this.ask('select 1 from information_schema.processlist where id = ?', [id])).length > 0);
  }

  protected async lend(port: Port | null): Promise<GatedConnection> {
    return new GatedMysql(await this.#pool.getConnection(), port, this);
  }

  protected fenceOn(getConnection: () => Promise<GatedConnection>): SqlFence<AnyTx> {
    return mysqlFence({ getConnection });
  }

  protected async setKey(isThere: boolean): Promise<void> {
    const key = '(producer_group, transaction_id, branch, op)';
    const [found] = await this.ask(`show index from escrow_fence where key_name = 'PRIMARY'`);
    if (found && !isThere) await this.ask('alter table escrow_fence drop primary key');
    if (!found && isThere) await this.ask(`alter table escrow_fence add primary key ${key}`);
  }

  protected statementFor(name: Act, { id, name: execution }: Hands): string {
    if (name === 'savepoint') return 'savepoint mine';
    if (name === 'undo') return 'rollback to savepoint mine';
    if (name === 'lose') return 'call lose()';
    if (name === 'delete the claim') return `delete from escrow_fence where transaction_id = '${id}'`;
    return `insert into effect (id, execution) values ('${id}', '${execution}')`;
  }

  protected override async send(name: Act, query: (text: string) => Promise<unknown>, hands: Hands): Promise<void> {
    if (name !== 'deadlock') return super.send(name, query, hands);
    const [mine, theirs] = [`('${hands.id}-mine', 1)`, `${hands.id}-theirs`];
    const rows = Array.from({ length: WEIGHT }, (_, index) => `('${theirs}${index === 0 ? '' : index}', 1)`);
    await query(`insert into account (name, balance) values ${mine}`);
    const other = await this.#pool.getConnection();
    try {
      await other.query('begin');
      await other.query(`insert into account (name, balance) values ${rows.join()}`);
      const waiting = other.query(`insert into account (name, balance) values ${mine}`);
      waiting.catch(() => {});
      await until('the other one waits', async () => (await this.waiting([other.threadId])).size > 0);
      const error = await query(`update account set balance = 2 where name = '${theirs}' /* deadlock */`).then(
        () => null,
        (error: unknown) => error as { errno?: number },
      );
      // Caught, as a function may do that thinks a retry of the statement is enough.
      if (error?.errno !== DEADLOCK) throw error ?? new Error('there was no deadlock');
      await waiting;
    } finally {
      await other.query('rollback');
      other.release();
    }
  }
}
