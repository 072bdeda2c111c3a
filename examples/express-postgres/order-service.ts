/**
 * Takes orders. Each is a row in this service's own database and a message `order.placed` in Kafka: both, or neither.
 *
 *   DATABASE_URL=postgres://… node order-service.ts
 */
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler } from 'express';
import pg from 'pg';
// In a project of your own: '@escrowmq/producer'.
import { createProducer, EscrowError, pgFence } from '../../producer-sdk/index.ts';

const {
  DATABASE_URL = 'postgres://127.0.0.1:5432/orders',
  ESCROWMQ_URL = 'http://127.0.0.1:7400',
  PORT = '8083',
  /** Where the broker reaches the instances of this service: the address of a balancer, if there are several. */
  CHECK_URL = `http://127.0.0.1:${PORT}/escrow/check`,
  /** `whsec_…`, the same in every instance. Needed as soon as CHECK_URL leaves this machine. */
  CHECK_SECRET,
  TOPIC = 'orders',
} = process.env;

const pool = new pg.Pool({ connectionString: DATABASE_URL });
// A connection that breaks while nobody uses it; the pool opens another one.
pool.on('error', error => console.warn('an idle connection broke:', error.message));

const producer = createProducer({
  url: ESCROWMQ_URL,
  group: 'orders',
  fence: pgFence(pool),
  checkUrl: CHECK_URL,
  ...(CHECK_SECRET === undefined ? {} : { checkSecret: CHECK_SECRET }),
  logger: console,
});

const app = express();
// Before the body parser: the signature is about the bytes as they came.
app.post('/escrow/check', producer.checkHandler());
app.use(express.json());

interface OrderRequest {
  item: string;
  quantity: number;
}

const isOrder = (body: unknown): body is OrderRequest => {
  const { item, quantity } = (body ?? {}) as Partial<OrderRequest>;
  return typeof item === 'string' && item !== '' && Number.isSafeInteger(quantity) && quantity! > 0;
};

app.post('/orders', async (request, response) => {
  const { body } = request;
  if (!isOrder(body)) {
    response.status(400).json({ error: 'An order is { "item": text, "quantity": whole number above 0 }.' });
    return;
  }
  const { item, quantity } = body;
  // The order's id is made by the database, so the message is given inside: it is prepared before the COMMIT.
  const { value: id, delivery } = await producer.transaction({}, async (tx, { send }) => {
    const { rows } = await tx.query<{ id: string }>(
      'insert into orders (item, quantity) values ($1, $2) returning id',
      [item, quantity],
    );
    const orderId = rows[0]!.id;
    const payload = JSON.stringify({ orderId, item, quantity });
    send({ topic: TOPIC, key: item, payload, contentType: 'application/json', type: 'order.placed' });
    return orderId;
  });
  response.status(201).location(`/orders/${id}`).json({ id, delivery });
});

app.get('/orders/:id', async (request, response) => {
  const { rows } = await pool.query('select id, item, quantity from orders where id::text = $1', [request.params.id]);
  if (rows.length === 0) response.status(404).json({ error: 'There is no such order.' });
  else response.json(rows[0]);
});

/** For whoever decides whether requests may come here. */
app.get('/readyz', async (_request, response) => {
  await producer.ready({ deadlineMs: 1_000 });
  response.json({ status: 'ok' });
});

const onError: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.headersSent) return next(error);
  if (error instanceof EscrowError && (error.retryable || error.code === 'NOT_COMMITTED')) {
    // Nothing happened: the order is not there, its message will never come. Each request is a transaction of its own.
    response.status(503).set('retry-after', '1').json({ error: error.message, code: error.code });
    return;
  }
  console.error(error);
  const { code, status = 500 } = error as { code?: string; status?: number };
  response.status(status).json({ error: status < 500 ? error.message : 'The order could not be taken.', code });
};
app.use(onError);

const server = app.listen(Number(PORT), '127.0.0.1', error => {
  if (error) throw error;
  console.log(`listening http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

process.once('SIGTERM', async () => {
  // First the requests in hand, then what the broker has not been told yet, then the connections.
  await new Promise(resolve => {
    server.close(resolve);
    server.closeIdleConnections();
  });
  await producer.close();
  await pool.end();
});
