/** A connection as the store needs it: durable, checked, at the newest version of the schema. */
import Database from 'better-sqlite3';
import { DataFolderError } from './data-folder.ts';
import { initial } from './migrations/001-initial.ts';
import { keys } from './migrations/002-keys.ts';
import { acts } from './migrations/003-acts.ts';

const MIGRATIONS: readonly string[] = [initial, keys, acts];

/** The newest version of the schema. */
export const MIGRATIONS_KNOWN = MIGRATIONS.length;

/** Before this, a reset of the WAL could corrupt the database. */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** `PRAGMA synchronous` reads FULL back as this. */
const SYNCHRONOUS_FULL = 2;
const CACHE_KIB = 16_384;

/** What is built in, and a sentence where it is too old. */
export const sqliteFault = (db: Database.Database): { sqliteVersion: string; fault: string | null } => {
  const sqliteVersion = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  const parts = sqliteVersion.split('.').map(Number);
  const difference = OLDEST_SQLITE.map((part, i) => (parts[i] ?? 0) - part).find(d => d !== 0) ?? 0;
  const fault = difference < 0 ? `SQLite ${sqliteVersion} is too old: ${OLDEST_SQLITE.join('.')} is needed.` : null;
  return { sqliteVersion, fault };
};

const checkVersion = (db: Database.Database): void => {
  const { fault } = sqliteFault(db);
  if (fault !== null) throw new DataFolderError(fault);
};

const migrate = (db: Database.Database): void => {
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new DataFolderError(
      `The data was written by a newer broker (schema ${version}, this one knows ${MIGRATIONS.length}). Start the newer version.`,
    );
  }
  for (const [i, sql] of MIGRATIONS.entries()) {
    if (i < version) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${i + 1}`);
    })();
  }
};

export const openDatabase = (file: string): Database.Database => {
  const db = new Database(file);
  try {
    // Before the first commit, which would move a large WAL into the file then and there, and the start with it: that is the
    // checkpointer's work.
    db.pragma('wal_autocheckpoint = 0');
    checkVersion(db);
    db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma(`cache_size = -${CACHE_KIB}`);
    if (db.pragma('synchronous', { simple: true }) !== SYNCHRONOUS_FULL) {
      throw new DataFolderError('SQLite does not keep synchronous=FULL: commits would not be durable.');
    }
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
};
