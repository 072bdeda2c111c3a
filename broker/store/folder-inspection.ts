/**
 * A data folder and its database looked at from outside. Nothing is changed, and nobody is kept from starting a broker; only
 * SQLite may leave its log and index beside the database, empty: to take them away would not be safe.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { DiskRoom } from './disk-room.ts';
import { MIGRATIONS_KNOWN, sqliteFault } from './sqlite-database.ts';

export interface FolderInspection {
  /** Absolute. */
  readonly path: string;
  /** The folder, or the nearest one above it that exists. */
  readonly nearest: string;
  readonly isFolder: boolean;
  /** `nearest` is a folder: if it is not `path`, that can be made in it. */
  readonly isPossible: boolean;
  /** Of `nearest`, for this user. */
  readonly isWritable: boolean;
  /** A broker holds it. */
  readonly isInUse: boolean;
  readonly hasDatabase: boolean;
  /** Files that others than their owner can read or change, with their modes as `ls` numbers them: 644. */
  readonly open: readonly { readonly name: string; readonly mode: string }[];
  /** Files that this user cannot write. */
  readonly closed: readonly string[];
  readonly freeBytes: number;
  readonly reserveBytes: number;
}

const DATABASE = 'escrowmq.db';
const LOCK = 'broker.lock';
const OTHERS = 0o077;
const PERMISSIONS = 0o777;

const isWritable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

const nearestOf = (path: string): string => (existsSync(path) ? path : nearestOf(dirname(path)));

/** The lock is an exclusive transaction: whoever cannot read the file meets it. */
const isLocked = (file: string): boolean => {
  if (!existsSync(file)) return false;
  const lock = new Database(file, { readonly: true, timeout: 0 });
  try {
    lock.prepare('SELECT count(*) FROM sqlite_schema').get();
    return false;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return true;
    throw error;
  } finally {
    lock.close();
  }
};

/** Throws where the folder cannot even be looked at. */
export const inspectFolder = (dataDir: string, reserveBytes: number): FolderInspection => {
  const path = resolve(dataDir);
  const nearest = nearestOf(path);
  const isPossible = statSync(nearest).isDirectory();
  const isFolder = nearest === path && isPossible;
  const names = isFolder ? ['.', ...readdirSync(path)] : [];
  const modes = names.map(name => ({ name, mode: statSync(join(path, name)).mode & PERMISSIONS }));
  return {
    path,
    nearest,
    isFolder,
    isPossible,
    isWritable: isWritable(nearest),
    isInUse: isFolder && isLocked(join(path, LOCK)),
    hasDatabase: names.includes(DATABASE),
    open: modes.filter(({ mode }) => mode & OTHERS).map(({ name, mode }) => ({ name, mode: mode.toString(8) })),
    closed: names.filter(name => name !== '.' && !isWritable(join(path, name))),
    ...new DiskRoom(nearest, reserveBytes).space(),
  };
};

export interface DatabaseInspection {
  readonly sqliteVersion: string;
  /** A sentence; null: everything is as it should be. */
  readonly fault: string | null;
  /** Topics that messages were prepared for. */
  readonly topics: readonly string[];
}

/** Of the SQLite that is built in; a sentence where it is too old. */
export const inspectSqlite = (): Pick<DatabaseInspection, 'sqliteVersion' | 'fault'> => {
  const db = new Database(':memory:');
  try {
    return sqliteFault(db);
  } finally {
    db.close();
  }
};

/** Reads all of it. Not for a database that a broker holds: it would keep the broker's log from being moved meanwhile. */
export const inspectDatabase = (folder: FolderInspection): Omit<DatabaseInspection, 'sqliteVersion'> => {
  let db: Database.Database | null = null;
  try {
    db = new Database(join(folder.path, DATABASE), { readonly: true });
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > MIGRATIONS_KNOWN)
      return {
        fault: `It was written by a newer broker (schema ${version}, this one knows ${MIGRATIONS_KNOWN}).`,
        topics: [],
      };
    const found = (db.pragma('quick_check(5)') as { quick_check: string }[]).map(row => row.quick_check);
    if (found.join() !== 'ok') return { fault: `It is damaged: ${found.join('; ')}.`, topics: [] };
    // Version 0: made, and never begun with.
    const topics = version === 0 ? [] : db.prepare('SELECT name FROM topics ORDER BY name').pluck().all();
    return { fault: null, topics: topics as string[] };
  } catch (error) {
    return { fault: `It cannot be read: ${(error as Error).message}.`, topics: [] };
  } finally {
    db?.close();
  }
};
