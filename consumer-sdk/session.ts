/**
 * One connection to the group, from joining it to its end. kafkajs fetches; what it fetched of a partition is handed to
 * a lane. A batch that is not done within `PATIENCE_MS` goes on by itself with its partition paused, so that neither
 * fetching, nor heartbeats, nor other partitions wait for it. kafkajs's position of a partition is only ever one up to
 * which everything is handled: a batch that comes late or twice repeats messages, and never leaves one out.
 */
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { clock } from './clock.ts';
import { said } from './consumer-errors.ts';
import { settledWithin, within } from './deadline.ts';
import { OffsetCommits, type Position, partitionKey } from './offset-commits.ts';
import { after, Lane, type LaneParts } from './partition/lane.ts';
import { PartitionState } from './partition/partition-state.ts';
import { SilenceWatch, silence } from './silence.ts';

/** How long fetching waits for a batch; also how long the other partitions of the same broker do, at the worst. */
const PATIENCE_MS = 500;
/** Lanes limit themselves; kafkajs only must not hold one back behind another. */
const WORKERS = 100;
const DISCONNECT_WITHIN_MS = 10_000;
/** A session that lasted so long was no failure. */
const SOUND_AFTER_MS = 60_000;

export class Session<Tx> {
  /** Resolves with what ended it; null: whoever asked for it. */
  readonly ended: Promise<unknown>;
  readonly commits: OffsetCommits;
  /** Topics that this member was given and does not have: another member has them. Nobody handles what it was given. */
  strangeTopics: readonly string[] = [];
  #toldStrange: readonly string[] = [];
  /** Monotonic. */
  #joinedAt: number | null = null;
  #endedAt: number | null = null;
  #hasPassed = false;
  readonly #parts: LaneParts<Tx>;
  readonly #states: Map<string, PartitionState>;
  readonly #consumer: Consumer;
  readonly #lanes = new Map<string, Lane<Tx>>();
  #assigned: ReadonlySet<string> = new Set();
  #memberId: string | null = null;
  #commit: EachBatchPayload['commitOffsetsIfNecessary'] | null = null;
  readonly #paused = new Set<string>();
  readonly #silence: SilenceWatch;
  #joining: Promise<void> | null = null;
  #isOver = false;
  #isBroken = false;
  #end: (error: unknown) => void = () => {};

