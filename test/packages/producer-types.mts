/** What TypeScript says of programs that use the producer: compiled, never run. */
import { createServer } from 'node:http';
import {
  type BatchOperation,
  betterSqlite3Fence,
  type CheckHandler,
  type Completed,
  createClient,
  createProducer,
  ERRORS,
  EscrowError,
  fenceSchema,
  mysqlFence,
  OutcomeContradicted,
  type PrepareInput,
  pgFence,
  type SqlFence,
  sqlFence,
  type TransactionDetail,
  verifySignature,
} from '@escrowmq/producer';
import * as opentelemetry from '@opentelemetry/api';
import Database from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';

/** Compiles only where both are the same type, `any` counted. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isTrue = <T extends true>(_proof?: T): void => {};

const url = 'http://127.0.0.1:7400';
const messages = [{ topic: 'orders', key: 'o-1', payload: '{}' }] as const;

// A business function works with what its own driver gives.
const pool = new pg.Pool();
const onPostgres = createProducer({ url, group: 'a', fence: pgFence(pool) });
isTrue<Same<ReturnType<typeof pgFence<pg.Pool>>, SqlFence<pg.PoolClient>>>();
const inserted = onPostgres.transaction({ messages }, async (tx, context) => {
  isTrue<Same<typeof tx, pg.PoolClient>>();
  isTrue<Same<typeof context.id, string>>();
  context.send({ topic: 'orders', payload: null });
  // @ts-expect-error a payload must be written
  context.send({ topic: 'orders' });
  const { rows } = await tx.query<{ id: string }>('select id from orders');
  return rows[0]!.id;
});
isTrue<Same<typeof inserted, Promise<Completed<string>>>>();

const onMysql = createProducer({ url, group: 'b', fence: mysqlFence(mysql.createPool('mysql://127.0.0.1/shop')) });
onMysql.transaction({ messages }, async tx => {
  isTrue<Same<typeof tx, mysql.PoolConnection>>();
  await tx.execute('insert into orders values (?)', ['o-1']);
});

const onSqlite = createProducer({ url, group: 'c', fence: betterSqlite3Fence(new Database('shop.db')) });
const changed = onSqlite.transaction({ messages }, tx => {
  isTrue<Same<typeof tx, Database.Database>>();
  return tx.prepare('insert into orders values (?)').run('o-1').changes;
});
isTrue<Same<typeof changed, Promise<Completed<number>>>>();

// The general form: the tool and what it gives a function in a transaction have types of their own.
interface Session {
  run(sql: string, params: readonly unknown[]): Promise<{ rows: unknown[] }>;
}
interface Tool extends Session {
  begin(work: (session: Session & { readonly isOpen: true }) => Promise<void>): Promise<void>;
}
declare const tool: Tool;
const onTool = createProducer({
  url,
  group: 'd',
  fence: sqlFence({
    dialect: 'postgresql',
    db: tool,
    transaction: (db, work: (tx: Session & { readonly isOpen: true }) => Promise<void>) => db.begin(work),
    query: (executor, { sql, params }) => executor.run(sql, params),
  }),
});
onTool.transaction({ messages }, tx => isTrue<Same<typeof tx.isOpen, true>>());
// @ts-expect-error a dialect that nobody speaks
sqlFence({ dialect: 'oracle', db: tool, transaction: (db, work) => db.begin(work), query: async () => [] });

// Without an SQL database there is no transaction to work with.
const byHand = createProducer({ url, group: 'e', check: id => (id === 'x' ? 'commit' : 'unknown') });
byHand.transaction({ messages }, tx => isTrue<Same<typeof tx, undefined>>());
createProducer({ url, group: 'e', check: async id => (id === 'x' ? 'commit' : 'rollback') });
// @ts-expect-error what a check may answer
createProducer({ url, group: 'e', check: () => 'maybe' });
// @ts-expect-error the group is needed
createProducer({ url, check: () => 'unknown' });
// @ts-expect-error a setting that does not exist
createProducer({ url, group: 'e', check: () => 'unknown', checkAddress: url });
createProducer({ url, group: 'e', check: () => 'unknown', opentelemetry });
createClient({ url, opentelemetry });
// @ts-expect-error a part of the module is not enough
createClient({ url, opentelemetry: { trace: opentelemetry.trace } });
// @ts-expect-error a pool with callbacks has no promises to wait for
pgFence({ connect: (done: () => void) => done() });

const completed = await onPostgres.transaction({ messages }, async () => 5);
// A repeat did not run the function, so there is a value only where it was no repeat.
isTrue<Same<typeof completed.value, number | undefined>>();
if (!completed.repeated) isTrue<Same<typeof completed.value, number>>();
isTrue<Same<typeof completed.delivery, 'acknowledged' | 'pending' | 'none'>>();

const handler: CheckHandler = onPostgres.checkHandler();
createServer(handler);
export const POST: (request: Request) => Promise<Response> = handler;

const client = createClient({ url, group: 'a', lingerMs: 2 });
const { id, state, isNew } = await client.prepare({ messages }, { signal: AbortSignal.timeout(1_000) });
isTrue<Same<typeof state, 'prepared' | 'committed' | 'rolled_back'>>();
isTrue<Same<typeof isNew, boolean>>();
const detail: TransactionDetail = await client.transaction(id);
// @ts-expect-error an answer cannot be written to where the client says it is read
detail.messages = 'none';
// @ts-expect-error an id is a string
await client.commit(7);

const wrong: unknown = await client.commit(id).catch((error: unknown) => error);
if (wrong instanceof EscrowError) {
  isTrue<Same<typeof wrong.retryable, boolean>>();
  if (wrong.code === 'QUEUE_FULL') await onPostgres.close();
}
if (wrong instanceof OutcomeContradicted) isTrue<Same<typeof wrong.transactionId, string | null>>();

const prepare: PrepareInput = { group: 'g', messages: [{ topic: 't', payload: null }] };
// @ts-expect-error a payload must be written
const incomplete: PrepareInput = { group: 'g', messages: [{ topic: 't' }] };
const operations: BatchOperation[] = [
  { op: 'prepare', ...prepare },
  { op: 'commit', id },
];
const valid: boolean = verifySignature('whsec_', {}, new Uint8Array(), Date.now());
const status: number = ERRORS.INTERNAL.status;
const ddl: string = fenceSchema('mysql');
// @ts-expect-error a dialect that nobody speaks
fenceSchema('oracle');

// What is inferred can be named in declarations of the user's own.
export { completed, ddl, incomplete, onMysql, onPostgres, onTool, operations, status, valid };
