/** The thread in which checkpoints run: a connection of its own, one passive checkpoint per message. */
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

const db = new Database(workerData as string, { fileMustExist: true });
db.pragma('synchronous = FULL');

parentPort!.on('message', () => {
  let failure: { code: string; message: string } | null = null;
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
  } catch (error) {
    const { code = 'SQLITE_ERROR', message } = error as Error & { code?: string };
    failure = { code, message };
  }
  parentPort!.postMessage(failure);
});