  /** `states` are those of the partitions this consumer has; kept over sessions. */
  constructor(parts: Omit<LaneParts<Tx>, 'onPassed'>, states: Map<string, PartitionState>) {
    const { kafka, groupId, kafkaConsumer, commitIntervalMs, silentAfterMs } = parts.settings;
    this.#parts = {
      ...parts,
      onPassed: ({ topic, partition }, offset) => {
        this.#hasPassed = true;
        this.commits.mark({ topic, partition, offset });
      },
    };
    this.#states = states;
    this.ended = new Promise(resolve => {
      this.#end = resolve;
    });
    this.commits = new OffsetCommits(positions => this.#tell(positions), commitIntervalMs);
    this.#consumer = kafka.consumer({
      ...kafkaConsumer,
      groupId,
      allowAutoTopicCreation: false,
      // Whether, when and how often to begin again is decided in one place, and that is not kafkajs.
      retry: { restartOnFailure: async () => false },
    });
    this.#silence = new SilenceWatch(this.#consumer, silentAfterMs, error => this.#broke(error));
    this.#listen();
  }

  get hasJoined(): boolean {
    return this.#joinedAt !== null;
  }

  /** Monotonic: when Kafka last answered a fetch, a heartbeat or a join; at first, when the session began. */
  get lastAnswerAt(): number {
    return this.#silence.lastAnswerAt;
  }

  /** Whether it got something done, or was there for long enough to have. */
  get isSound(): boolean {
    if (this.#hasPassed) return true;
    if (this.#joinedAt === null) return false;
    return (this.#endedAt ?? clock.monotonic()) - this.#joinedAt >= SOUND_AFTER_MS;
  }

  /** Nothing is accepted any more. `ended` resolves with this; the first one counts. */
  end(error: unknown): void {
    this.#isOver = true;
    this.#endedAt ??= clock.monotonic();
    this.#silence.stop();
    this.#end(error);
  }

  /**
   * Once it has ended: resolves when the handlers in hand have come to their end, Kafka was told their offsets, and the
   * group is left. Never rejects.
   */
  async stop(): Promise<void> {
    const assigned = [...this.#states.values()].filter(({ topic, partition }) =>
      this.#assigned.has(partitionKey(topic, partition)),
    );
    this.#order(() => {
      this.#consumer.pause(assigned.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
    });
    for (const lane of this.#lanes.values()) lane.stop();
    await Promise.all([...this.#lanes.values()].map(({ done }) => done));
    if (!this.#isBroken) await settledWithin(this.commits.flush(), DISCONNECT_WITHIN_MS);
    this.commits.close();
    // kafkajs leaves a group only once it has joined it; a member left behind would hold its partitions up.
    if (!this.#isBroken && this.#joining !== null) await settledWithin(this.#joining, DISCONNECT_WITHIN_MS);
    await settledWithin(this.#consumer.disconnect(), DISCONNECT_WITHIN_MS);
  }

  /** Whether Kafka is not asked for more of the partition while a lane goes on by itself. */
  isPaused(key: string): boolean {
    return this.#paused.has(key);
  }

  /** Joins the group. Never rejects: what goes wrong ends the session. */
  async start(): Promise<void> {
    const { topics, silentAfterMs } = this.#parts.settings;
    const silent = (): Error => silence(silentAfterMs);
    try {
      await within(this.#consumer.connect(), silentAfterMs, silent);
      // From the end would mean: from wherever the end is at each start, until a first offset is committed.
      const subscription = { topics: [...topics], fromBeginning: true };
      if (!this.#isOver) await within(this.#consumer.subscribe(subscription), silentAfterMs, silent);
      if (!this.#isOver) {
        this.#joining = this.#consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: WORKERS,
          eachBatch: payload => this.#accept(payload),
        });
        await this.#joining;
      }
    } catch (error) {
      this.#broke(error);
    }
    // Stopped while it connected: what came too late is closed again.
    if (this.#isOver) await settledWithin(this.#consumer.disconnect(), DISCONNECT_WITHIN_MS);
  }

  /** kafkajs refuses orders when it has crashed, or lost the partition, which it tells only later. */
  #order(give: () => void): void {
    try {
      give();
    } catch (error) {
      this.#parts.settings.logger.info({ error: said(error) }, 'kafkajs does not take an order any more');
    }
  }

  /** As `end`, where nothing can be asked of Kafka any more. */
  #broke(error: unknown): void {
    this.#isBroken = true;
    this.end(error);
  }

  #listen(): void {
    const { events, on } = this.#consumer;
    // Told right before the join that brought them.
    on(events.RECEIVED_UNSUBSCRIBED_TOPICS, ({ payload }) => {
      this.#toldStrange = payload.topicsNotSubscribed;
    });
    on(events.GROUP_JOIN, ({ payload }) => this.#join(payload.memberId, payload.memberAssignment));
    // The old generation's last chance; the join itself comes later.
    on(events.REBALANCING, () => void this.commits.flush());
    on(events.CRASH, ({ payload }) => this.#broke(payload.error));
  }

  #join(memberId: string, assignment: Record<string, number[]>): void {
    // A new member id: others may have had the partitions in between, without our being asked.
    const isNew = memberId !== this.#memberId;
    this.#memberId = memberId;
    const assigned = new Map(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map(partition => [partitionKey(topic, partition), new PartitionState(topic, partition)] as const),
      ),
    );
    this.#assigned = new Set(assigned.keys());
    for (const [key, lane] of this.#lanes) if (isNew || !assigned.has(key)) lane.revoke();
    this.commits.keepOnly(isNew ? new Set() : this.#assigned);
    for (const key of this.#states.keys()) if (!assigned.has(key)) this.#states.delete(key);
    for (const [key, state] of assigned) if (!this.#states.has(key)) this.#states.set(key, state);
    this.#joinedAt ??= clock.monotonic();
    this.strangeTopics = this.#toldStrange;
    this.#toldStrange = [];
    const { logger } = this.#parts.settings;
    logger.info({ partitions: [...this.#assigned] }, 'joined the group');
    if (this.strangeTopics.length > 0) {
      logger.error({ topics: this.strangeTopics }, 'members of the group have different topics; nobody handles these');
    }
  }

  /** kafkajs's `eachBatch`. Never rejects: whatever happens to messages is no matter of the connection. */
  async #accept({ batch, resolveOffset, commitOffsetsIfNecessary, isStale }: EachBatchPayload): Promise<void> {
    const { topic, partition, messages, highWatermark } = batch;
    const key = partitionKey(topic, partition);
    this.#commit = commitOffsetsIfNecessary;
    const state = this.#states.get(key);
    // What is left here is not resolved, so fetched again by whoever has the partition.
    if (this.#isOver || isStale() || state === undefined) return;
    const before = this.#lanes.get(key);
    if (before !== undefined) {
      await settledWithin(before.done, PATIENCE_MS);
      return;
    }
    state.endOffset = highWatermark;
    const nextOffset = after(batch.lastOffset());
    const lane = new Lane(this.#parts, state, { messages, nextOffset });
    this.#lanes.set(key, lane);
    if (await settledWithin(lane.done, PATIENCE_MS)) {
      const reached = await lane.done;
      this.#lanes.delete(key);
      if (reached === nextOffset && !lane.isStopped) resolveOffset(batch.lastOffset());
      return;
    }
    this.#pause(lane.state, key);
    void lane.done.then(reached => {
      this.#lanes.delete(key);
      // Not by a seek, which kafkajs would keep for the next time that it gets the partition, whatever others did since.
      if (reached !== null && !lane.isStopped) this.#order(() => resolveOffset(String(BigInt(reached) - 1n)));
      this.#resume(lane.state, key);
    });
  }

  #pause({ topic, partition }: PartitionState, key: string): void {
    this.#paused.add(key);
    this.#order(() => this.#consumer.pause([{ topic, partitions: [partition] }]));
  }

  #resume({ topic, partition }: PartitionState, key: string): void {
    this.#paused.delete(key);
    if (!this.#isOver) this.#order(() => this.#consumer.resume([{ topic, partitions: [partition] }]));
  }

  async #tell(positions: readonly Position[]): Promise<void> {
    const topics = new Map<string, { partition: number; offset: string }[]>();
    for (const { topic, partition, offset } of positions) {
      topics.set(topic, [...(topics.get(topic) ?? []), { partition, offset }]);
    }
    // Not kafkajs's commitOffsets: that one tries again in whatever generation it then finds itself.
    await this.#commit!({ topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) });
  }
}
