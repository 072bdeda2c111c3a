/** Looks into a bank's database from outside: several questions answered as of one moment. */
import Database from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';

export type Rows = readonly (readonly unknown[])[];

export interface Snapshots {
  /** The rows of each query; all see the same moment. */
  take(queries: readonly string[]): Promise<Rows[]>;
  close(): Promise<void>;
}

export const openSnapshots = async (address: string): Promise<Snapshots> => {
  if (address.startsWith('sqlite:')) return sqlite(address.replace('sqlite:', ''));
  return address.startsWith('postgres:') ? postgres(address) : mariadb(address);
};

const sqlite = (file: string): Snapshots => {
  const db = new Database(file, { readonly: true });
  const all = db.transaction((queries: readonly string[]) => queries.map(sql => db.prepare(sql).raw().all() as Rows));
  return { take: async queries => all(queries), close: async () => void db.close() };
};

const postgres = async (address: string): Promise<Snapshots> => {
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  return {
    take: async queries => {
      await client.query('begin isolation level repeatable read read only');
      const results: Rows[] = [];
      for (const text of queries) results.push((await client.query({ text, rowMode: 'array' })).rows);
      await client.query('commit');
      return results;
    },
    close: () => client.end(),
  };
};

const mariadb = async (address: string): Promise<Snapshots> => {
  const connection = await mysql.createConnection(address);
  return {
    take: async queries => {
      await connection.query('start transaction with consistent snapshot, read only');
      const results: Rows[] = [];
      for (const sql of queries)
        results.push((await connection.query({ sql, rowsAsArray: true }))[0] as unknown as Rows);
      await connection.query('commit');
      return results;
    },
    close: () => connection.end(),
  };
};
