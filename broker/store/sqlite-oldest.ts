/** Since when things wait: the oldest ready message of each lane, the oldest undecided transaction, the oldest parked message. */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { SqliteNames } from './sqlite-names.ts';
import { NO_PARTITION, POSITIONS } from './sqlite-rows.ts';
import type { Statements } from './sqlite-statements.ts';
import type { Counters, Store } from './store.ts';

/** Rows looked at in one step of the search for the oldest undecided transaction. */
const SEARCH_ROWS = 5_000;

export class SqliteOldest {
  readonly #sql: Statements;
  readonly #topics: SqliteNames;
  readonly #counters: Counters;
  /** No undecided transaction lies before this sequence. */
  #undecidedFrom = 0;

  /** `counters`: the living ones of the store. */
  constructor(sql: Statements, topics: SqliteNames, counters: Counters) {
    this.#sql = sql;
    this.#topics = topics;
    this.#counters = counters;
  }

  /** Of every lane with a ready message. */
  laneKeys(): [topicId: number, partition: number][] {
    const keys: [number, number][] = [];
    let key = this.#sql.laneAfter.get(-1, NO_PARTITION) as [number, number] | undefined;
    while (key) {
      keys.push(key);
      key = this.#sql.laneAfter.get(...key) as [number, number] | undefined;
    }
    return keys;
  }

  /** By topic: when the oldest ready message was committed. */
  ready(): Map<string, number> {
    const oldest = new Map<string, number>();
    for (const [topicId, partition] of this.laneKeys()) {
      const topic = this.#topics.nameOf(topicId);
      const at = this.#resolvedAt(this.#sql.laneHead.get(topicId, partition) as number);
      if (at !== null) oldest.set(topic, Math.min(at, oldest.get(topic) ?? at));
    }
    return oldest;
  }

  async all(): ReturnType<Store['oldest']> {
    const ready = [...this.ready().values()];
    const parked = this.#sql.firstParked.get() as number | null;
    return {
      prepared: await this.#undecided(),
      ready: ready.length === 0 ? null : ready.reduce((a, b) => Math.min(a, b)),
      parked: parked === null ? null : this.#resolvedAt(parked),
    };
  }

  #resolvedAt(position: number): number | null {
    return (this.#sql.resolvedAt.get(Math.floor(position / POSITIONS)) as number | null | undefined) ?? null;
  }

  async #undecided(): Promise<number | null> {
    for (;;) {
      if ((this.#counters.get('transactions.prepared') ?? 0) === 0) {
        this.#undecidedFrom = this.#counters.get('sequence') ?? 0;
        return null;
      }
      const from = this.#undecidedFrom;
      const end = (this.#sql.windowCeiling.get(from, SEARCH_ROWS) as number | undefined) ?? Number.MAX_SAFE_INTEGER;
      const first = this.#sql.undecidedIn.get(from, end) as [sequence: number, preparedAt: number] | undefined;
      if (first) {
        this.#undecidedFrom = first[0];
        return first[1];
      }
      if (end === Number.MAX_SAFE_INTEGER) return null;
      this.#undecidedFrom = end;
      await yieldToOthers();
    }
  }
}
