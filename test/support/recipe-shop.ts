/** A recipe's shop beside a real broker, on a database of its own that the test looks into from outside. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Test } from 'tap';
import type * as Sdk from '../../producer-sdk/index.ts';
import type { MessageDraft, Producer, SqlFence, SqlTool } from '../../producer-sdk/index.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import {
  mariadbDatabase,
  mariadbPool,
  needsMariadb,
  needsPostgres,
  postgresDatabase,
  postgresPool,
  type TestDatabase,
} from './databases.ts';
import { serve } from './producer-world.ts';
import type { RecipeProject } from './recipe-project.ts';
import { TOOLS, type Tool } from './recipe-tools.ts';
import { temporaryFolder } from './store.ts';

type Row = Record<string, unknown>;

// biome-ignore lint/suspicious/noExplicitAny: of each tool its own.
type Own = any;

export interface Recipe {
  readonly file: string;
  readonly tool: Tool;
  readonly database: 'postgresql' | 'mariadb' | 'sqlite';
  /** MariaDB: form (b), too, has autocommit off. */
  readonly isWhole?: boolean;
  /** Where business functions get a connection: what makes the tool of it. Else they get the tool's own transaction. */
  readonly on?: (recipe: Own, connection: Own) => Own;
}

export const RECIPES: readonly Recipe[] = [
  { file: 'prisma-postgresql.ts', tool: TOOLS.prisma, database: 'postgresql' },
  {
    file: 'drizzle-postgresql.ts',
    tool: TOOLS.drizzle,
    database: 'postgresql',
    on: ({ drizzleOn }, client) => drizzleOn(client),
  },
  { file: 'knex-postgresql.ts', tool: TOOLS.knex, database: 'postgresql' },
  { file: 'typeorm-postgresql.ts', tool: TOOLS.typeorm, database: 'postgresql' },
  { file: 'kysely-postgresql.ts', tool: TOOLS.kysely, database: 'postgresql' },
  { file: 'prisma-mariadb.ts', tool: TOOLS.prisma, database: 'mariadb', isWhole: true },
  {
    file: 'drizzle-mariadb.ts',
    tool: TOOLS.drizzle,
    database: 'mariadb',
    on: ({ drizzleOn }, connection) => drizzleOn(connection),
  },
  {
    file: 'knex-mariadb.ts',
    tool: TOOLS.knex,
    database: 'mariadb',
    on: ({ knexOn }, connection) => knexOn(connection),
  },
  { file: 'typeorm-mariadb.ts', tool: TOOLS.typeorm, database: 'mariadb', isWhole: true },
  {
    file: 'kysely-mariadb.ts',
    tool: TOOLS.kysely,
    database: 'mariadb',
    on: ({ kyselyOn }, connection) => kyselyOn(connection),
  },
  { file: 'kysely-sqlite.ts', tool: TOOLS.kysely, database: 'sqlite' },
];

const NEEDS = { postgresql: needsPostgres, mariadb: needsMariadb, sqlite: { skip: false } };
export const needsOf = ({ database }: Recipe) => NEEDS[database];

export interface Order {
  readonly id: string;
  readonly amount: number;
}

/** What `openShop` of every recipe gives. */
export interface OpenShop {
  readonly db: Own;
  readonly fence: SqlFence<Own>;
  readonly producer: Producer<Own>;
  claim: SqlFence<Own>['claim'];
  install(): Promise<void>;
  placeOrder(order: Order): Promise<unknown>;
  placeOrderInOwnTransaction(order: Order): Promise<void>;
  close(): Promise<void>;
}

export interface RecipeWorld {
  readonly shop: OpenShop;
  /** As the recipe has it: the packed one. */
  readonly sdk: typeof Sdk;
  readonly broker: BrokerProcess;
  /** The recipe's description of its tool, where it takes the general form. */
  readonly describe: ((db: Own, timeoutMs?: number) => SqlTool<Own, Own>) | undefined;
  /** A transaction of the tool's own, as the recipe's form (b) begins it. */
  begin(work: (tx: Own) => Promise<void>): Promise<unknown>;
  /** The tool, of what a business function is given. */
  handed(tx: Own): Own;
  /** The recipe's form (b) around another transaction. */
  inOwnTransaction(order: Order, run: () => Promise<unknown>): Promise<void>;
  messagesOf(order: Order): MessageDraft[];
  /** One statement by somebody else. */
  outside(sql: string): Promise<readonly Row[]>;
  /** While it runs, an order can only be inserted by the transaction that made its claim. */
  claimsOnly(work: () => Promise<void>): Promise<void>;
  /** What the database and the broker hold under this id. */
  stateOf(id: string): Promise<{ readonly order: boolean; readonly fence: unknown; readonly broker: string }>;
  /** What the shop answers to the broker's question about this id. */
  check(id: string): Promise<unknown>;
  /** Ids of what consumers see. */
  records(): Promise<string[]>;
}

