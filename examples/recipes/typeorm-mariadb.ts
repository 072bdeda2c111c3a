/** TypeORM on MariaDB or MySQL, which takes no connection from outside: the general form, with autocommit off. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';
import { Orders } from './typeorm-orders.ts';

/**
 * A transaction whose statements can only be committed together: with autocommit on, what follows a deadlock whose error
 * was caught would commit statement by statement.
 */
export const transaction = async (db: DataSource, work: (manager: EntityManager) => Promise<void>): Promise<void> => {
  const runner: QueryRunner = db.createQueryRunner();
  try {
    await runner.query('set autocommit = 0');
    await runner.manager.transaction(work);
  } finally {
    // Switching it on commits what is open, so nothing may be. A connection on which this fails is broken, and leaves the pool.
    await runner.query('rollback');
    await runner.query('set autocommit = 1');
    await runner.release();
  }
};

export const tool = (db: DataSource): SqlTool<DataSource, EntityManager> => ({
  dialect: 'mysql',
  db,
  transaction,
  query: (executor, { sql, params }) => executor.query(sql, [...params]),
});

export const openShop = async ({ broker, database, checkUrl }: Settings) => {
  const db = await new DataSource({ type: 'mariadb', url: database, entities: [Orders] }).initialize();
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
        transaction(db, async manager => {
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
