/** Knex on MariaDB or MySQL: `mysqlFence`, and Knex on the connection that it hands over. */
import { createProducer, mysqlFence } from '@escrowmq/producer';
import knex, { type Knex } from 'knex';
import mysql, { type PoolConnection } from 'mysql2/promise';
import { inOwnTransaction } from './own-transaction.ts';
import { poolOfOne } from './pool-of-one.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

/** A Knex whose every statement goes to this connection. */
export const knexOn = (connection: PoolConnection): Knex =>
  knex({ client: 'mysql2', connectionPool: poolOfOne(connection) });

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const pool = mysql.createPool(database);
  const db = knex({ client: 'mysql2', connectionPool: pool });
  const fence = mysqlFence(pool);
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl });

  const insertOrder = (on: Knex, order: Order) => on('orders').insert(order);
  const claim = (trx: Knex, id: string) =>
    fence.claim({ query: (text: string, values: string[]) => trx.raw(text, values) }, id);

  return {
    db,
    fence,
    producer,
    claim,

    install: async () => {
      await fence.install();
      await db.raw(CREATE_ORDERS);
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async connection => {
        await insertOrder(knexOn(connection), order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.transaction(async trx => {
          const { verify } = await claim(trx, order.id);
          await insertOrder(trx, order);
          await verify();
        }),
      ),

    close: async () => {
      await producer.close();
      await pool.end();
    },
  };
};