type Outside = Pick<RecipeWorld, 'outside'> & { readonly address: string };

const addressOf = (scheme: string, { user, host, port, database }: TestDatabase): string =>
  `${scheme}://${user}@${host}:${port}/${database}`;

const DATABASES: Record<Recipe['database'], (t: Test) => Promise<Outside>> = {
  postgresql: async t => {
    const made = await postgresDatabase(t);
    const pool = await postgresPool(t, { ...made });
    return { address: addressOf('postgresql', made), outside: async sql => (await pool.query(sql)).rows };
  },
  mariadb: async t => {
    const made = await mariadbDatabase(t);
    const pool = await mariadbPool(t, { ...made });
    return { address: addressOf('mysql', made), outside: async sql => (await pool.query(sql))[0] as Row[] };
  },
  sqlite: async t => {
    const address = join(temporaryFolder(t), 'shop.db');
    const db = new Database(address);
    t.teardown(() => db.close());
    const outside = async (sql: string): Promise<Row[]> => {
      const statement = db.prepare(sql);
      return statement.reader ? (statement.all() as Row[]) : [statement.run() as unknown as Row];
    };
    return { address, outside };
  },
};

const CLAIMED = 'exists (select 1 from escrow_fence where transaction_id = new.id';
/** From then on only the transaction that made the claim of an order can insert it: to all others the claim is invisible. */
const CLAIMS_ONLY: Record<Recipe['database'], string> = {
  postgresql: `create function only_claimed() returns trigger language plpgsql as $$ begin
      if not ${CLAIMED} collate "C") then raise exception 'not claimed'; end if;
      return new;
    end $$;
    create trigger only_claimed before insert on orders for each row execute function only_claimed()`,
  mariadb: `create trigger only_claimed before insert on orders for each row
    if not ${CLAIMED}) then signal sqlstate '45000' set message_text = 'not claimed'; end if`,
  sqlite: `create trigger only_claimed before insert on orders when not ${CLAIMED})
    begin select raise(abort, 'not claimed'); end`,
};

export const openRecipe = async (t: Test, project: RecipeProject, recipe: Recipe): Promise<RecipeWorld> => {
  const { address: database, outside } = await DATABASES[recipe.database](t);
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const module = await project.load(recipe.file);
  const { inOwnTransaction } = await project.load('own-transaction.ts');
  const { messagesOf } = await project.load('shop.ts');
  const checkUrl = await serve(t, (request, response) => void shop.producer.checkHandler()(request, response));
  const shop: OpenShop = await module.openShop({ broker: broker.url, database, checkUrl });
  t.teardown(() => shop.close());
  await shop.install();
  await shop.producer.ready();
  return {
    shop,
    sdk: await project.load('../../producer-sdk/dist/producer-sdk/index.js'),
    broker,
    describe: module.tool,
    begin: work => (module.transaction ?? recipe.tool.begin)(shop.db, work),
    handed: tx => recipe.on?.(module, tx) ?? tx,
    inOwnTransaction: (order, run) =>
      inOwnTransaction(shop.producer, { id: order.id, messages: messagesOf(order) }, run),
    messagesOf,
    outside,
    claimsOnly: async work => {
      await outside(CLAIMS_ONLY[recipe.database]);
      await work();
      await outside(`drop trigger only_claimed${recipe.database === 'postgresql' ? ' on orders' : ''}`);
    },
    stateOf: async id => {
      const orders = await outside(`select id from orders where id = '${id}'`);
      const [row] = await outside(`select outcome from escrow_fence where transaction_id = '${id}'`);
      const { body } = await broker.get(`/v1/transactions/${id}`);
      return { order: orders.length > 0, fence: row?.outcome, broker: body.state };
    },
    check: async id => {
      const checks = [{ transactionId: id, attempt: 1, preparedAt: new Date() }];
      const body = JSON.stringify({ group: 'shop', checks });
      const headers = { 'content-type': 'application/json' };
      const answer = (await (await fetch(checkUrl, { method: 'POST', body, headers })).json()) as {
        resolutions: { resolution: string }[];
      };
      return answer.resolutions[0]?.resolution;
    },
    records: async () => {
      const { body } = await broker.get('/v1/memory/records?topic=orders');
      return (body.items as { headers: Record<string, string> }[]).map(({ headers }) => headers.ce_id!).sort();
    },
  };
};
