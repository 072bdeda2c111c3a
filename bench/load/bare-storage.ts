/**
 * What the broker's storage costs by itself: its statements on its tables, with nothing decided, counted or told in
 * between. It trusts its caller: an id is prepared once, then committed once.
 */
import { Checkpointer } from '../../broker/store/checkpointer.ts';
import { openDatabase } from '../../broker/store/sqlite-database.ts';
import { MESSAGE_STATES, NO_PARTITION, POSITIONS, TRANSACTION_STATES } from '../../broker/store/sqlite-rows.ts';
import { prepareStatements, type Statements } from '../../broker/store/sqlite-statements.ts';

export interface BarePrepare {
  readonly id: string;
  readonly payload: Buffer;
}

const GROUP_ID = 1;
const TOPIC_ID = 1;
const PARTITIONS = 6;
/** Neighbours in the commit order that lie in one partition, as the broker does it where there is no key. */
const STICKY = 64;
/** Of a length like the broker's own. */
const DIGEST = Buffer.alloc(32, 'x');
const CHECK_AFTER_MS = 3_600_000;
const COMMITTED = TRANSACTION_STATES.indexOf('committed');
const READY = MESSAGE_STATES.indexOf('ready');
const FORWARDED = MESSAGE_STATES.indexOf('forwarded');

export class BareStorage {
  readonly #sql: Statements;
  readonly #checkpointer: Checkpointer;
  /** By id, of what is prepared and not committed. */
  readonly #sequences = new Map<string, number>();
  /** Positions of the messages that the last call committed: their forward marks go into the next one. */
  #unmarked: number[] = [];
  #sequence = 0;
  #commitOrder = 0;

  /** `OFF` keeps nothing through a power cut: a bound, no option. */
  constructor(file: string, synchronous: 'FULL' | 'OFF' = 'FULL') {
    const db = openDatabase(file);
    db.pragma(`synchronous = ${synchronous}`);
    this.#sql = prepareStatements(db);
    this.#checkpointer = new Checkpointer(db, file);
  }

  /** All of it in one commit, which is on disk when this returns. */
  save(prepares: readonly BarePrepare[], commits: readonly string[]): void {
    const now = Date.now();
    this.#sql.begin.run();
    for (const prepare of prepares) this.#prepare(prepare, now);
    for (const [i, position] of this.#unmarked.entries()) this.#sql.endMessage.run(FORWARDED, i, now, position);
    this.#unmarked = commits.map(id => this.#commit(id, now));
    this.#sql.commit.run();
    this.#checkpointer.committed();
  }

  #prepare({ id, payload }: BarePrepare, now: number): void {
    const sequence = ++this.#sequence;
    const position = sequence * POSITIONS;
    this.#sql.insertTransaction.run(sequence, id, GROUP_ID, DIGEST, now, now + CHECK_AFTER_MS, null, null);
    this.#sql.insertMessage.run(position, TOPIC_ID, null, NO_PARTITION, payload.length);
    this.#sql.insertContent.run(position, payload, null, 'application/json', 'bench');
    this.#sequences.set(id, sequence);
  }

  /** Returns the position of the message. */
  #commit(id: string, now: number): number {
    const sequence = this.#sequences.get(id)!;
    const position = sequence * POSITIONS;
    const order = ++this.#commitOrder;
    this.#sql.resolveTransaction.run(COMMITTED, now, 'producer', null, sequence);
    this.#sql.readyMessage.run(READY, Math.floor(order / STICKY) % PARTITIONS, order, position);
    this.#sequences.delete(id);
    return position;
  }
}
