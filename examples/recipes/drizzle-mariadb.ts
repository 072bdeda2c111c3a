/** Drizzle on MariaDB or MySQL: `mysqlFence`, and Drizzle on the connection that it hands over. */
import { createProducer, mysqlFence } from '@escrowmq/producer';
import { type SQL, sql } from 'drizzle-orm';
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core';
import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import mysql, { type PoolConnection } from 'mysql2/promise';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

const orders = mysqlTable('orders', { id: varchar({ length: 64 }).primaryKey(), amount: int().notNull() });

/** Drizzle itself, and what it hands to a function that runs in a transaction. */
type Executor = Pick<MySql2Database, 'execute' | 'insert'>;

/** A text with `?` and its values, as Drizzle takes it. */
const statement = (text: string, values: unknown[]): SQL => {
  const [head, ...rest] = text.split('?');
  return sql.join([sql.raw(head!), ...rest.flatMap((part, index) => [sql`${values[index]}`, sql.raw(part)])]);
};

/** A Drizzle whose every statement goes to this connection. */
export const drizzleOn = (connection: PoolConnection): MySql2Database => drizzle({ client: connection });

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const pool = mysql.createPool(database);
  const db = drizzle({ client: pool });
  const fence = mysqlFence(pool);
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
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async connection => {
        await insertOrder(drizzleOn(connection), order);
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
