/** Knex on PostgreSQL: the general form, so that nested transactions and everything else of Knex work as ever. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import knex, { type Knex } from 'knex';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

export const tool = (db: Knex): SqlTool<Knex, Knex.Transaction> => ({
  dialect: 'postgresql',
  db,
  transaction: (db, work) => db.transaction(work),
  query: (executor, { parts, params }) => executor.raw(parts.join('?'), [...params]),
});

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const db = knex({ client: 'pg', connection: database });
  const fence = sqlFence(tool(db));
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl });

  const insertOrder = (trx: Knex.Transaction, order: Order) => trx('orders').insert(order);

  return {
    db,
    fence,
    producer,
    claim: (trx: Knex, id: string) => fence.claim(trx, id),

    install: async () => {
      await fence.install();
      await db.raw(CREATE_ORDERS);
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async trx => {
        await insertOrder(trx, order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.transaction(async trx => {
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
