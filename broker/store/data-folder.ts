/**
 * The broker's folder: created private, owned by one process. The lock is an exclusive transaction on a file of its
 * own: the system gives it back when the process ends, however it ends, so nothing stale is left after kill -9.
 */
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';

/** Another process owns the folder, or it cannot be used. The message is meant for people. */
export class DataFolderError extends Error {
  override name = 'DataFolderError';
}

export interface DataFolder {
  /** Absolute. */
  readonly path: string;
  readonly databaseFile: string;
  /** Gives the lock back. */
  release(): void;
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Creates the file empty and private where it does not exist. */
const privateFile = (path: string): string => {
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  return path;
};

/** Makes newly created names survive a power cut. */
const syncFolder = (path: string): void => {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
};

/** `first` and everything below it down to `path` was made just now: flush each name, which lies in the folder above. */
const syncNewFolders = (first: string | undefined, path: string): void => {
  if (first === undefined) return;
  for (let folder = path; folder !== dirname(first); folder = dirname(folder)) syncFolder(dirname(folder));
};

/**
 * The folder and those above it that are missing. Not with `recursive`: where the system has no such file in a folder that
 * is there, as below /proc or where an automounter looks, Node tries on for ever.
 */
const makeFolders = (path: string): void => {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  for (const folder of missing) mkdirSync(folder, { mode: 0o700 });
  syncNewFolders(missing[0], path);
};

export const openDataFolder = (dataDir: string): DataFolder => {
  const path = resolve(dataDir);
  const databaseFile = join(path, 'escrowmq.db');
  let lock: Database.Database;
  try {
    makeFolders(path);
    lock = new Database(privateFile(join(path, 'broker.lock')), { timeout: 0 });
  } catch (error) {
    throw new DataFolderError(`The data folder ${path} cannot be used: ${reason(error)}.`);
  }
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    const busy = error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
    throw new DataFolderError(
      busy
        ? `Another broker is using the data folder ${path}. Stop it first, or give this one a folder of its own (--data-dir).`
        : `The data folder ${path} cannot be locked: ${reason(error)}.`,
    );
  }
  privateFile(databaseFile);
  // SQLite makes them as private as the database, but a copy that was put back may have brought its own.
  for (const beside of ['-wal', '-shm']) if (existsSync(databaseFile + beside)) chmodSync(databaseFile + beside, 0o600);
  syncFolder(path);
  return { path, databaseFile, release: () => lock.close() };
};
