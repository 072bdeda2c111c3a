/** TypeORM on PostgreSQL: the general form. Business functions get an EntityManager. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import { DataSource, type EntityManager } from 'typeorm';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';
import { Orders } from './typeorm-orders.ts';

export const tool = (db: DataSource): SqlTool<DataSource, EntityManager> => ({
  dialect: 'postgresql',
  db,
  transaction: (db, work) => db.transaction(work),
  query: (executor, { sql, params }) => executor.query(sql, [...params]),
});

export const openShop = async ({ broker, database, checkUrl }: Settings) => {
  const db = await new DataSource({ type: 'postgres', url: database, entities: [Orders] }).initialize();
  const fence = sqlFence(tool(db));
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl });

  const insertOrder = (manager: EntityManager, order: Order) => manager.insert(Orders, order);

  return {
    db,
    fence,
    producer,
    claim: (manager: EntityManager | DataSource, id: string) => fence.claim(manager, id),

    install: async () => {
      await fence.install();
      await db.query(CREATE_ORDERS);
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async manager => {
        await insertOrder(manager, order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.transaction(async manager => {
          const claim = await fence.claim(manager, order.id);
          await insertOrder(manager, order);
          await claim.verify();
        }),
      ),

    close: async () => {
      await producer.close();
      await db.destroy();
    },
  };
};
