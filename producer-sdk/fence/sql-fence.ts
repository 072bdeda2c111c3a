/** The fence in a database that speaks SQL. */
import { randomBytes } from 'node:crypto';
import type { Resolution } from '../../broker/protocol/wire.ts';
import { assertStands } from '../../local-transaction/guard-row.ts';
import { assertSynchronous, claimLost, type LocalDatabase } from '../../local-transaction/local-database.ts';
import { isLockTimeout } from '../../local-transaction/lock-timeout.ts';
import type { Row, Statement, Steps } from '../../local-transaction/statement.ts';
import { assertReady } from '../../local-transaction/table-check.ts';
import { InvalidCallError } from '../client/client-errors.ts';
import { isId } from '../client/operation-text.ts';
import { clock } from '../clock.ts';
import type { FencedWork, VerdictSource } from './fence.ts';
import {
  claimRow,
  FENCE,
  FENCE_COLUMNS,
  type Found,
  fenceSchema,
  foundIn,
  foundRow,
  foundRows,
  ownRow,
  rollbackRow,
} from './fence-table.ts';
import { type BrokerState, type SweepOptions, type SweepResult, sweep } from './sweep.ts';

/** Verdicts that are being written at the same time; as many connections of the pool are taken for a moment. */
const JUDGES = 4;
/** How long one verdict of many may wait for somebody else's open claim. */
const LONGEST_WAIT_MS = 1_500;
/** What the answer needs after the last wait for a lock. */
const MARGIN_MS = 250;

/** Names one execution: 128 random bits. */
export const newToken = (): string => randomBytes(16).toString('hex');

/** What the fence must know of the producer that it works for. */
export interface FenceOwner {
  readonly group: string;
  /** Throws where the id was prepared so long ago that it must not begin any more. */
  checkAge(id: string): void;
  /** What the broker says of the id now; null: it does not know it. */
  stateOf(id: string): Promise<BrokerState | null>;
}

/** A claim in a transaction that a tool of the user's opened. */
export interface Claim {
  readonly id: string;
  /** To be awaited as the last thing before COMMIT; rejects where the claim does not stand, and then the transaction must be rolled back. */
  verify(): Promise<void>;
}

/** How executors that are not this module's own are asked. */
export type Asker = (executor: unknown, steps: Steps) => Promise<void>;

/** A fence, for `createProducer`; each belongs to one producer. */
export class SqlFence<Tx> implements VerdictSource<Tx> {
  /** The statement that makes the table, for migrations; `install` runs it. */
  readonly schema: string;
  readonly #database: LocalDatabase<Tx>;
  readonly #acceptLossyCommits: boolean;
  readonly #asker: Asker;
  #owner: FenceOwner | null = null;
  #readiness: Promise<void> | null = null;

  /** @internal */
  constructor(database: LocalDatabase<Tx>, asker: Asker, acceptLossyCommits: boolean) {
    this.#database = database;
    this.#asker = asker;
    this.#acceptLossyCommits = acceptLossyCommits;
    this.schema = fenceSchema(database.dialect);
  }

  /** @internal */
  get needsMessagesFirst(): boolean {
    return this.#database.isSynchronous;
  }

  /** Makes the table where it is missing. Idempotent; several instances may do it at the same time. */
  async install(): Promise<void> {
    const make = () => this.#database.query({ parts: [this.schema], params: [] }, 30_000);
    // PostgreSQL lets one of two that make the same table at the same time fail.
    await make().catch(make);
  }

  /**
   * Inserts the row of `id` in a transaction that your own tool opened; to be awaited as its first statement, outside
   * of any savepoint. If it rejects, roll the transaction back. Afterwards `producer.settle(id)` tells the broker.
   */
  async claim(executor: unknown, id: string): Promise<Claim> {
    if (!isId(id)) throw new InvalidCallError('id must match [A-Za-z0-9_-]{1,64}.');
    const owner = this.#owned();
    const { dialect } = this.#database;
    await this.assertReady();
    const token = newToken();
    await this.#asker(executor, claiming(claimRow(dialect, owner.group, id, token)));
    owner.checkAge(id);
    const verify = (): Promise<void> => this.#asker(executor, verifying(ownRow(dialect, owner.group, id), token));
    return { id, verify };
  }

