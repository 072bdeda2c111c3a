/** SQLite through `better-sqlite3`, each participant in a thread that is held before every statement of the protocol. */
import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import type { Test } from 'tap';
import { fenceSchema } from '../../producer-sdk/fence/fence-table.ts';
import { betterSqlite3Fence, type Producer, RefusedError } from '../../producer-sdk/index.ts';
import { temporaryFolder } from '../support/store.ts';
import type { Touch } from './choice-tree.ts';
import { type AnyTx, check, type Part } from './parts.ts';
import { Port, type Run } from './port.ts';
import type { Order, Question, Setting, Told } from './sqlite-thread.ts';
import { Dead, type Fate, type Participant, type Session } from './stage.ts';
import type { Ending } from './story.ts';
import { type Fault, type Found, producerOn, registry, type World } from './world.ts';

/** A thread, and the participant that it is in the present run. */
class Thread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #signal: Int32Array;
  /** Its producer has looked at the table. */
  readonly started: Promise<unknown>;
  #result: (result: unknown) => void = () => {};
  #failure: (error: Error) => void = () => {};
  onQuestion: (question: Question, isOpen: boolean) => void = () => {};

  constructor(setting: Omit<Setting, 'flag' | 'port'>) {
    const flag = new SharedArrayBuffer(4);
    const { port1, port2 } = new MessageChannel();
    this.#signal = new Int32Array(flag);
    this.#port = port1;
    this.#port.on('message', ({ question, isOpen }) => this.onQuestion(question, isOpen));
    const workerData: Setting = { ...setting, flag, port: port2 };
    this.#worker = new Worker(new URL('./sqlite-thread.ts', import.meta.url), { workerData, transferList: [port2] });
    this.started = this.#next();
    this.#worker.on('message', result => this.#result(result));
    this.#worker.on('error', error => this.#failure(error as Error));
  }

  async order(order: Order): Promise<unknown> {
    await this.started;
    const next = this.#next();
    this.#worker.postMessage(order);
    return next;
  }

  tell(told: Told): void {
    this.#port.postMessage(told);
    Atomics.store(this.#signal, 0, 1);
    Atomics.notify(this.#signal, 0);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#result = resolve;
      this.#failure = reject;
    });
  }
}

/** BEGIN IMMEDIATE takes the lock; what follows it is seen by nobody before COMMIT, and meets nobody. */
const TOUCHES: Readonly<Record<string, Touch>> = { begin: 'write', claim: 'nothing' };
/** The lock is the file's: a transaction holds it from its BEGIN IMMEDIATE on. */
const NEEDS_THE_LOCK = new Set(['begin', 'verdict', 'mark', 'unmark', 'forget']);
/** These give up at some time; a sweep that does so goes on at its next run, and nobody has noticed anything. */
const GIVES_UP = new Set(['begin', 'verdict']);

export class SqliteWorld implements World {
  readonly name = 'SQLite';
  readonly dialect = 'sqlite';
  readonly version: string;
  fault: Fault | null = null;
  readonly #db: Database.Database;
  readonly #url: string;
  readonly #threads = new Map<string, Thread>();
  /** Answers the last check-back of each run, when nobody else is there. */
  readonly #last: Producer<AnyTx>;

  private constructor(db: Database.Database, url: string, last: Producer<AnyTx>) {
    this.#db = db;
    this.#url = url;
    this.#last = last;
    this.version = `SQLite ${db.prepare('select sqlite_version()').pluck().get()}`;
  }

