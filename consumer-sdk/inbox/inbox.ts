/** The table of messages that were handled, in the user's own database. */
import { assertStands, insert, now, read, readOwn } from '../../local-transaction/guard-row.ts';
import { claimLost, type LocalDatabase } from '../../local-transaction/local-database.ts';
import { type Dialect, type Row, type Statement, type Steps, sql, text } from '../../local-transaction/statement.ts';
import { assertReady } from '../../local-transaction/table-check.ts';
import { InvalidOptionError } from '../consumer-errors.ts';
import { INBOX_SCHEMA, INBOX_TABLE } from './inbox-schema.ts';

export interface InboxOptions {
  /**
   * Whether a database may be used that forgets commits in a crash (PostgreSQL `fsync = off`, InnoDB without a flush per
   * commit). What it forgets is lost once the offset was committed. Default false.
   */
  acceptLossyCommits?: boolean;
}

/** One message of one consumer group, as it is stored. */
export interface InboxKey {
  readonly consumer_group: string;
  readonly source: string;
  readonly message_id: string;
}

const WITHIN_MS = 10_000;
const DAY_MS = 24 * 60 * 60 * 1_000;
/** How long the producers' fences keep theirs: a message may come again as long as its transaction may. */
const FENCE_DAYS = 30;
const KEPT_DAYS = 60;
/** Rows deleted in one transaction, so that nobody waits long behind it. */
const CHUNK = 500;

export class Inbox<Tx> {
  /**
   * Where the effects and this table are.
   * @internal
   */
  readonly database: LocalDatabase<Tx>;
  /** The table's DDL for this database, for a migration; statements end with `;` and may be repeated. */
  readonly schema: string;
  readonly #options: InboxOptions;

  constructor(database: LocalDatabase<Tx>, options: InboxOptions = {}) {
    this.database = database;
    this.#options = options;
    this.schema = `${INBOX_SCHEMA[database.dialect].join(';\n')};\n`;
  }

  /** Makes the table where it is missing. Idempotent; several instances may do it at the same time. */
  async install(): Promise<void> {
    for (const statement of INBOX_SCHEMA[this.database.dialect]) {
      try {
        await this.database.query(sql`${text(statement)}`, WITHIN_MS);
      } catch (error) {
        // PostgreSQL lets one of two that make the same table at the same time fail.
        await this.database.query(sql`${text(statement)}`, WITHIN_MS).catch(() => {
          throw error;
        });
      }
    }
  }

  /** Rejects with a LocalTransactionError `DATABASE_NOT_READY` that says what to mend. */
  async assertReady(): Promise<void> {
    const { name, keys, timestamp } = INBOX_TABLE;
    await assertReady(this.database, { name, keys, columns: [...keys, timestamp] }, this.#options);
  }

  /**
   * Deletes what was handled longer ago than this, in small transactions, and resolves with how many rows that were.
   * Default 60 days; 30 days at least, and more than Kafka or a backup of it keeps a record: what comes again after its
   * row is gone is handled again. Any number of instances may do it.
   */
  async purge({ olderThanMs = KEPT_DAYS * DAY_MS }: { olderThanMs?: number } = {}): Promise<number> {
    if (!Number.isSafeInteger(olderThanMs) || olderThanMs < FENCE_DAYS * DAY_MS) {
      throw new InvalidOptionError(
        `olderThanMs must be a whole number, ${FENCE_DAYS} days (${FENCE_DAYS * DAY_MS}) at least.`,
      );
    }
    const { dialect } = this.database;
    for (let purged = 0; ; ) {
      const [row] = await this.database.query(countOld(dialect, olderThanMs), WITHIN_MS);
      const found = Number(row?.found);
      if (found === 0) return purged;
      await this.database.query(deleteOld(dialect, olderThanMs), WITHIN_MS);
      purged += found;
    }
  }

  /** Ends the connection that looks things up, where it is not one of the user's pool. */
  close(): Promise<void> {
    return this.database.close();
  }

  /**
   * First in the transaction: fails where the message was handled before.
   * @internal
   */
  *claim(key: InboxKey): Steps {
    yield insert({ dialect: this.database.dialect, table: INBOX_TABLE, values: { ...key }, onConflict: 'error' });
  }

  /**
   * Last before COMMIT: fails where something in the transaction took the row back.
   * @internal
   */
  *verify(key: InboxKey): Steps {
    const rows = yield readOwn(this.database.dialect, INBOX_TABLE, ['message_id'], { ...key });
    assertStands(rows[0], { message_id: key.message_id });
  }

  /**
   * Fails where the transaction's own connection does not answer any more.
   * @internal
   */
  *probe(key: InboxKey): Steps {
    yield read(INBOX_TABLE, ['message_id'], { ...key });
  }

  /**
   * After COMMIT, as everybody sees it: fails where the row is not there.
   * @internal
   */
  *confirm(key: InboxKey): Steps {
    const rows = yield read(INBOX_TABLE, ['message_id'], { ...key });
    if (rows.length > 0) return;
    throw claimLost(
      'The tool said that it committed, but the row is not there: a statement failed that nobody awaited.',
    );
  }

  /**
   * Whether the message was handled, as anybody sees it now.
   * @internal
   */
  async has(key: InboxKey): Promise<boolean> {
    const rows: readonly Row[] = await this.database.query(read(INBOX_TABLE, ['message_id'], { ...key }), WITHIN_MS);
    return rows.length > 0;
  }
}

/** Handled before this, by the database's own clock. */
const isOld = (dialect: Dialect, olderThanMs: number): Statement => {
  const seconds = Math.ceil(olderThanMs / 1_000);
  if (dialect === 'sqlite') return sql`handled_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${`-${seconds} seconds`})`;
  const age =
    dialect === 'mysql'
      ? sql`handled_at < ${text(now(dialect).sql)} - interval ${seconds} second`
      : sql`handled_at < ${text(now(dialect).sql)} - cast(${seconds} as double precision) * interval '1 second'`;
  return age;
};

/** The statement with the condition between head and tail. */
const around = (head: string, { parts, params }: Statement, tail: string): Statement => {
  const first = `${head}${parts[0]}`;
  return parts.length === 1
    ? { parts: [`${first}${tail}`], params }
    : { parts: [first, ...parts.slice(1, -1), `${parts.at(-1)}${tail}`], params };
};

const countOld = (dialect: Dialect, olderThanMs: number): Statement =>
  around(
    'select count(*) as found from (select 1 as one from escrow_inbox where ',
    isOld(dialect, olderThanMs),
    ` limit ${CHUNK}) as old`,
  );

const deleteOld = (dialect: Dialect, olderThanMs: number): Statement => {
  const condition = isOld(dialect, olderThanMs);
  if (dialect === 'mysql') {
    return around('delete from escrow_inbox where ', condition, ` order by handled_at limit ${CHUNK}`);
  }
  const key = dialect === 'postgresql' ? 'ctid' : '(consumer_group, source, message_id)';
  const columns = dialect === 'postgresql' ? 'ctid' : 'consumer_group, source, message_id';
  const head = `delete from escrow_inbox where ${key} in (select ${columns} from escrow_inbox where `;
  return around(head, condition, ` order by handled_at limit ${CHUNK})`);
};
