/** How a consumer is, by what it gets done rather than by what it is connected to. */
import { clock } from './clock.ts';
import { said } from './consumer-errors.ts';
import { partitionKey } from './offset-commits.ts';
import type { Counts } from './partition/lane.ts';
import type { PartitionState } from './partition/partition-state.ts';
import type { Session } from './session.ts';

export interface PartitionHealth {
  readonly topic: string;
  readonly partition: number;
  /** Of the record that is handled next; null: none has come yet. */
  readonly nextOffset: string | null;
  /** Records up to the end of the partition when it was last seen; null: it has not been. */
  readonly lag: number | null;
  /** RFC 3339, since this process has the partition; null: nothing yet. */
  readonly lastHandledAt: string | null;
  /** Whether Kafka is not asked for more until what was fetched is done with. */
  readonly paused: boolean;
  /** Failures of the record in hand by the handler's own logic. */
  readonly attempts: number;
  /** What the record in hand failed of last; null: it has not failed. */
  readonly lastError: string | null;
  /** Why nothing moves; null: it does, or there is nothing to do. */
  readonly stuck: string | null;
}

export interface ConsumerHealth {
  /**
   * `starting`: not in the group yet. `ok`. `stuck`: something does not get done, `reason` says what; other partitions may
   * go on. `stopped`: not running, or not any more.
   */
  readonly status: 'starting' | 'ok' | 'stuck' | 'stopped';
  readonly reason: string | null;
  /** Of this instance. */
  readonly partitions: readonly PartitionHealth[];
  readonly counts: Readonly<Counts>;
  /** Connections that ended by themselves and were replaced. */
  readonly restarts: number;
  /** What ended the last of them, or keeps the first from being made. */
  readonly lastError: string | null;
}

export interface Watched<Tx> {
  readonly phase: 'idle' | 'running' | 'stopped';
  readonly session: Session<Tx> | null;
  readonly states: ReadonlyMap<string, PartitionState>;
  readonly counts: Counts;
  readonly restarts: number;
  readonly lastError: unknown;
  readonly stuckAfterMs: number;
  /** Monotonic: when Kafka last answered a session before this one; at first, when `run` was called. */
  readonly lastAnswerAt: number;
  /** Monotonic: since when sessions have ended by themselves, one soon after the other; null: they do not. */
  readonly failingSince: number | null;
}

const stuckReason = (state: PartitionState, stuckAfterMs: number): string | null => {
  if (state.setback?.isPoison) return `offset ${state.setback.offset} is poison: ${state.setback.error}`;
  if (state.inHandSince === null) return null;
  const sinceMs = Math.round(clock.monotonic() - state.inHandSince);
  if (sinceMs < stuckAfterMs) return null;
  return `offset ${state.nextOffset} for ${sinceMs} ms: ${state.setback?.error ?? 'its handler has not ended'}`;
};

const partitionHealth = (state: PartitionState, isPaused: boolean, stuckAfterMs: number): PartitionHealth => {
  const { topic, partition, nextOffset, endOffset, lastHandledAt, setback } = state;
  const isKnown = nextOffset !== null && endOffset !== null;
  return {
    topic,
    partition,
    nextOffset,
    lag: isKnown ? Math.max(0, Number(BigInt(endOffset) - BigInt(nextOffset))) : null,
    lastHandledAt: lastHandledAt === null ? null : new Date(lastHandledAt).toISOString(),
    paused: isPaused,
    attempts: setback?.attempts ?? 0,
    lastError: setback?.error ?? null,
    stuck: stuckReason(state, stuckAfterMs),
  };
};

/** What is wrong with the connection as a whole, for longer than it may be. */
const connectionReason = <Tx>(watched: Watched<Tx>): string | null => {
  const { session, stuckAfterMs, lastAnswerAt, lastError, failingSince: endingSince } = watched;
  const now = clock.monotonic();
  const because = lastError === null ? '' : `: ${said(lastError)}`;
  const silentMs = Math.round(now - (session?.hasJoined ? session.lastAnswerAt : lastAnswerAt));
  const endingMs = endingSince === null || session?.isSound ? 0 : Math.round(now - endingSince);
  if (endingMs >= stuckAfterMs) return `connections to Kafka have kept ending for ${endingMs} ms${because}`;
  if (silentMs >= stuckAfterMs) return `no answer of Kafka for ${silentMs} ms${because}`;
  const strange = session?.strangeTopics ?? [];
  if (strange.length > 0) {
    return `members of the group have different topics: nobody handles what this one was given of ${strange.join(', ')}`;
  }
  const failingSince = session?.commits.failingSince ?? null;
  if (failingSince === null || now - failingSince < stuckAfterMs) return null;
  return `offsets cannot be committed: ${said(session?.commits.lastError)}`;
};

export const healthOf = <Tx>(watched: Watched<Tx>): ConsumerHealth => {
  const { phase, session, states, counts, restarts, lastError, stuckAfterMs } = watched;
  const partitions = [...states.values()].map(state =>
    partitionHealth(state, session?.isPaused(partitionKey(state.topic, state.partition)) ?? false, stuckAfterMs),
  );
  const common = {
    partitions,
    counts: { ...counts },
    restarts,
    lastError: lastError === null ? null : said(lastError),
  };
  if (phase !== 'running') return { status: 'stopped', reason: common.lastError, ...common };
  const stuck = partitions.find(partition => partition.stuck !== null);
  const reason = connectionReason(watched) ?? (stuck ? `${stuck.topic}/${stuck.partition}: ${stuck.stuck}` : null);
  if (reason !== null) return { status: 'stuck', reason, ...common };
  return { status: session?.hasJoined ? 'ok' : 'starting', reason: null, ...common };
};
