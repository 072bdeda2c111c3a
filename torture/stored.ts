/** What lies in the store of a broker that has ended, read without the product's own code. */
import { join } from 'node:path';
import Database from 'better-sqlite3';

export interface Stored {
  readonly id: string;
  readonly group: string;
  readonly state: 'prepared' | 'committed' | 'rolled_back';
  /** Milliseconds since 1970. */
  readonly resolvedAt: number | null;
}

const STATES = ['prepared', 'committed', 'rolled_back'] as const;

/** Every transaction, in the order of arrival. */
export const storedTransactions = (dataDir: string): Stored[] => {
  const db = new Database(join(dataDir, 'escrowmq.db'), { fileMustExist: true });
  try {
    const rows = db
      .prepare('SELECT id, name, state, resolved_at FROM transactions JOIN producer_groups USING (group_id)')
      .raw()
      .all() as [string, string, number, number | null][];
    return rows.map(([id, group, state, resolvedAt]) => ({ id, group, state: STATES[state]!, resolvedAt }));
  } finally {
    db.close();
  }
};