  static async open(t: Test): Promise<SqliteWorld> {
    const { url, close } = await registry();
    t.teardown(close);
    const db = new Database(join(temporaryFolder(t), 'own.db'));
    db.pragma('journal_mode = WAL');
    db.exec(fenceSchema('sqlite'));
    db.exec('create table effect (nr integer primary key, id text, execution text); create index by_id on effect (id)');
    const last = await producerOn(url, betterSqlite3Fence(db), () => Promise.reject(new Error('it only answers')));
    const world = new SqliteWorld(db, url, last);
    t.teardown(async () => {
      await last.close();
      for (const thread of world.#threads.values()) await thread.close();
      db.close();
    });
    return world;
  }

  async play(part: Part, participant: Participant, run: Run): Promise<Ending> {
    const thread = this.#thread(participant.name);
    const port = new Port(participant, run);
    const session: Session = { id: 0, isOpen: false, isGivenUp: false, end: async () => {}, leave: async () => {} };
    participant.sessions.add(session);
    const isLocked = (): boolean =>
      run.stage.participants.some(other => other !== participant && other.hasOpenTransaction);
    const tell = (told: Told): void => thread.tell({ ...told, isOld: run.isOld() });
    const moments = port.moments();
    thread.onQuestion = (question, isOpen) => {
      session.isOpen = isOpen;
      participant.sessions.add(session);
      if (question.kind === 'statement') {
        const { step } = question;
        const other: readonly Fate[] = step === 'COMMIT' ? (run.commitFates[participant.name] ?? []) : [];
        participant.arrive({
          label: step,
          database: TOUCHES[step] ?? port.touch(step),
          broker: 'nothing',
          fates: () => {
            if (!NEEDS_THE_LOCK.has(step) || !isLocked()) return ['goes', ...other];
            return GIVES_UP.has(step) ? ['time-out'] : [];
          },
          perform: async fate => {
            if (step === 'COMMIT' && fate !== 'goes') run.story.inDoubt.add(participant.name);
            if (step === 'forget' && fate === 'goes') await run.purge();
            participant.isDead ||= fate === 'crash';
            participant.to('running');
            tell({ fate });
          },
        });
        return;
      }
      const failed = (error: unknown): void => {
        if (error instanceof Dead) tell({ fate: 'crash' });
        else if (error instanceof RefusedError) tell({ fate: 'goes', reply: { problem: error.problem } });
        else tell({ fate: 'never' });
      };
      if (question.kind === 'call') {
        port.call(question.operation).then(body => tell({ fate: 'goes', reply: { body } }), failed);
      } else {
        const { kind } = question;
        const moment = kind === 'answers' ? moments.answers(question.resolution) : moments[kind]();
        moment.then(() => tell({ fate: 'goes' }), failed);
      }
    };
    const order: Order = { part, id: run.story.id, fault: this.fault };
    const ending = (await thread.order(order)) as Ending;
    session.isOpen = false;
    return ending;
  }

  check(id: string): Promise<string | null> {
    return check(id, { producer: this.#last });
  }

  /** Nobody waits inside SQLite. */
  async waiting(): Promise<ReadonlySet<number>> {
    return new Set();
  }

  async kill(): Promise<void> {}

  async row(id: string): Promise<Found | null> {
    const select = 'select outcome, token from escrow_fence where transaction_id = ?';
    return (this.#db.prepare(select).get(id) as Found | undefined) ?? null;
  }

  async effects(id: string): Promise<readonly string[]> {
    return this.#db.prepare('select execution from effect where id = ? order by execution').pluck().all(id) as string[];
  }

  async clear(): Promise<void> {
    this.#db.exec('delete from effect; delete from escrow_fence');
  }

  async plant(fault: Fault | null, names: readonly string[]): Promise<void> {
    for (const name of names) await this.#thread(name).started;
    this.fault = fault;
    this.#db.exec('delete from effect; drop table escrow_fence');
    const schema = fenceSchema('sqlite');
    this.#db.exec(fault === 'fence without unique key' ? schema.replace(/,\s*primary key \([^)]*\)/, '') : schema);
  }

  #thread(name: string): Thread {
    const known = this.#threads.get(name);
    if (known !== undefined) return known;
    const thread = new Thread({ name, file: this.#db.name, url: this.#url });
    this.#threads.set(name, thread);
    return thread;
  }
}
