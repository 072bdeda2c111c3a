/** Kysely on MariaDB or MySQL: `mysqlFence`, and Kysely on the connection that it hands over. */
import { createProducer, mysqlFence } from '@escrowmq/producer';
import { CompiledQuery, Kysely, MysqlDialect, type MysqlPool } from 'kysely';
import mysql, { type PoolConnection } from 'mysql2/promise';
import { inOwnTransaction } from './own-transaction.ts';
import { poolOfOne } from './pool-of-one.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

interface Tables {
  orders: Order;
}
type Db = Kysely<Tables>;

/** A Kysely whose every statement goes to this connection. */
export const kyselyOn = (connection: PoolConnection): Db =>
  new Kysely<Tables>({ dialect: new MysqlDialect({ pool: poolOfOne(connection) as unknown as MysqlPool }) });

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const pool = mysql.createPool(database);
  const db: Db = new Kysely<Tables>({ dialect: new MysqlDialect({ pool: pool.pool }) });
  const fence = mysqlFence(pool);
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl });

  const insertOrder = (on: Db, order: Order) => on.insertInto('orders').values(order).execute();
  const claim = (trx: Db, id: string) => {
    const query = async (text: string, values: unknown[]) => {
      const { rows } = await trx.executeQuery(CompiledQuery.raw(text, values));
      return [rows];
    };
    return fence.claim({ query }, id);
  };

  return {
    db,
    fence,
    producer,
    claim,

    install: async () => {
      await fence.install();
      await db.executeQuery(CompiledQuery.raw(CREATE_ORDERS));
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async connection => {
        await insertOrder(kyselyOn(connection), order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.transaction().execute(async trx => {
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
