/** Every setting of a producer: default, unit, limit. */
import { isLoopbackUrl } from '../broker/protocol/loopback.ts';
import { secretKey } from '../broker/protocol/signature.ts';
import type { Spans } from '../broker/protocol/spans.ts';
import type { ProducerGroupInput } from '../broker/protocol/wire.ts';
import { InvalidCallError } from './client/client-errors.ts';
import { isId } from './client/operation-text.ts';
import { type ClientOptions, clientSpans } from './client/settings.ts';
import type { VerdictSource } from './fence/fence.ts';
import type { SqlFence } from './fence/sql-fence.ts';
import { type WrittenCheck, WrittenChecks } from './fence/written-check.ts';
import type { OutcomeContradicted } from './producer-errors.ts';

export interface ProducerOptions<Tx> extends ClientOptions {
  /** The producer group: the instances of this service, which share one database. `[A-Za-z0-9_-]{1,64}`. */
  group: string;
  /** Where the broker reaches `checkHandler()` of any instance. Left out: as the group has it. */
  checkUrl?: string;
  /** `whsec_` and the base64 of 24..64 bytes; signs the check-backs. Needed unless `checkUrl` is on loopback. */
  checkSecret?: string;
  /**
   * When the broker asks (`afterMs`, `intervalMs`, `maxIntervalMs`, `limit`, `onLimit`), or, where there is no SQL
   * database, the function that answers; see `WrittenCheck` for what it gives up.
   */
  check?: NonNullable<ProducerGroupInput['check']> | WrittenCheck;
  /** Allow-list of topics, `*` for any run of characters. Left out: as the group has it. */
  topics?: string[];
  /** `betterSqlite3Fence`, `pgFence`, `mysqlFence` or `sqlFence`; a `check` function where there is none. */
  fence?: SqlFence<Tx>;
  /** How long a local transaction may take, from waiting for a connection to its COMMIT. 1..86,400,000. Default 60,000. */
  transactionTimeoutMs?: number;
  /**
   * How long a transaction that has committed waits for the broker to hear of it before its caller goes on; the call is
   * repeated behind it. 0..86,400,000. Default 1,000.
   */
  confirmMs?: number;
  /** How long messages given inside a business function may take to be prepared, with the transaction open. Default 3,000. */
  latePrepareMs?: number;
  /**
   * Told where broker and database disagree and no caller is there any more to be told. Left out: the error is thrown
   * as an uncaught exception, since it must not go unseen.
   */
  onContradiction?: (error: OutcomeContradicted) => void;
}

export interface ProducerSettings<Tx> {
  readonly group: string;
  readonly source: VerdictSource<Tx>;
  readonly fence: SqlFence<Tx> | null;
  readonly checkSecret: string | null;
  readonly registered: ProducerGroupInput;
  readonly transactionTimeoutMs: number;
  readonly confirmMs: number;
  readonly latePrepareMs: number;
  readonly onContradiction: (error: OutcomeContradicted) => void;
  readonly spans: Spans | null;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** The number as given, or a sentence that says what it must be. */
export const milliseconds = (name: string, value: number | undefined, standard: number, min: number): number => {
  if (value === undefined) return standard;
  if (Number.isInteger(value) && value >= min && value <= DAY_MS) return value;
  throw new InvalidCallError(`${name} must be a whole number of milliseconds from ${min} to ${DAY_MS}.`);
};

/** Ends the process unless it has a handler for such things. */
export const uncaught = (error: unknown): void => {
  setImmediate(() => {
    throw error;
  });
};

const judgeAddress = (checkUrl: string | undefined, checkSecret: string | undefined): void => {
  if (checkSecret !== undefined && secretKey(checkSecret) === null) {
    throw new InvalidCallError('checkSecret must be whsec_ and the base64 of 24 to 64 bytes.');
  }
  if (checkUrl === undefined) return;
  if (!URL.canParse(checkUrl)) throw new InvalidCallError('checkUrl must be an http:// or https:// address.');
  if (checkSecret === undefined && !isLoopbackUrl(checkUrl)) {
    throw new InvalidCallError('checkSecret is needed: checkUrl does not lead to loopback, so anybody could ask.');
  }
};

/** Throws an InvalidCallError about the first setting that cannot be used. */
export const producerSettings = <Tx>(options: ProducerOptions<Tx>): ProducerSettings<Tx> => {
  const { fence, check, checkUrl, checkSecret, topics } = options;
  const isWritten = typeof check === 'function';
  if (fence === undefined && !isWritten) {
    throw new InvalidCallError('Give a fence, or, where there is no SQL database, a check function.');
  }
  if (fence !== undefined && isWritten) {
    throw new InvalidCallError('Give a fence or a check function, not both: the fence answers exactly by itself.');
  }
  if (!isId(options.group)) throw new InvalidCallError('group must match [A-Za-z0-9_-]{1,64}.');
  judgeAddress(checkUrl, checkSecret);
  return {
    group: options.group,
    source: fence ?? (new WrittenChecks(check as WrittenCheck) as unknown as VerdictSource<Tx>),
    fence: fence ?? null,
    checkSecret: checkSecret ?? null,
    registered: {
      ...(checkUrl === undefined ? {} : { checkUrl }),
      ...(checkSecret === undefined ? {} : { checkSecret }),
      ...(check === undefined || isWritten ? {} : { check }),
      ...(topics === undefined ? {} : { topics }),
    },
    transactionTimeoutMs: milliseconds('transactionTimeoutMs', options.transactionTimeoutMs, 60_000, 1),
    confirmMs: milliseconds('confirmMs', options.confirmMs, 1_000, 0),
    latePrepareMs: milliseconds('latePrepareMs', options.latePrepareMs, 3_000, 1),
    onContradiction: options.onContradiction ?? uncaught,
    spans: clientSpans(options),
  };
};
