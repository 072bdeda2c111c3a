/** A database for each bank: files, or databases on a server that is started for them and ended with them. */
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { startMariadb } from '../../tools/databases/mariadb.ts';
import { startPostgres } from '../../tools/databases/postgres.ts';
import { mariadbAvailable, postgresAvailable } from '../../tools/databases/programs.ts';

export const KINDS = ['sqlite', 'postgres', 'mariadb'] as const;
export type Kind = (typeof KINDS)[number];

export interface BankDatabases {
  /** As the banks take it: `sqlite:FILE`, `postgres://…`, `mariadb://…` */
  readonly a: string;
  readonly b: string;
  close(): Promise<void>;
}

/** Why there are none of this kind on this machine, as a sentence; null: they can be had. */
export const whyNot = (kind: Kind): string | null => {
  if (kind === 'sqlite') return null;
  return (kind === 'postgres' ? postgresAvailable() : mariadbAvailable()).why ?? null;
};

const NAMES = ['bank_a', 'bank_b'] as const;

/** Empty databases; files are made in the folder. Rejects with a sentence where there are none of this kind. */
export const startDatabases = async (kind: Kind, folder: string): Promise<BankDatabases> => {
  if (kind === 'sqlite') {
    return { a: `sqlite:${join(folder, 'a.db')}`, b: `sqlite:${join(folder, 'b.db')}`, close: async () => {} };
  }
  const server = await (kind === 'postgres' ? startPostgres() : startMariadb());
  const { host, port, user } = server.address;
  const [a, b] = NAMES.map(name => `${kind}://${user}@${host}:${port}/${name}`);
  if (kind === 'postgres') {
    const client = new pg.Client({ host, port, user, database: 'postgres' });
    await client.connect();
    for (const name of NAMES) await client.query(`create database ${name}`);
    await client.end();
  } else {
    const connection = await mysql.createConnection({ host, port, user });
    for (const name of NAMES) await connection.query(`create database ${name}`);
    await connection.end();
  }
  return { a: a!, b: b!, close: () => server.close() };
};
