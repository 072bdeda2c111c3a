/** Kysely on PostgreSQL: the general form. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

interface Tables {
  orders: Order;
}
type Db = Kysely<Tables>;

/** Of Kysely's transactions any kind: those by callback, and controlled ones. */
export const tool = (db: Db): SqlTool<Db, Db> => ({
  dialect: 'postgresql',
  db,
  transaction: (db, work) => db.transaction().execute(work),
  query: (executor, { sql, params }) => executor.executeQuery(CompiledQuery.raw(sql, [...params])),
});

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const db: Db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: database }) }),
  });
  const fence = sqlFence(tool(db));
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl });

  const insertOrder = (trx: Db, order: Order) => trx.insertInto('orders').values(order).execute();

  return {
    db,
    fence,
    producer,
    claim: (trx: Db, id: string) => fence.claim(trx, id),

    install: async () => {
      await fence.install();
      await db.executeQuery(CompiledQuery.raw(CREATE_ORDERS));
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async trx => {
        await insertOrder(trx, order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.transaction().execute(async trx => {
          const claim = await fence.claim(trx, order.id);
          await insertOrder(trx, order);
          await claim.verify();
        }),
      ),

    close: async () => {
      await producer.close();
      await db.destroy();
    },
  };
};
