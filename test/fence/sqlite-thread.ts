/**
 * One participant of a run on SQLite, in a thread of its own: better-sqlite3 answers at once, so a statement can be held
 * only by holding the thread. Everything is asked of sqlite-world.ts, which answers when it may go.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { betterSqlite3Fence } from '../../producer-sdk/index.ts';
import { type Operation, type Reply, refused } from './broker-model.ts';
import { type Act, type Hands, type Part, perform, type Stand } from './parts.ts';
import { faultyAtOnce } from './planted-faults.ts';
import { Dead, type Fate } from './stage.ts';
import { setAge, stopTime } from './standing-time.ts';
import { stepOf } from './statements.ts';
import type { Fault } from './world.ts';
import { producerOn } from './world.ts';

/** What a thread asks, and what it is told. */
export type Question =
  | { readonly kind: 'statement'; readonly step: string }
  | { readonly kind: 'call'; readonly operation: Operation }
  | { readonly kind: 'asked' | 'ended' }
  | { readonly kind: 'answers'; readonly resolution: string | null };
export interface Told {
  readonly fate: Fate;
  readonly reply?: Reply;
  readonly isOld?: boolean;
}

export interface Setting {
  readonly name: string;
  readonly file: string;
  readonly url: string;
  readonly flag: SharedArrayBuffer;
  readonly port: MessagePort;
}

export interface Order {
  readonly part: Part;
  readonly id: string;
  readonly fault: Fault | null;
}

const { name, file, url, flag, port } = workerData as Setting;
const signal = new Int32Array(flag);
let isDead = false;
let fault: Fault | null = null;
/** Waiting for a lock is over as soon as it begins. */
let isImpatient = false;

/** Stops this thread until it is told. */
const ask = (question: Question): Told => {
  if (isDead) throw new Dead();
  port.postMessage({ question, isOpen: db.inTransaction });
  let received = receiveMessageOnPort(port);
  // Being woken says nothing: it may be the end of what woke this thread for the message before.
  while (received === undefined) {
    Atomics.wait(signal, 0, 0);
    Atomics.store(signal, 0, 0);
    received = receiveMessageOnPort(port);
  }
  const told = received.message as Told;
  setAge(told.isOld ?? false);
  if (told.fate === 'crash') {
    isDead = true;
    db.die();
    throw new Dead();
  }
  return told;
};

const ioError = (): Error => Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });

/** A statement whose step is held, whatever connection it is prepared on again meanwhile. */
class GatedStatement {
  readonly #db: GatedDatabase;
  readonly #sql: string;
  readonly reader: boolean;

  constructor(db: GatedDatabase, sql: string) {
    this.#db = db;
    this.#sql = sql;
    this.reader = db.real.prepare(sql).reader;
  }

  all(...params: unknown[]): unknown[] {
    return this.#send(params, statement => statement.all(...params)) as unknown[];
  }

  run(...params: unknown[]): unknown {
    return this.#send(params, statement => statement.run(...params));
  }

  #send(params: unknown[], how: (statement: Database.Statement) => unknown): unknown {
    const execute = (): unknown => how(this.#db.real.prepare(this.#sql));
    // A bare “begin” is the fence's look whether a transaction is open.
    const step = this.#sql === 'begin' ? null : stepOf(this.#sql, params);
    if (step === null) {
      if (isDead) throw new Dead();
      return execute();
    }
    // Turned away and come back: nothing has changed since.
    if (isImpatient && (step === 'begin' || step === 'verdict')) return execute();
    isImpatient = false;
    const { fate } = ask({ kind: 'statement', step });
    if (fate === 'fails') throw ioError();
    if (fate === 'time-out') {
      isImpatient = true;
      // The transaction's own patience; a verdict counts its attempts.
      if (step === 'begin') endPatience();
    }
    const send = { step, params, run: execute, ask: (sql: string) => this.#db.real.exec(sql) };
    const result = faultyAtOnce(fault, { ...send, shape: rows => rows });
    if (fate === 'reply lost') throw ioError();
    return result;
  }
}

class GatedDatabase {
  real: Database.Database;
  readonly #options: Database.Options;

