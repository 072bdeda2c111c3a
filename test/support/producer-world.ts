/** A service with accounts in a database, its producer and its check handler, beside a real broker. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Test } from 'tap';
import {
  betterSqlite3Fence,
  createProducer,
  type MessageDraft,
  type Producer,
  type ProducerOptions,
  type SqlFence,
} from '../../producer-sdk/index.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { steadyAddress } from './steady-address.ts';
import { temporaryFolder } from './store.ts';

type Db = Database.Database;

export const GROUP = 'bank-a';
export const MESSAGES: MessageDraft[] = [{ topic: 'transfers', key: 'bob', payload: '{"amount":100}' }];

/** The broker of a test, at an address that outlives its restarts. */
export const startBroker = async (t: Test): Promise<{ broker: BrokerProcess; url: string }> => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  return { broker, url: await steadyAddress(t, () => broker.url) };
};

/** Listens until the test ends. */
export const serve = async (t: Test, handler: Parameters<typeof createServer>[1]): Promise<string> => {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

export interface Service {
  readonly db: Db;
  readonly file: string;
  readonly fence: SqlFence<Db>;
  readonly producer: Producer<Db>;
  debit(db: Db): number;
  balance(): number;
  /** Outcome of each id in the fence. */
  fenceRows(): Record<string, string>;
}

/** Alice has 1,000. */
export const openAccounts = (file: string): Db => {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(`create table if not exists accounts (name text primary key, balance integer not null check (balance >= 0)) strict;
    insert or ignore into accounts values ('alice', 1000)`);
  return db;
};

export const startService = async (
  t: Test,
  options: Partial<ProducerOptions<Db>> & { url: string; file?: string },
): Promise<Service> => {
  const { file = join(temporaryFolder(t), 'a.db'), ...settings } = options;
  const db = openAccounts(file);
  const fence = betterSqlite3Fence(db);
  await fence.install();
  const producer = createProducer({ group: GROUP, fence, ...settings });
  t.teardown(async () => {
    await producer.close();
    db.close();
  });
  return {
    db,
    file,
    fence,
    producer,
    debit: open => open.prepare(`update accounts set balance = balance - 100 where name = 'alice'`).run().changes,
    balance: () => db.prepare('select balance from accounts').pluck().get() as number,
    fenceRows: () =>
      Object.fromEntries(
        db.prepare('select transaction_id, outcome from escrow_fence').raw().all() as [string, string][],
      ),
  };
};

/** What has reached the memory publisher. */
export const recordsOf = async (broker: BrokerProcess): Promise<string[]> => {
  const { body } = await broker.get('/v1/memory/records?topic=transfers&limit=500');
  return (body.items as { headers: Record<string, string> }[]).map(({ headers }) => headers.ce_id!);
};

export const stateOf = async (broker: BrokerProcess, id: string): Promise<string> =>
  (await broker.get(`/v1/transactions/${id}`)).body.state;
