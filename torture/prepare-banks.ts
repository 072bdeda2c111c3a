/** Tables and accounts, before the banks begin; and the fault that lies in a table. */
import type { BankDatabases } from '../examples/transfer/databases.ts';
import {
  type Ledger,
  mariadbLedger,
  openMariadb,
  openPostgres,
  openSqlite,
  postgresLedger,
  sqliteLedger,
} from '../examples/transfer/ledger.ts';
import { fenceSchema } from '../producer-sdk/fence/fence-table.ts';
import type { Fault } from './hooks/settings.ts';
import { ACCOUNTS, accountName, BALANCE } from './plan.ts';

/** As the SDK would make it, but that two rows may stand under one key. The banks leave a table alone that is there. */
const keyless = (schema: string): string => schema.replace(/,\s*primary key \([^)]*\)/, '');

const fill = async <Tx>(ledger: Ledger<Tx>, side: 'a' | 'b'): Promise<void> => {
  await ledger.install();
  for (let index = 0; index < ACCOUNTS; index++) await ledger.open(accountName(side, index), BALANCE);
  await ledger.close();
};

const prepare = async (address: string, side: 'a' | 'b', isKeyless: boolean): Promise<void> => {
  if (address.startsWith('postgres:')) {
    const pool = openPostgres(address);
    if (isKeyless) await pool.query(keyless(fenceSchema('postgresql')));
    return fill(postgresLedger(pool), side);
  }
  if (address.startsWith('mariadb:')) {
    const pool = openMariadb(address);
    if (isKeyless) await pool.query(keyless(fenceSchema('mysql')));
    return fill(mariadbLedger(pool), side);
  }
  const db = openSqlite(address.replace('sqlite:', ''));
  if (isKeyless) db.exec(keyless(fenceSchema('sqlite')));
  return fill(sqliteLedger(db), side);
};

export const prepareBanks = async ({ a, b }: BankDatabases, fault: Fault | null): Promise<void> => {
  await prepare(a, 'a', fault === 'fence-without-key');
  await prepare(b, 'b', false);
};