  /**
   * Marks rows whose transactions the broker has ended, and deletes those that were marked longer ago than `horizonMs`.
   * Run it more often than the broker's retention (72 h), which is as long as the broker can be asked.
   */
  async purge(options: SweepOptions = {}): Promise<SweepResult> {
    const owner = this.#owned();
    return sweep(this.#database, owner.group, id => owner.stateOf(id), options);
  }

  /** @internal */
  bind(owner: FenceOwner): void {
    if (this.#owner !== null) throw new InvalidCallError('This fence belongs to another producer already.');
    this.#owner = owner;
  }

  /** @internal */
  async assertReady(): Promise<void> {
    this.#readiness ??= assertReady(
      this.#database,
      { name: FENCE.name, keys: [...FENCE.keys], columns: FENCE_COLUMNS },
      { acceptLossyCommits: this.#acceptLossyCommits },
    );
    try {
      await this.#readiness;
    } catch (error) {
      // Somebody may mend it; the next call looks again.
      this.#readiness = null;
      throw error;
    }
  }

  /** @internal */
  assertIdle(business: unknown): void {
    if (this.#database.isSynchronous) assertSynchronous(business);
    this.#database.assertIdle();
  }

  /** @internal */
  async run<T>({ id, token, checkAge, ...work }: FencedWork<Tx, T>): Promise<T> {
    const { dialect } = this.#database;
    const { group } = this.#owned();
    return this.#database.transaction({
      ...work,
      *opening() {
        yield claimRow(dialect, group, id, token);
        checkAge();
      },
      closing: () => verifying(ownRow(dialect, group, id), token),
      confirming: () => confirming(foundRow(group, id), token),
    });
  }

  /** @internal */
  async look(id: string, withinMs: number): Promise<Found | null> {
    return foundIn((await this.#database.query(foundRow(this.#owned().group, id), withinMs))[0]);
  }

  /** @internal */
  async decide(id: string, token: string, withinMs: number): Promise<Found | null> {
    const until = clock.monotonic() + withinMs;
    const { group } = this.#owned();
    const insertMs = Math.max(MARGIN_MS, withinMs - MARGIN_MS);
    // The server gives up first, so that it is known to be a lock.
    const lockTimeoutMs = Math.max(1, Math.floor(insertMs - MARGIN_MS));
    await this.#database.query(rollbackRow(this.#database.dialect, group, id, token, lockTimeoutMs), insertMs);
    return this.look(id, Math.max(1, until - clock.monotonic()));
  }

  /** @internal */
  async judge(ids: readonly string[], withinMs: number): Promise<Map<string, Resolution>> {
    const until = clock.monotonic() + withinMs;
    const left = (): number => until - clock.monotonic();
    const answers = new Map<string, Resolution>();
    // A table without its key would take the verdict beside the claim; a replica would not know of the claim.
    await this.assertReady();
    if (ids.length === 0) return answers;
    const rows = await this.#database.query(foundRows(this.#owned().group, ids), withinMs);
    for (const row of rows) {
      const found = foundIn(row);
      if (found !== null) answers.set(String(row.transaction_id), found.outcome);
    }
    const missing = ids.filter(id => !answers.has(id)).values();
    const judging = async (): Promise<void> => {
      for (const id of missing) {
        if (left() < MARGIN_MS) return;
        const answer = await this.#judgeOne(id, left);
        if (answer !== null) answers.set(id, answer);
      }
    };
    await Promise.all(Array.from({ length: this.#database.isSynchronous ? 1 : JUDGES }, judging));
    return answers;
  }

  /** @internal */
  close(): Promise<void> {
    this.#owner = null;
    return this.#database.close();
  }

  /** Null: nothing can be said of it, so nothing is. */
  async #judgeOne(id: string, left: () => number): Promise<Resolution | null> {
    try {
      const found = await this.decide(id, newToken(), Math.min(left(), LONGEST_WAIT_MS));
      return found?.outcome ?? null;
    } catch (error) {
      if (!isLockTimeout(error) || left() < 1) return null;
      try {
        return (await this.look(id, left()))?.outcome ?? 'unknown';
      } catch {
        return null;
      }
    }
  }

  #owned(): FenceOwner {
    if (this.#owner !== null) return this.#owner;
    throw new InvalidCallError('This fence belongs to no producer yet: give it to createProducer first.');
  }
}

export function* claiming(claim: Statement): Steps {
  yield claim;
}

export function* verifying(own: Statement, token: string): Steps {
  const rows: readonly Row[] = yield own;
  assertStands(rows[0], { outcome: 'commit', token });
}

/** Whether the claim of this execution stands, as everybody sees it. */
function* confirming(found: Statement, token: string): Steps {
  const rows: readonly Row[] = yield found;
  const row = foundIn(rows[0]);
  if (row?.outcome === 'commit' && row.token === token) return;
  throw claimLost(
    'The tool said that it committed, but the claim is not there: a statement failed that nobody awaited.',
  );
}
