/**
 * Moves what was committed from the WAL into the database file. A thread of its own does the bulk, so that no commit
 * waits for it; while commits go on, such a checkpoint never reaches the end of the WAL, so the short rest is done
 * between two commits. After that SQLite writes the WAL from its beginning again, into blocks the disk already has.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';

/** A checkpoint begins when so many pages (4 KiB) wait. Rarer ones write a page that changes often less often. */
const CHECKPOINT_PAGES = 8_000;
/** No more than this is the short rest. */
const REST_PAGES = 1_000;
/** From here on commits wait: the thread does not keep up. */
const MOST_PAGES = 50_000;
/** How often, in commits, somebody looks. */
const LOOK_EVERY = 8;

type Failure = { readonly code: string; readonly message: string } | null;

export class Checkpointer {
  readonly #db: Database.Database;
  readonly #file: string;
  readonly #waiting: Database.Statement<[], { log: number; checkpointed: number }>;
  #worker: Worker | null = null;
  #busy = false;
  #commits = 0;
  #failure: Error | null = null;

  constructor(db: Database.Database, file: string) {
    this.#db = db;
    this.#file = file;
    db.pragma('wal_autocheckpoint = 0');
    this.#waiting = db.prepare('PRAGMA wal_checkpoint(NOOP)');
  }

  /** To be called after every commit. Throws what a checkpoint failed with, but for a full disk. */
  committed(): void {
    if (this.#failure) throw this.#failure;
    if (++this.#commits % LOOK_EVERY !== 0) return;
    const pages = this.#pages();
    if (pages >= MOST_PAGES) this.#checkpoint();
    else if (pages >= CHECKPOINT_PAGES) this.#begin();
  }

  /** Ends the thread. Before the database is closed. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  /** In the WAL and not yet in the database file. */
  #pages(): number {
    const { log, checkpointed } = this.#waiting.get()!;
    return log - checkpointed;
  }

  #begin(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage(null);
  }

  #start(): Worker {
    const worker = new Worker(new URL(`checkpoint-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: this.#file,
    });
    worker.unref();
    worker.on('message', (failure: Failure) => this.#done(worker, failure));
    worker.on('error', error => {
      this.#failure = error;
    });
    return worker;
  }

  #done(worker: Worker, failure: Failure): void {
    if (worker !== this.#worker) return;
    this.#busy = false;
    if (failure && failure.code !== 'SQLITE_FULL')
      this.#failure = new Database.SqliteError(failure.message, failure.code);
    else if (!failure && this.#pages() <= REST_PAGES) this.#checkpoint();
  }

  #checkpoint(): void {
    try {
      this.#db.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (!(error instanceof Database.SqliteError) || error.code !== 'SQLITE_FULL') this.#failure = error as Error;
    }
  }
}
