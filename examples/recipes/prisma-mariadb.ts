/** Prisma on MariaDB or MySQL: the general form, on a pool that switches autocommit off for transactions. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import { PrismaMariaDb } from '@prisma/adapter-mariadb';
import { createPool, type Pool } from 'mariadb';
import { type Prisma, PrismaClient } from './generated/mariadb/client.ts';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

type Tx = Prisma.TransactionClient;

/** Prisma's own limit, 5 seconds if it is left out. The producer's must not be longer, or Prisma rolls back first. */
const TIMEOUT_MS = 20_000;

/**
 * Prisma borrows a connection for transactions only, and all of them then commit as a whole or not at all: with autocommit
 * on, what follows a deadlock whose error was caught would commit statement by statement.
 */
const transactionalPool = (database: string): Pool => {
  const pool = createPool(database.replace(/^mysql:/, 'mariadb:'));
  const lend = pool.getConnection.bind(pool);
  pool.getConnection = async () => {
    const connection = await lend();
    await connection.query('set autocommit = 0');
    const giveBack = connection.release.bind(connection);
    connection.release = async () => {
      connection.release = giveBack;
      try {
        // Switching it on commits what is open, so nothing may be.
        await connection.query('rollback');
        await connection.query('set autocommit = 1');
        await giveBack();
      } catch {
        connection.destroy();
      }
    };
    return connection;
  };
  return pool;
};

export const tool = (db: PrismaClient, timeoutMs = TIMEOUT_MS): SqlTool<PrismaClient, Tx> => ({
  dialect: 'mysql',
  db,
  transaction: (db, work) => db.$transaction(work, { timeout: timeoutMs, maxWait: timeoutMs }),
  query: (executor, { sql, params }) => executor.$queryRawUnsafe(sql, ...params),
});

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const pool = transactionalPool(database);
  // MySQL prepares no savepoints, which the fence asks for; as texts they are understood.
  const db = new PrismaClient({ adapter: new PrismaMariaDb(pool, { useTextProtocol: true }) });
  const fence = sqlFence(tool(db));
  const producer = createProducer({ url: broker, group: 'shop', fence, checkUrl, transactionTimeoutMs: TIMEOUT_MS });

  const insertOrder = (tx: Tx, order: Order) => tx.order.create({ data: order });

  return {
    db,
    fence,
    producer,
    claim: (tx: Tx, id: string) => fence.claim(tx, id),

    install: async () => {
      await fence.install();
      await db.$executeRawUnsafe(CREATE_ORDERS);
    },

    placeOrder: (order: Order) =>
      producer.transaction({ id: order.id, messages: messagesOf(order) }, async tx => {
        await insertOrder(tx, order);
      }),

    placeOrderInOwnTransaction: (order: Order) =>
      inOwnTransaction(producer, { id: order.id, messages: messagesOf(order) }, () =>
        db.$transaction(
          async tx => {
            const claim = await fence.claim(tx, order.id);
            await insertOrder(tx, order);
            await claim.verify();
          },
          { timeout: TIMEOUT_MS },
        ),
      ),

    close: async () => {
      await producer.close();
      await db.$disconnect();
      await pool.end();
    },
  };
};
