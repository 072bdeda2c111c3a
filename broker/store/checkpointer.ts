/**
 * Moves what was committed from the WAL into the database file. A thread of its own does the bulk, so that no commit
 * waits for it; while commits go on, such a checkpoint never reaches the end of the WAL, so the short rest is done
 * between two commits. After that SQLite writes the WAL from its beginning again, into blocks the disk already has. When
 * room is tight, checkpoints come sooner, and the WAL gives its blocks back: a WAL that took the last of the disk could not
 * be moved into the file any more, which must grow for it.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import type { DiskRoom } from './disk-room.ts';

/** A checkpoint begins when so many pages (4 KiB) wait. Rarer ones write a page that changes often less often. */
const CHECKPOINT_PAGES = 8_000;
/** The same while room is tight. */
const CHECKPOINT_PAGES_TIGHT = 250;
/** The same while only the reserve is left, and then between two commits, not in the thread, which they would outrun. */
const CHECKPOINT_PAGES_SHORT = 60;
/** A page in the WAL, with what SQLite writes before it. */
const WAL_PAGE_BYTES = 4_096 + 24;
/** No more than this is the short rest. */
const REST_PAGES = 1_000;
/** Of so large a WAL the rest is done between two commits however long it is, unless the thread at least halves it. */
const MOST_WAL_PAGES = 50_000;
/** How often, in commits, somebody looks; while room is tight, after each. */
const LOOK_EVERY = 8;
/** And without any: others may take room or give it back. */
const LOOK_EVERY_MS = 500;

type Failure = { readonly code: string; readonly message: string } | null;

export class Checkpointer {
  readonly #db: Database.Database;
  readonly #file: string;
  readonly #look: Database.Statement<[], { log: number; checkpointed: number }>;
  #room: DiskRoom | null = null;
  #timer: NodeJS.Timeout | undefined;
  #last = { wal: 0, waiting: 0 };
  #worker: Worker | null = null;
  #busy = false;
  #commits = 0;
  #failure: Error | null = null;

  /** The connection makes no checkpoint by itself. */
  constructor(db: Database.Database, file: string) {
    this.#db = db;
    this.#file = file;
    // A WAL that had to grow beyond that gives the rest back once it is begun anew.
    db.pragma(`journal_size_limit = ${MOST_WAL_PAGES * WAL_PAGE_BYTES}`);
    this.#look = db.prepare('PRAGMA wal_checkpoint(NOOP)');
  }

  /** From now on it keeps the disk's room up to date, and acts on it. */
  watch(room: DiskRoom): void {
    this.#room = room;
    this.#lookRound();
    this.#timer = setInterval(() => {
      try {
        this.#lookRound();
      } catch (error) {
        this.#failure ??= error as Error;
      }
    }, LOOK_EVERY_MS).unref();
  }

  /** To be called after every commit. Throws what a checkpoint failed with, but for a full disk. */
  committed(): void {
    if (this.#failure) throw this.#failure;
    if (++this.#commits % LOOK_EVERY === 0 || this.#isTight) this.#lookRound();
  }

  /** To be called after a commit that found no room. */
  refused(): void {
    this.#lookRound();
  }

  /** Ends the thread. Before the database is closed. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  /** Pages of the WAL, and those of them that are not yet in the database file. */
  #state(): { wal: number; waiting: number } {
    const { log, checkpointed } = this.#look.get()!;
    this.#last = { wal: log, waiting: log - checkpointed };
    return this.#last;
  }

  /** How much room there is, and whether a checkpoint is due. While one is carried out only the room is looked at. */
  #lookRound(): void {
    const wasTight = this.#isTight;
    const { wal, waiting } = this.#busy ? this.#last : this.#state();
    this.#room?.look(waiting * WAL_PAGE_BYTES);
    if (this.#busy) return;
    if (this.#room?.isShort && wal >= CHECKPOINT_PAGES_SHORT) {
      this.#checkpoint();
      return;
    }
    const isDue = waiting >= (this.#isTight ? CHECKPOINT_PAGES_TIGHT : CHECKPOINT_PAGES);
    if (isDue || (this.#isTight && !wasTight && wal > 0)) this.#begin();
  }

  get #isTight(): boolean {
    return this.#room?.isTight ?? false;
  }

  #begin(): void {
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
    if (failure) return;
    const before = this.#last;
    const { wal, waiting } = this.#state();
    const doesKeepUp = wal < MOST_WAL_PAGES || waiting < before.waiting / 2;
    if (waiting <= REST_PAGES) this.#checkpoint();
    // Somebody still reads what the rest would overwrite, as whoever makes a copy does: the next look tries again.
    else if (wal - waiting === before.wal - before.waiting) return;
    else if (doesKeepUp) this.#begin();
    else this.#checkpoint();
  }

  #checkpoint(): void {
    try {
      if (this.#isTight) this.#truncate();
      else this.#db.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (!(error instanceof Database.SqliteError) || error.code !== 'SQLITE_FULL') this.#failure = error as Error;
    }
  }

  /** The WAL gives its blocks back. Not where somebody reads it: nobody here does, and a person's tool is not waited for. */
  #truncate(): void {
    const timeoutMs = this.#db.pragma('busy_timeout', { simple: true }) as number;
    this.#db.pragma('busy_timeout = 0');
    try {
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      this.#db.pragma(`busy_timeout = ${timeoutMs}`);
    }
    this.#room?.look(this.#state().waiting * WAL_PAGE_BYTES);
  }
}
