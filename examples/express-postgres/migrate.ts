/**
 * The tables of both services, the SDKs' own among them: they are ordinary migrations. May be run again.
 *
 *   node migrate.ts orders|stock DATABASE_URL
 */
import pg from 'pg';
import { pgInbox } from '../../consumer-sdk/index.ts';
import { fenceSchema } from '../../producer-sdk/index.ts';

const [service = '', connectionString = ''] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString });

const MIGRATIONS: Record<string, string[]> = {
  orders: [
    `create table if not exists orders (
      id bigint generated always as identity primary key,
      item text not null,
      quantity integer not null,
      placed_at timestamptz not null default now()
    )`,
    // escrow_fence
    fenceSchema('postgresql'),
  ],
  stock: [
    'create table if not exists stock (item text primary key, free integer not null check (free >= 0))',
    `create table if not exists reservations (
      order_id bigint not null,
      item text not null,
      quantity integer not null,
      state text not null
    )`,
    // escrow_inbox
    pgInbox(pool).schema,
    `insert into stock values ('book', 100), ('lamp', 5) on conflict do nothing`,
  ],
};

const statements = MIGRATIONS[service];
if (statements === undefined) throw new Error(`Say which: ${Object.keys(MIGRATIONS).join(' or ')}.`);
for (const statement of statements) await pool.query(statement);
await pool.end();