  constructor(file: string, options: Database.Options = {}) {
    this.#options = options;
    this.real = new Database(file, options);
  }

  /** As when its process dies: what is open is rolled back. Then it is as if opened by the next one. */
  die(): void {
    this.real.close();
    this.real = new Database(file, this.#options);
  }

  prepare(sql: string): GatedStatement {
    return new GatedStatement(this, sql);
  }

  exec(sql: string): void {
    const step = stepOf(sql);
    if (step !== null) ask({ kind: 'statement', step });
    this.real.exec(sql);
  }

  pragma(text: string, options?: Database.PragmaOptions): unknown {
    return this.real.pragma(text, options);
  }

  get name(): string {
    return this.real.name;
  }
  get memory(): boolean {
    return this.real.memory;
  }
  get readonly(): boolean {
    return this.real.readonly;
  }
  get open(): boolean {
    return this.real.open;
  }
  get inTransaction(): boolean {
    return this.real.inTransaction;
  }
  close(): void {
    this.real.close();
  }
}

/** Patience that was begun and not given up. */
const patience = new Set<() => void>();
const endPatience = (): void => {
  for (const end of patience) end();
  patience.clear();
};

const LONG_MS = 200;
const stopTimers = (): void => {
  const stopped = (act: () => void, ms = 0): unknown => {
    if (ms < LONG_MS) return setImmediate(act);
    patience.add(act);
    return act;
  };
  globalThis.setTimeout = stopped as unknown as typeof setTimeout;
  globalThis.clearTimeout = (timer: unknown) => {
    if (typeof timer === 'function') patience.delete(timer as () => void);
    else clearImmediate(timer as NodeJS.Immediate | undefined);
  };
};

const db = new GatedDatabase(file);
const fence = betterSqlite3Fence(db);
const producer = await producerOn(url, fence, async operation => {
  const { fate, reply } = ask({ kind: 'call', operation });
  if (reply === undefined) throw new Error(`no answer of the broker: ${fate}`);
  if ('problem' in reply) throw refused(reply.problem, 'the transaction');
  return reply.body;
});
stopTime();
stopTimers();

const SQL: Partial<Record<Act, string>> = {
  savepoint: 'savepoint mine',
  undo: 'rollback to savepoint mine',
  lose: 'rollback; begin immediate',
  'delete the claim': 'delete from escrow_fence',
};

const once = (act: Act, { id, name, error }: Hands): void => {
  if (act === 'throw') throw error;
  const sql = SQL[act];
  if (sql === undefined) db.prepare('insert into effect (id, execution) values (?, ?)').run(id, name);
  else db.exec(sql);
};

/** At once, as business functions on SQLite must be, unless a tool's transaction has something to wait for. */
const act = (_: unknown, acts: readonly Act[], hands: Hands): void | Promise<void> => {
  const [first, ...rest] = acts;
  if (first === undefined) return;
  if (first === 'claim' || first === 'verify') return hands[first]().then(() => act(_, rest, hands));
  if (first === 'throw' && fault === 'rollback called from the catch') {
    ask({ kind: 'call', operation: 'rollback' });
  }
  once(first, hands);
  return act(_, rest, hands);
};

const stand: Stand = {
  name,
  producer,
  fence,
  act,
  tool: async work => {
    db.prepare('begin immediate').run();
    try {
      await work(db);
      db.prepare('commit').run();
    } catch (error) {
      if (db.inTransaction && !isDead) db.prepare('rollback').run();
      throw error;
    }
  },
  asked: async () => void ask({ kind: 'asked' }),
  answers: async resolution => void ask({ kind: 'answers', resolution }),
  ended: async () => void ask({ kind: 'ended' }),
};

parentPort!.on('message', async (order: Order) => {
  isDead = false;
  isImpatient = false;
  fault = order.fault;
  setAge(false);
  const result = await perform(order.part, order.id, stand);
  parentPort!.postMessage(result);
});
parentPort!.postMessage('ready');
