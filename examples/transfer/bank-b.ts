/**
 * Bank B receives money. Delivery is at least once, so `consumer.run` hands over a transaction in which the message's
 * inbox row stands already: the credit is part of it, and a message that comes again changes nothing.
 *
 *   node bank-b.ts [--database ADDRESS] [--kafka HOST:PORT,… | --memory BROKER_URL] [--port N] [--topic NAME] [--account NAME]…
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
// In a project of your own: '@escrowmq/consumer'.
import { betterSqlite3Inbox, createConsumer, type Inbox, mysqlInbox, pgInbox } from '../../consumer-sdk/index.ts';
import {
  type Ledger,
  mariadbLedger,
  openMariadb,
  openPostgres,
  openSqlite,
  postgresLedger,
  sqliteLedger,
} from './ledger.ts';
import { MemoryRecords } from './memory-records.ts';

const GROUP = 'bank-b';

const { values: options } = parseArgs({
  options: {
    /** `sqlite:FILE`, `postgres://…` or `mariadb://…` */
    database: { type: 'string', default: 'sqlite:bank-b.db' },
    kafka: { type: 'string', default: '127.0.0.1:9092' },
    /** Without a Kafka: the broker that keeps the records in memory. */
    memory: { type: 'string' },
    port: { type: 'string', default: '8082' },
    topic: { type: 'string', default: 'transfers' },
    /** Opened with 1,000 each. */
    account: { type: 'string', multiple: true, default: [] },
  },
});

interface Transfer {
  id: string;
  to: string;
  amount: number;
}

const serve = async <Tx>(ledger: Ledger<Tx>, inbox: Inbox<Tx>): Promise<void> => {
  await ledger.install();
  await inbox.install();
  for (const account of options.account) await ledger.open(account, 1_000);

  const credit = (message: { json<T>(): T }, tx: Tx): void | Promise<void> => {
    const { id, to, amount } = message.json<Transfer>();
    console.log(`${id} came: crediting ${amount} to ${to}`);
    return ledger.book(tx, { transfer: id, account: to, amount });
  };

  const kafka = new Kafka({ clientId: GROUP, brokers: options.kafka.split(','), logLevel: logLevel.NOTHING });
  const consumer =
    options.memory === undefined
      ? createConsumer({ kafka, groupId: GROUP, topics: [options.topic], inbox })
      : new MemoryRecords({ url: options.memory, groupId: GROUP, topic: options.topic, inbox });

  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url!, 'http://localhost');
    ledger.balance(searchParams.get('account') ?? '').then(
      balance => response.end(JSON.stringify({ balance })),
      (error: Error) => response.writeHead(500).end(JSON.stringify({ error: error.message })),
    );
  });
  await new Promise<void>(resolve => server.listen(Number(options.port), '127.0.0.1', resolve));

  process.once('SIGTERM', () => void consumer.close());
  console.log(`listening http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  // Resolves after close(); what no retry can mend ends the process.
  await consumer.run(credit);
  server.close();
  server.closeAllConnections();
  await inbox.close();
  await ledger.close();
};

const { database } = options;
if (database.startsWith('postgres:')) {
  const pool = openPostgres(database);
  await serve(postgresLedger(pool), pgInbox(pool));
} else if (database.startsWith('mariadb:')) {
  const pool = openMariadb(database);
  await serve(mariadbLedger(pool), mysqlInbox(pool));
} else {
  const db = openSqlite(database.replace('sqlite:', ''));
  await serve(sqliteLedger(db), betterSqlite3Inbox(db));
}
