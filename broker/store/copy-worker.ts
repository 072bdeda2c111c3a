/**
 * The thread in which a copy of the database is made: a connection of its own that reads the state of one moment, page
 * by page, so that it can be given up between two steps. A message to it is the wish that it does so.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

export interface CopyOrder {
  readonly databaseFile: string;
  /** There, empty and private. */
  readonly copyFile: string;
  /** To be left free on the disk. */
  readonly reserveBytes: number;
}

/** What it came to; null: the copy is made. */
export type CopyFailure = { readonly code: string; readonly message: string } | null;

export const GIVEN_UP = 'GIVEN_UP';

/** Pages (4 KiB) in one step. */
const STEP_PAGES = 500;
const PAGE_BYTES = 4_096;

const { databaseFile, copyFile, reserveBytes } = workerData as CopyOrder;
let isWanted = true;
parentPort!.once('message', () => {
  isWanted = false;
});

const failure = (code: string, message: string): Error => Object.assign(new Error(message), { code });

/** Between two steps. While the copy is made the WAL cannot be begun anew, and others may take room as well. */
const lookRound = (remainingPages: number): number => {
  if (!isWanted) throw failure(GIVEN_UP, 'the copy is not wanted any more');
  const { bavail, bsize } = statfsSync(dirname(copyFile));
  if (bavail * bsize - remainingPages * PAGE_BYTES < reserveBytes) {
    throw failure('SQLITE_FULL', 'there is no room for the copy');
  }
  return STEP_PAGES;
};

const copy = async (): Promise<void> => {
  const db = new Database(databaseFile, { readonly: true, fileMustExist: true });
  try {
    // From its first read on a transaction sees one moment; without one each commit would begin the copy anew.
    db.exec('BEGIN');
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    await db.backup(copyFile, { progress: ({ remainingPages }) => lookRound(remainingPages) });
  } finally {
    db.close();
  }
};

copy().then(
  () => parentPort!.postMessage(null),
  ({ code = 'SQLITE_ERROR', message }: Error & { code?: string }) => parentPort!.postMessage({ code, message }),
);
