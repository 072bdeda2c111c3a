/**
 * Reserves stock for each order that was placed, once, however often its message comes.
 *
 *   DATABASE_URL=postgres://… KAFKA_BROKERS=127.0.0.1:9092 node stock-consumer.ts
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
// In a project of your own: '@escrowmq/consumer'.
import { createConsumer, PoisonError, pgInbox } from '../../consumer-sdk/index.ts';

const {
  DATABASE_URL = 'postgres://127.0.0.1:5432/stock',
  KAFKA_BROKERS = '127.0.0.1:9092',
  PORT = '8084',
  TOPIC = 'orders',
  DEAD_LETTER_TOPIC = 'orders.dead',
} = process.env;

const pool = new pg.Pool({ connectionString: DATABASE_URL });
pool.on('error', error => console.warn('an idle connection broke:', error.message));

const consumer = createConsumer({
  kafka: new Kafka({ clientId: 'stock', brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR }),
  groupId: 'stock',
  topics: [TOPIC],
  inbox: pgInbox(pool),
  deadLetter: { topic: DEAD_LETTER_TOPIC },
  logger: console,
});

interface OrderPlaced {
  orderId: string;
  item: string;
  quantity: number;
}

/** For whoever decides whether this process should be replaced. */
const health = createServer((_request, response) => {
  const found = consumer.health();
  response.statusCode = found.status === 'ok' || found.status === 'starting' ? 200 : 503;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(found));
});
health.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${(health.address() as AddressInfo).port}`);
});

process.once('SIGTERM', () => void consumer.close());

// Resolves after close(). Rejects where no retry can help, and that ends the process.
await consumer.run(async (message, tx) => {
  const { orderId, item, quantity } = message.json<OrderPlaced>();
  // What can never be handled goes to the dead-letter topic at once; anything else that is thrown is tried again.
  if (!orderId || !item || !(quantity > 0)) throw new PoisonError('This is no order.');
  const taken = await tx.query('update stock set free = free - $1 where item = $2 and free >= $1', [quantity, item]);
  const state = taken.rowCount === 1 ? 'reserved' : 'short';
  await tx.query('insert into reservations (order_id, item, quantity, state) values ($1, $2, $3, $4)', [
    orderId,
    item,
    quantity,
    state,
  ]);
});
health.close();
health.closeAllConnections();
await pool.end();
