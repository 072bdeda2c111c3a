/** Kysely on SQLite: the general form, since `betterSqlite3Fence` wants functions that await nothing. */
import { createProducer, type SqlTool, sqlFence } from '@escrowmq/producer';
import Database from 'better-sqlite3';
import { CompiledQuery, Kysely, SqliteDialect } from 'kysely';
import { inOwnTransaction } from './own-transaction.ts';
import { CREATE_ORDERS, messagesOf, type Order, type Settings } from './shop.ts';

interface Tables {
  orders: Order;
}
type Db = Kysely<Tables>;

/** Kysely has one connection and gives it to one transaction at a time: what the fence asks waits in the same line. */
export const tool = (db: Db): SqlTool<Db, Db> => ({
  dialect: 'sqlite',
  db,
  transaction: (db, work) => db.transaction().execute(work),
  query: (executor, { sql, params }) => executor.executeQuery(CompiledQuery.raw(sql, [...params])),
});

/** `database` is the path of the file. */
export const openShop = ({ broker, database, checkUrl }: Settings) => {
  const file = new Database(database);
  file.pragma('journal_mode = WAL');
  // Nobody else sets it here, and better-sqlite3 opens files in WAL mode with less: a commit must outlive a power cut.
  file.pragma('synchronous = FULL');
  const db: Db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: file }) });
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
