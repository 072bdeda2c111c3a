/**
 * Bank B receives money. Delivery is at least once, so the credit and the inbox row are one local transaction: a record
 * that comes again finds its row and changes nothing.
 *
 *   node bank-b.ts DATABASE kafka BOOTSTRAP_SERVERS | memory BROKER_URL
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Database from 'better-sqlite3';
import { Kafka, logLevel } from 'kafkajs';
import { type RecordHeaders, readRecord } from '../../consumer-sdk/index.ts';

const CONSUMER_GROUP = 'bank-b';
const [file = '', how = '', where = ''] = process.argv.slice(2);

const db = new Database(file);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`
  CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS inbox (
    consumer_group TEXT NOT NULL, source TEXT NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (consumer_group, source, message_id)) STRICT;
  INSERT OR IGNORE INTO accounts VALUES ('bob', 1000);
`);

const receive = db.transaction((headers: RecordHeaders, payload: string) => {
  const record = readRecord(headers);
  if (!record) return console.log('a record that did not come through the broker: left alone');
  const isNew = db
    .prepare('INSERT OR IGNORE INTO inbox VALUES (?, ?, ?)')
    .run(CONSUMER_GROUP, record.source, record.id).changes;
  if (!isNew) return console.log(`${record.id} came again: already credited`);
  const { to, amount } = JSON.parse(payload) as { to: string; amount: number };
  db.prepare('UPDATE accounts SET balance = balance + ? WHERE name = ?').run(amount, to);
  console.log(`${record.id} credited ${amount} to ${to}`);
});

const consumeKafka = async (): Promise<void> => {
  const kafka = new Kafka({ clientId: CONSUMER_GROUP, brokers: where.split(','), logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: CONSUMER_GROUP });
  await consumer.connect();
  await consumer.subscribe({ topics: ['transfers'], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      receive(message.headers ?? {}, message.value?.toString() ?? '');
    },
  });
};

/** Without Kafka the broker shows the records itself. They are gone when it restarts, so positions begin anew. */
const consumeMemory = async (): Promise<never> => {
  let after = 0;
  for (;;) {
    try {
      const response = await fetch(`${where}/v1/memory/records?topic=transfers&after=${after}`);
      const { items, next } = (await response.json()) as {
        items: { headers: RecordHeaders; payload: string }[];
        next: number;
      };
      for (const { headers, payload } of items) receive(headers, payload);
      after = items.length === 0 && next < after ? 0 : next;
    } catch {
      // The broker is being restarted; it will be asked again.
      after = 0;
    }
    await new Promise(resolve => setTimeout(resolve, 100));
  }
};

const server = createServer((_, response) => {
  response.end(JSON.stringify(db.prepare('SELECT balance FROM accounts').get()));
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`));
await (how === 'kafka' ? consumeKafka() : consumeMemory());
