/** Drizzle on PostgreSQL: `pgFence`, and Drizzle on the client that it hands over. */
import { createProducer, pgFence } from '@escrowmq/producer';
import { type SQL, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { integer, pgTable, varchar } from 'drizzle-orm/pg-core';
import pg, { type PoolClient } from 'pg';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

const orders = pgTable('orders', { id: varchar({ length: 64 }).primaryKey(), amount: integer().notNull() });

/** What begins and ends its own transactions, and what Drizzle hands to a function that runs in one. */
type Executor = Pick<NodePgDatabase, 'execute' | 'insert'>;

/** A text with `$1, $2, …` and its values, as Drizzle takes it. */
const statement = (text: string, values: unknown[]): SQL => {
  const [head, ...rest] = text.split(/\$\d+/);
  return sql.join([sql.raw(head!), ...rest.flatMap((part, index) => [sql`${values[index]}`, sql.raw(part)])]);
};

/** A Drizzle whose every statement goes to this client. */
export const drizzleOn = (client: PoolClient): NodePgDatabase => drizzle(client);

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const pool = new pg.Pool({ connectionString: database });
  const db = drizzle(pool);
  const fence = pgFence(pool);
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl });

  const insertOrder = (on: Executor, order: Order) => on.insert(orders).values(order);
  const claim = (tx: Executor, id: string) =>
    fence.claim({ query: (text: string, values: unknown[]) => tx.execute(statement(text, values)) }, id);

  return {
    db,
    fence,
    producer,
    claim,

    install: async () => {
      await fence.install();
      await db.execute(CREATE_ORDERS);
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async client => {
        await insertOrder(drizzleOn(client), order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.transaction(async tx => {
          const { verify } = await claim(tx, order.id);
          await insertOrder(tx, order);
          await verify();
        }),
      ),

    close: async () => {
      await producer.close();
      await pool.end();
    },
  };
};
