/**
 * Runs one of the recipes against a broker and a database: makes the tables, places an order in each of the two forms.
 *
 *   node run.ts RECIPE DATABASE [BROKER]        e.g. knex-postgresql postgresql://me@127.0.0.1/shop
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Settings, Shop } from './shop.ts';

const [recipe, database, broker = 'http://127.0.0.1:7400'] = process.argv.slice(2);
if (recipe === undefined || database === undefined) {
  console.error('node run.ts RECIPE DATABASE [BROKER]');
  process.exit(2);
}

const server = createServer((request, response) => shop.producer.checkHandler()(request, response));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const checkUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const { openShop } = (await import(`./${recipe}.ts`)) as { openShop(settings: Settings): Promise<Shop> | Shop };
const shop = await openShop({ broker, database, checkUrl });
await shop.install();

const [first, second] = [randomUUID(), randomUUID()];
await shop.placeOrder({ id: first, amount: 100 });
console.log(`order ${first}: in a transaction of the producer`);
await shop.placeOrderInOwnTransaction({ id: second, amount: 200 });
console.log(`order ${second}: in a transaction of the tool`);

await shop.close();
server.close();
server.closeAllConnections();
