/** What TypeScript says of programs that use the consumer: compiled, never run. */
import {
  betterSqlite3Inbox,
  type ConsumedMessage,
  type ConsumerHealth,
  createConsumer,
  type EscrowRecord,
  type Inbox,
  mysqlInbox,
  PoisonError,
  pgInbox,
  readRecord,
  replayDeadLetters,
  sqlInbox,
} from '@escrowmq/consumer';
import * as opentelemetry from '@opentelemetry/api';
import Database from 'better-sqlite3';
import { Kafka, type KafkaMessage } from 'kafkajs';
import mysql from 'mysql2/promise';
import pg from 'pg';

/** Compiles only where both are the same type, `any` counted. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isTrue = <T extends true>(_proof?: T): void => {};

const kafka = new Kafka({ brokers: ['127.0.0.1:9092'] });
const common = { kafka, groupId: 'bank-b', topics: ['orders'] };

const onPostgres = createConsumer({ ...common, inbox: pgInbox(new pg.Pool()), deadLetter: { topic: 'orders.dead' } });
isTrue<Same<ReturnType<typeof pgInbox<pg.Pool>>, Inbox<pg.PoolClient>>>();
await onPostgres.run(async (message, tx) => {
  isTrue<Same<typeof message, ConsumedMessage>>();
  isTrue<Same<typeof tx, pg.PoolClient>>();
  const { amount } = message.json<{ amount: number }>();
  if (message.key === null) throw new PoisonError('There is no key.');
  await tx.query('insert into orders values ($1, $2)', [message.key.toString(), amount]);
  // @ts-expect-error a key may be missing
  message.value.toString();
});

createConsumer({ ...common, inbox: mysqlInbox(mysql.createPool('mysql://127.0.0.1/bank')) }).run(async (_, tx) => {
  isTrue<Same<typeof tx, mysql.PoolConnection>>();
});
createConsumer({ ...common, inbox: betterSqlite3Inbox(new Database('bank.db')) }).run((message, tx) => {
  isTrue<Same<typeof tx, Database.Database>>();
  tx.prepare('insert into orders values (?)').run(message.text());
});

interface Session {
  run(sql: string, params: readonly unknown[]): Promise<{ rows: unknown[] }>;
}
declare const tool: Session & { begin(work: (session: Session) => Promise<void>): Promise<void> };
const onTool = createConsumer({
  ...common,
  inbox: sqlInbox({
    dialect: 'mysql',
    db: tool,
    transaction: (db, work: (tx: Session) => Promise<void>) => db.begin(work),
    query: (executor, { sql, params }) => executor.run(sql, params),
  }),
});
onTool.run((_, tx) => isTrue<Same<typeof tx, Session>>());

createConsumer({ ...common, inbox: pgInbox(new pg.Pool()), opentelemetry });
// @ts-expect-error a part of the module is not enough
createConsumer({ ...common, inbox: pgInbox(new pg.Pool()), opentelemetry: { trace: opentelemetry.trace } });

// @ts-expect-error an inbox is needed
createConsumer({ ...common });
// @ts-expect-error a setting that does not exist
createConsumer({ ...common, inbox: pgInbox(new pg.Pool()), autoCommit: true });
// @ts-expect-error what becomes of records without an identity
createConsumer({ ...common, inbox: pgInbox(new pg.Pool()), unidentified: 'guess' });

const health: ConsumerHealth = onPostgres.health();
isTrue<Same<typeof health.status, 'starting' | 'ok' | 'stuck' | 'stopped'>>();
// @ts-expect-error a view, not a setting
health.status = 'ok';

const { replayed } = await replayDeadLetters({ kafka, deadLetterTopic: 'orders.dead', groupId: 'replay' });
isTrue<Same<typeof replayed, number>>();

declare const message: KafkaMessage;
const record: EscrowRecord | null = readRecord(message.headers);
// @ts-expect-error it may have come from somewhere else
const id: string = record.id;

// What is inferred can be named in declarations of the user's own.
export { id, onPostgres, onTool };
export const inbox = mysqlInbox(mysql.createPool('mysql://127.0.0.1/bank'));
