/**
 * Bank A sends money. `producer.transaction` makes one thing of the debit and the message about it: the half message is
 * stored at the broker before, committed after, and whatever dies in between, the broker asks `/escrow/check` of
 * whichever instance is there.
 *
 *   node bank-a.ts [--database ADDRESS] [--broker URL] [--port N] [--check-url URL] [--topic NAME] [--account NAME]…
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
// In a project of your own: '@escrowmq/producer'.
import { betterSqlite3Fence, createProducer, mysqlFence, pgFence, type SqlFence } from '../../producer-sdk/index.ts';
import {
  type Ledger,
  mariadbLedger,
  openMariadb,
  openPostgres,
  openSqlite,
  postgresLedger,
  sqliteLedger,
} from './ledger.ts';

const { values: options } = parseArgs({
  options: {
    /** `sqlite:FILE`, `postgres://…` or `mariadb://…` */
    database: { type: 'string', default: 'sqlite:bank-a.db' },
    broker: { type: 'string', default: 'http://127.0.0.1:7400' },
    port: { type: 'string', default: '8081' },
    /** Where the broker reaches the instances of this bank; this one, if it is not said. */
    'check-url': { type: 'string' },
    topic: { type: 'string', default: 'transfers' },
    /** Opened with 1,000 each. */
    account: { type: 'string', multiple: true, default: [] },
  },
});

interface Transfer {
  id: string;
  from: string;
  to: string;
  amount: number;
}

const serve = async <Tx>(ledger: Ledger<Tx>, fence: SqlFence<Tx>): Promise<void> => {
  await ledger.install();
  await fence.install();
  for (const account of options.account) await ledger.open(account, 1_000);

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>(resolve => server.listen(Number(options.port), '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const producer = createProducer({
    url: options.broker,
    group: 'bank-a',
    fence,
    checkUrl: options['check-url'] ?? `${address}/escrow/check`,
    // Much sooner than the defaults, so that the demo need not wait.
    check: { afterMs: 2_000, intervalMs: 2_000 },
  });
  const check = producer.checkHandler();

  const transfer = async ({ id, from, to, amount }: Transfer): Promise<object> => {
    const payload = JSON.stringify({ id, to, amount });
    const message = { topic: options.topic, key: to, payload, contentType: 'application/json', type: 'transfer.made' };
    const { repeated, delivery } = await producer.transaction({ id, messages: [message] }, tx =>
      ledger.book(tx, { transfer: id, account: from, amount: -amount }),
    );
    return { outcome: 'committed', repeated, delivery };
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url!, address);
    if (pathname === '/escrow/check') return check(request, response);
    response.setHeader('content-type', 'application/json');
    try {
      if (pathname === '/transfer') response.end(JSON.stringify(await transfer(await json(request))));
      else response.end(JSON.stringify({ balance: await ledger.balance(searchParams.get('account') ?? '') }));
    } catch (error) {
      const { name, message, code } = error as Error & { code?: string };
      response.statusCode = 422;
      response.end(JSON.stringify({ outcome: 'not committed', error: { name, message, code } }));
    }
  };

  process.once('SIGTERM', async () => {
    server.close();
    await producer.close();
    await ledger.close();
    server.closeAllConnections();
  });
  console.log(`listening ${address}`);
};

const json = async (request: IncomingMessage): Promise<Transfer> => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
};

const { database } = options;
if (database.startsWith('postgres:')) {
  const pool = openPostgres(database);
  await serve(postgresLedger(pool), pgFence(pool));
} else if (database.startsWith('mariadb:')) {
  const pool = openMariadb(database);
  await serve(mariadbLedger(pool), mysqlFence(pool));
} else {
  const db = openSqlite(database.replace('sqlite:', ''));
  await serve(sqliteLedger(db), betterSqlite3Fence(db));
}
