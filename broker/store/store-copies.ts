/**
 * Copies of the whole database as of one moment, made beside the running store: one at a time, in a thread of its own, in
 * a folder of their own inside the data folder. A copy has no name any more as soon as it is whole, so that nothing of it
 * is left however its reader or this process ends.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import type { CopyFailure, CopyOrder } from './copy-worker.ts';
import type { DiskRoom } from './disk-room.ts';
import { StorageFullError } from './store.ts';

const FOLDER = 'copy';
/** Read at once: many small reads would each wait for their turn among the requests of a busy broker. */
const READ_BYTES = 1024 * 1024;
/** While a copy is read, somebody looks so often whether its room is needed. */
const LOOK_EVERY_MS = 500;

/** Whoever wanted the copy does not want it any more. */
export class CopyGivenUpError extends Error {
  override name = 'CopyGivenUpError';
}

export interface StoreCopy {
  /**
   * Makes it, once: everything that was durable when this was called is in it. The next copy can begin when `content`
   * was closed; that ends early where only the reserve of the disk is left. Rejects with StorageFullError or
   * CopyGivenUpError; then nothing is left of it.
   */
  make(): Promise<{ readonly bytes: number; readonly content: Readable }>;
  /** At any time, as often as one likes. */
  giveUp(): void;
}

/** `busy`: another copy is being made or read. `full`: there is no room for one beside the reserve. */
export type CopyBegin = StoreCopy | 'busy' | 'full';

export class StoreCopies {
  readonly #folder: string;
  readonly #databaseFile: string;
  readonly #room: DiskRoom;
  readonly #bytes: () => number;
  #current: Copy | null = null;

  /** `bytes`: of the database, with what is still in the WAL. */
  constructor(dataFolder: string, databaseFile: string, room: DiskRoom, bytes: () => number) {
    this.#folder = join(dataFolder, FOLDER);
    this.#databaseFile = databaseFile;
    this.#room = room;
    this.#bytes = bytes;
  }

  /** Removes what a process left behind that was killed. Before the first copy. */
  async sweep(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  begin(): CopyBegin {
    if (this.#current !== null) return 'busy';
    const { freeBytes, reserveBytes } = this.#room.space();
    if (freeBytes < this.#bytes() + reserveBytes) return 'full';
    const order = { databaseFile: this.#databaseFile, copyFile: join(this.#folder, 'escrowmq.db'), reserveBytes };
    const copy = new Copy(this.#folder, order, this.#room);
    this.#current = copy;
    void copy.ended.then(() => {
      this.#current = null;
    });
    return copy;
  }

  /** Gives up the copy that is being made or read. Before the database is closed. */
  async close(): Promise<void> {
    this.#current?.giveUp();
    await this.#current?.ended;
  }
}

class Copy implements StoreCopy {
  readonly #folder: string;
  readonly #order: CopyOrder;
  readonly #room: DiskRoom;
  readonly #end: () => void;
  readonly ended: Promise<void>;
  #isWanted = true;
  #isBegun = false;
  #worker: Worker | null = null;
  #content: Readable | null = null;

  constructor(folder: string, order: CopyOrder, room: DiskRoom) {
    this.#room = room;
    this.#folder = folder;
    this.#order = order;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  async make(): Promise<{ bytes: number; content: Readable }> {
    // Given up before it was begun: its place may be another's by now.
    if (!this.#isWanted) throw new CopyGivenUpError();
    this.#isBegun = true;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await (await open(this.#order.copyFile, 'wx', 0o600)).close();
      await this.#work();
      return await this.#read();
    } catch (error) {
      // Where even that fails, the next start or the next copy does it; until then this one is over all the same.
      await rm(this.#folder, { recursive: true, force: true }).catch(() => undefined);
      this.#end();
      throw (error as NodeJS.ErrnoException).code === 'ENOSPC'
        ? new StorageFullError('there is no room for the copy')
        : error;
    }
  }

  giveUp(): void {
    this.#isWanted = false;
    this.#worker?.postMessage(null);
    this.#content?.destroy();
    if (!this.#isBegun) this.#end();
  }

  async #work(): Promise<void> {
    if (!this.#isWanted) throw new CopyGivenUpError();
    const worker = new Worker(new URL(`copy-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: this.#order,
    });
    this.#worker = worker;
    const failure = await new Promise<CopyFailure>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the thread that makes the copy ended')));
    }).finally(() => worker.terminate());
    this.#worker = null;
    if (!this.#isWanted) throw new CopyGivenUpError();
    if (failure?.code === 'SQLITE_FULL') throw new StorageFullError(failure.message);
    if (failure) throw new Error(`the copy failed: ${failure.code} ${failure.message}`);
  }

  /** From here on the file lives as long as it is open. */
  async #read(): Promise<{ bytes: number; content: Readable }> {
    const file = await open(this.#order.copyFile, 'r');
    try {
      const { size: bytes } = await file.stat();
      await rm(this.#folder, { recursive: true, force: true });
      if (!this.#isWanted) throw new CopyGivenUpError();
      const content = file.createReadStream({ highWaterMark: READ_BYTES });
      this.#content = content;
      // Its reader may take any time, and meanwhile new transactions are refused for the room that it takes.
      const look = setInterval(() => this.#room.isShort && this.giveUp(), LOOK_EVERY_MS);
      content.once('close', () => {
        clearInterval(look);
        this.#end();
      });
      return { bytes, content };
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}
