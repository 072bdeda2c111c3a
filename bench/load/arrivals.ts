/**
 * An open load: transactions arrive at a fixed pace, whether the broker keeps up or not. Prepares and commits travel in
 * requests of their own, several to one, since a load that paid for a request each would starve the broker of CPU.
 */
import { newTransactionId } from '../../producer-sdk/client/transaction-id.ts';
import { type ArrivalsOrder, type ArrivalsReport, type OperationCounts, payloads } from './messages.ts';
import { sharedNow } from './moment.ts';
import { type RawAnswer, RawConnection } from './raw-connection.ts';

interface Prepared {
  readonly id: string;
  readonly at: number;
}

interface Result {
  readonly status: number;
  readonly body: { readonly retryAfterMs?: number };
}

const TICK_MS = 5;
const MAX_COMMITS_PER_REQUEST = 200;
/** After the last arrival, for commits that were refused for a while. */
const DRAIN_MS = 30_000;
const RETRY_MS = 1_000;

const order = JSON.parse(process.argv[2]!) as ArrivalsOrder;
const { url, topic, groups, perSecond, perRequest, connections } = order;
const open = (): Promise<RawConnection[]> =>
  Promise.all(Array.from({ length: connections }, () => RawConnection.open(url)));
const free = { prepare: await open(), commit: await open() };

const payloadOf = payloads(order.payloadBytes);
const isOverload = (status: number): boolean => status === 503 || status === 429;

type Counts = { -readonly [Name in keyof OperationCounts]: number };
const counts = (): Counts => ({ answered: 0, accepted: 0, overloaded: 0, withRetryAfter: 0, other: 0 });
const counted = { prepare: counts(), commit: counts() };
const commitMs: number[] = [];
const toCommit: Prepared[] = [];
/** Numbers of refused messages, given to later ones so that the consumer's list of numbers has no gaps. */
const unused: number[] = [];
let numbers = 0;
let requests = 0;
let offered = 0;
let turnedAway = 0;
let waitingCommits = 0;
let endsAt = Number.POSITIVE_INFINITY;

/** One result for each operation, also where the request was answered as a whole. */
const resultsOf = ({ status, head, body }: RawAnswer, length: number): Result[] => {
  if (status === 200) return JSON.parse(body).results;
  const seconds = /\r\nretry-after: *(\d+)/i.exec(head)?.[1];
  const retryAfterMs = seconds === undefined ? {} : { retryAfterMs: Number(seconds) * 1000 };
  return Array.from({ length }, () => ({ status, body: retryAfterMs }));
};

const count = (kind: 'prepare' | 'commit', { status, body }: Result): void => {
  const counts = counted[kind];
  counts.answered++;
  if (status === 200 || status === 201) counts.accepted++;
  else if (isOverload(status)) {
    counts.overloaded++;
    if (body.retryAfterMs !== undefined) counts.withRetryAfter++;
  } else counts.other++;
};

/** A connection that broke is not used again. */
const exchange = async (kind: 'prepare' | 'commit', operations: readonly string[]): Promise<Result[]> => {
  const connection = free[kind].pop()!;
  try {
    const answer = await connection.post('/v1/batch', `{"operations":[${operations.join()}]}`);
    free[kind].push(connection);
    return resultsOf(answer, operations.length);
  } catch {
    return operations.map(() => ({ status: 0, body: {} }));
  }
};

const prepare = async (): Promise<void> => {
  const group = groups[requests++ % groups.length]!;
  const drafts = Array.from({ length: perRequest }, () => ({
    id: newTransactionId(),
    number: unused.pop() ?? numbers++,
  }));
  const results = await exchange(
    'prepare',
    // The payload is plain text, so that it is its own JSON.
    drafts.map(
      ({ id, number }) =>
        `{"op":"prepare","id":"${id}","group":"${group}","messages":[{"topic":"${topic}","payload":"${payloadOf(number)}"}]}`,
    ),
  );
  const at = sharedNow();
  for (const [i, result] of results.entries()) {
    count('prepare', result);
    if (result.status === 201) toCommit.push({ id: drafts[i]!.id, at });
    else if (isOverload(result.status)) unused.push(drafts[i]!.number);
  }
  commit();
};

const commit = (): void => {
  while (toCommit.length > 0 && free.commit.length > 0) void commitSome(toCommit.splice(0, MAX_COMMITS_PER_REQUEST));
};

const commitSome = async (some: readonly Prepared[]): Promise<void> => {
  waitingCommits += some.length;
  const results = await exchange(
    'commit',
    some.map(({ id }) => `{"op":"commit","id":"${id}"}`),
  );
  const now = sharedNow();
  for (const [i, result] of results.entries()) {
    count('commit', result);
    if (result.status === 200) commitMs.push(now - some[i]!.at);
    if (isOverload(result.status)) again(some[i]!, result.body.retryAfterMs ?? RETRY_MS);
    else waitingCommits--;
  }
  commit();
};

const again = (prepared: Prepared, afterMs: number): void => {
  setTimeout(() => {
    waitingCommits--;
    toCommit.push(prepared);
    commit();
  }, afterMs);
};

const run = (): void => {
  const startedAt = sharedNow();
  endsAt = Math.min(endsAt, startedAt + order.seconds * 1000);
  const timer = setInterval(() => {
    const now = Math.min(sharedNow(), endsAt);
    const due = Math.floor(((now - startedAt) * perSecond) / 1000);
    for (; offered + perRequest <= due; offered += perRequest) {
      if (free.prepare.length > 0) void prepare();
      else turnedAway += perRequest;
    }
    const isDrained = toCommit.length + waitingCommits === 0 && free.prepare.length === connections;
    if (now < endsAt || (!isDrained && sharedNow() < endsAt + DRAIN_MS)) return;
    clearInterval(timer);
    const report: ArrivalsReport = {
      event: 'arrivals',
      offered,
      turnedAway,
      ...counted,
      commitMs: Float64Array.from(commitMs),
      startedAt,
      endedAt: endsAt,
    };
    process.send!(report);
  }, TICK_MS);
};

process.on('message', (word: 'run' | 'stop') => {
  if (word === 'run') run();
  else endsAt = sharedNow();
});
process.on('disconnect', () => process.exit(0));
process.send!({ event: 'ready' });
