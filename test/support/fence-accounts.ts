/** A service with accounts on PostgreSQL or MariaDB, its producer with a fence in the same database. */
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { Test } from 'tap';
import {
  createProducer,
  mysqlFence,
  type Producer,
  type ProducerOptions,
  pgFence,
  type SqlFence,
} from '../../producer-sdk/index.ts';
import type { DatabaseServer, Settings } from '../../tools/databases/server.ts';
import {
  lentBy,
  mariadbDatabase,
  mariadbPool,
  needsMariadb,
  needsPostgres,
  ownMariadb,
  ownPostgres,
  postgresDatabase,
  postgresPool,
  type TestDatabase,
} from './databases.ts';
import { GROUP } from './producer-world.ts';

// biome-ignore lint/suspicious/noExplicitAny: of each driver its own
type AnyTx = any;
type Row = Record<string, unknown>;

export interface FencedService {
  readonly producer: Producer<AnyTx>;
  readonly fence: SqlFence<AnyTx>;
  /** Takes 100 from alice, who has 1,000. */
  debit(tx: AnyTx): Promise<void>;
  /** One statement in the business function's transaction. */
  run(tx: AnyTx, sql: string): Promise<readonly Row[]>;
  /** One statement of somebody else. */
  outside(sql: string): Promise<readonly Row[]>;
  balance(): Promise<number>;
  /** Outcome of each id in the fence. */
  fenceRows(): Promise<Record<string, string>>;
  /** How many connections of its pool are lent now. */
  lent(): number;
  /** How many statements in the whole server wait for a lock on the fence now. */
  waiting(): Promise<number>;
}

export interface ServiceOptions extends Partial<ProducerOptions<AnyTx>> {
  readonly url: string;
  /** Connections of the pool. Default 4. */
  readonly max?: number;
  /** Another address of the same server, for the producer alone. */
  readonly through?: { readonly host: string; readonly port: number };
}

export interface FencedDatabase {
  readonly name: string;
  readonly needs: { readonly skip: string | boolean };
  /** A statement that gives an id that the database made, as `id`, and takes part in the transaction. */
  readonly newOrder: (service: FencedService, tx: AnyTx) => Promise<number>;
  /** With accounts in it; on `server`, or on the one of the test run. */
  create(t: Test, server?: DatabaseServer): Promise<TestDatabase>;
  /** An instance of the service, as many as you like on one database. */
  start(t: Test, made: TestDatabase, options: ServiceOptions): Promise<FencedService>;
  ownServer(t: Test, settings?: Settings): Promise<DatabaseServer>;
}

const ACCOUNTS = [
  'create table accounts (name varchar(20) primary key, balance integer not null check (balance >= 0))',
  `insert into accounts values ('alice', 1000)`,
];
const DEBIT = `update accounts set balance = balance - 100 where name = 'alice'`;

interface Parts {
  readonly fence: SqlFence<AnyTx>;
  readonly run: FencedService['run'];
  readonly outside: FencedService['outside'];
  readonly lent: FencedService['lent'];
  readonly waiting: FencedService['waiting'];
}

const serviceOn = async (
  t: Test,
  { fence, run, outside, lent, waiting }: Parts,
  { max: _, through: __, ...options }: ServiceOptions,
): Promise<FencedService> => {
  const producer = createProducer({ group: GROUP, fence, ...options });
  t.teardown(() => producer.close());
  return {
    producer,
    fence,
    run,
    outside,
    lent,
    waiting,
    debit: async tx => void (await run(tx, DEBIT)),
    balance: async () => Number((await outside('select balance from accounts'))[0]!.balance),
    fenceRows: async () => {
      const rows = await outside('select transaction_id, outcome from escrow_fence order by transaction_id');
      return Object.fromEntries(rows.map(row => [row.transaction_id, row.outcome]));
    },
  };
};

const placeOf = ({ through }: ServiceOptions): object => (through ? { host: through.host, port: through.port } : {});

const postgres: FencedDatabase = {
  name: 'PostgreSQL',
  needs: needsPostgres,
  newOrder: async ({ run }, tx) => Number((await run(tx, 'insert into orders default values returning id'))[0]!.id),
  ownServer: ownPostgres,
  create: async (t, server) => {
    const made = await postgresDatabase(t, server);
    const client = new pg.Client({ ...made });
    await client.connect();
    await client.query('create table orders (id serial primary key)');
    for (const statement of ACCOUNTS) await client.query(statement);
    await pgFence({ connect: async () => Object.assign(client, { release: () => {} }) }).install();
    await client.end();
    return made;
  },
  start: async (t, made, options) => {
    const outsiders = await postgresPool(t, { ...made });
    const pool = await postgresPool(t, { ...made, ...placeOf(options), max: options.max ?? 4 });
    const outside: FencedService['outside'] = async sql => (await outsiders.query(sql)).rows;
    const parts: Parts = {
      fence: pgFence(pool),
      run: async (tx, sql) => (await tx.query(sql)).rows,
      outside,
      lent: () => lentBy(pool),
      waiting: async () => (await outside('select 1 from pg_locks where not granted')).length,
    };
    return serviceOn(t, parts, options);
  },
};

const mariadb: FencedDatabase = {
  name: 'MariaDB',
  needs: needsMariadb,
  newOrder: async ({ run }, tx) => Number((await run(tx, 'insert into orders values () returning id'))[0]!.id),
  ownServer: ownMariadb,
  create: async (t, server) => {
    const made = await mariadbDatabase(t, server);
    const connection = await mysql.createConnection({ ...made });
    await connection.query('create table orders (id integer auto_increment primary key) engine=InnoDB');
    for (const statement of ACCOUNTS) await connection.query(statement);
    const getConnection = async (): Promise<unknown> => Object.assign(connection, { release: () => {} });
    await mysqlFence({ getConnection }).install();
    await connection.end();
    return made;
  },
  start: async (t, made, options) => {
    const outsiders = await mariadbPool(t, { ...made });
    const pool = await mariadbPool(t, { ...made, ...placeOf(options), connectionLimit: options.max ?? 4 });
    const outside: FencedService['outside'] = async sql => (await outsiders.query(sql))[0] as Row[];
    const parts: Parts = {
      fence: mysqlFence(pool),
      run: async (tx, sql) => (await tx.query(sql))[0],
      outside,
      lent: () => lentBy(pool),
      waiting: async () => {
        const [report] = await outside('show engine innodb status');
        return [...String(report!.Status).matchAll(/^LOCK WAIT /gm)].length;
      },
    };
    return serviceOn(t, parts, options);
  },
};

export const FENCED_DATABASES: readonly FencedDatabase[] = [postgres, mariadb];
