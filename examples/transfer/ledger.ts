/**
 * A bank's accounts, in SQLite, PostgreSQL or MariaDB. Nothing in here is about messages: the SDKs are given the same
 * connection or pool, and hand `book` the transaction that it is to be part of.
 */
import Database from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';

export interface Entry {
  /** The id of the transfer that this is one side of. */
  readonly transfer: string;
  readonly account: string;
  readonly amount: number;
}

export interface Ledger<Tx> {
  /** Makes the tables where they are missing. A real bank has migrations for that. */
  install(): Promise<void>;
  /** An account with this balance, unless there is one of the name. */
  open(account: string, balance: number): Promise<void>;
  /** As part of the transaction. Throws where the account does not have that much. */
  book(tx: Tx, entry: Entry): void | Promise<void>;
  /** Null: there is no such account. */
  balance(account: string): Promise<number | null>;
  close(): Promise<void>;
}

/** Entries have no key on purpose: that a transfer is booked once is what the fence and the inbox are for. */
const tables = (tail: string): string[] => [
  `create table if not exists accounts (name varchar(64) not null primary key, balance integer not null)${tail}`,
  `create table if not exists entries (transfer varchar(64) not null, account varchar(64) not null, amount integer not null)${tail}`,
];

class NotEnough extends Error {
  constructor({ account, amount }: Entry) {
    super(`${account} does not have ${-amount}`);
  }
}

export const openSqlite = (file: string): Database.Database => {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  return db;
};

export const sqliteLedger = (db: Database.Database): Ledger<Database.Database> => ({
  install: async () => tables('').forEach(table => void db.exec(table)),
  open: async (account, balance) =>
    void db.prepare('insert or ignore into accounts values (?, ?)').run(account, balance),
  // Not async: on better-sqlite3 a transaction begins and ends in one turn.
  book: (tx, entry) => {
    const { transfer, account, amount } = entry;
    const update = tx.prepare('update accounts set balance = balance + ? where name = ? and balance + ? >= 0');
    if (update.run(amount, account, amount).changes === 0) throw new NotEnough(entry);
    tx.prepare('insert into entries values (?, ?, ?)').run(transfer, account, amount);
  },
  balance: async account =>
    (db.prepare('select balance from accounts where name = ?').pluck().get(account) as number | undefined) ?? null,
  close: async () => void db.close(),
});

export const openPostgres = (url: string): pg.Pool => new pg.Pool({ connectionString: url });

export const postgresLedger = (pool: pg.Pool): Ledger<pg.PoolClient> => ({
  install: async () => {
    for (const table of tables('')) await pool.query(table);
  },
  open: async (account, balance) =>
    void (await pool.query('insert into accounts values ($1, $2) on conflict do nothing', [account, balance])),
  book: async (tx, entry) => {
    const { transfer, account, amount } = entry;
    const update = 'update accounts set balance = balance + $1 where name = $2 and balance + $1 >= 0';
    if ((await tx.query(update, [amount, account])).rowCount === 0) throw new NotEnough(entry);
    await tx.query('insert into entries values ($1, $2, $3)', [transfer, account, amount]);
  },
  balance: async account =>
    (await pool.query('select balance from accounts where name = $1', [account])).rows[0]?.balance ?? null,
  close: () => pool.end(),
});

export const openMariadb = (url: string): mysql.Pool => mysql.createPool(url);

export const mariadbLedger = (pool: mysql.Pool): Ledger<mysql.PoolConnection> => ({
  install: async () => {
    for (const table of tables(' engine=InnoDB')) await pool.query(table);
  },
  open: async (account, balance) =>
    void (await pool.query('insert ignore into accounts values (?, ?)', [account, balance])),
  book: async (tx, entry) => {
    const { transfer, account, amount } = entry;
    const update = 'update accounts set balance = balance + ? where name = ? and balance + ? >= 0';
    const [{ affectedRows }] = await tx.query<mysql.ResultSetHeader>(update, [amount, account, amount]);
    if (affectedRows === 0) throw new NotEnough(entry);
    await tx.query('insert into entries values (?, ?, ?)', [transfer, account, amount]);
  },
  balance: async account => {
    const [rows] = await pool.query<mysql.RowDataPacket[]>('select balance from accounts where name = ?', [account]);
    return rows[0]?.balance ?? null;
  },
  close: () => pool.end(),
});
