/** Prisma on PostgreSQL: the general form, on interactive transactions. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from './generated/postgresql/client.ts';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

type Tx = Prisma.TransactionClient;

/** Prisma's own limit, 5 seconds if it is left out. The producer's must not be longer, or Prisma rolls back first. */
const TIMEOUT_MS = 20_000;

export const tool = (db: PrismaClient, timeoutMs = TIMEOUT_MS): SqlTool<PrismaClient, Tx> => ({
  dialect: 'postgresql',
  db,
  transaction: (db, work) => db.$transaction(work, { timeout: timeoutMs, maxWait: timeoutMs }),
  query: (executor, { sql, params }) => executor.$queryRawUnsafe(sql, ...params),
});

export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: database }) });
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
    },
  };
};
