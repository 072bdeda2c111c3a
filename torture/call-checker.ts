/**
 * The judge of what producers were told, against what the broker and Kafka hold in the end: one pass over each, and no
 * knowledge of how it came about.
 */
import type { CallEvent } from './call-history.ts';

export interface Evidence {
  readonly events: readonly CallEvent[];
  /** State of every transaction that the broker knows, by id. Null: it was not looked at. */
  readonly states: ReadonlyMap<string, string> | null;
  /** Of all topics, each partition in the order of its offsets. Null: Kafka was not looked at. */
  readonly records: readonly SeenRecord[] | null;
}

export interface SeenRecord {
  readonly topic: string;
  readonly partition: number;
  /** Of its transaction. */
  readonly id: string;
}

export const ANOMALIES = {
  lost: 'the half message was acknowledged, and the broker does not know it',
  forgotten: 'the resolution was acknowledged, and another state stands',
  'two truths': 'both a commit and a rollback were acknowledged',
  'wrong state': 'an answer told another state than its call makes',
  missing: 'committed, and not in Kafka',
  phantom: 'in Kafka, and not committed',
  unknown: 'in Kafka or at the broker, and nobody asked for it',
  inversion: 'messages of one key first appear in another order than they were committed in',
  moved: 'messages of one key are in more than one partition',
} as const;
export type AnomalyKind = keyof typeof ANOMALIES;

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly id: string;
  readonly detail: string;
}

export interface Judgement {
  readonly anomalies: readonly Anomaly[];
  readonly counts: {
    /** Acknowledgements of half messages, of commits, of rollbacks; each id once. */
    readonly prepared: number;
    readonly committed: number;
    readonly rolledBack: number;
    /** Calls of which nothing certain became known. */
    readonly uncertain: number;
    readonly records: number;
    /** Records beyond the first of their message. */
    readonly duplicates: number;
  };
}

const TOLD = { prepare: 'prepared', commit: 'committed', rollback: 'rolled_back' } as const;

/** What was called under one id, and acknowledged. */
interface Story {
  readonly topic: string;
  readonly key: string;
  readonly number: number;
  readonly invoked: Set<string>;
  readonly acknowledged: Set<string>;
}

/** `isMovable`: partitions were added meanwhile, so keys may have changed theirs. Each transaction has one message. */
export const judgeCalls = ({ events, states, records }: Evidence, { isMovable = false } = {}): Judgement => {
  const anomalies: Anomaly[] = [];
  const report = (kind: AnomalyKind, id: string, detail: string = ANOMALIES[kind]): void => {
    anomalies.push({ kind, id, detail: `${id}: ${detail}` });
  };
  const stories = new Map<string, Story>();
  let uncertain = 0;
  for (const event of events) {
    const { id, op, topic, key, number } = event;
    const story = stories.get(id) ?? { topic, key, number, invoked: new Set(), acknowledged: new Set() };
    stories.set(id, story);
    if (event.event === 'invoke') story.invoked.add(op);
    if (event.event === 'info') uncertain += 1;
    if (event.event !== 'ok') continue;
    story.acknowledged.add(op);
    // A prepare that is repeated tells how its transaction stands by now.
    const isToldRight =
      event.state === TOLD[op] || (op === 'prepare' && Object.values(TOLD).includes(event.state as never));
    if (!isToldRight) report('wrong state', id, `${op} was answered with the state ${event.state}`);
  }
  for (const [id, { acknowledged }] of stories) {
    if (acknowledged.has('commit') && acknowledged.has('rollback')) report('two truths', id);
    const state = states?.get(id);
    if (states === null) continue;
    if (state === undefined) {
      if (acknowledged.size > 0) report('lost', id);
    } else if (acknowledged.has('commit') && state !== 'committed') {
      report('forgotten', id, `the commit was acknowledged, and it is ${state}`);
    } else if (acknowledged.has('rollback') && state !== 'rolled_back') {
      report('forgotten', id, `the rollback was acknowledged, and it is ${state}`);
    }
  }
  for (const id of states?.keys() ?? []) if (!stories.has(id)) report('unknown', id);
  const seen = new Set<string>();
  if (records !== null) {
    judgeRecords(records, stories, states, seen, isMovable, report);
    for (const [id, { acknowledged }] of stories) {
      if (acknowledged.has('commit') && !seen.has(id)) report('missing', id);
    }
  }
  const count = (op: string): number => [...stories.values()].filter(({ acknowledged }) => acknowledged.has(op)).length;
  return {
    anomalies,
    counts: {
      prepared: count('prepare'),
      committed: count('commit'),
      rolledBack: count('rollback'),
      uncertain,
      records: records?.length ?? 0,
      duplicates: (records?.length ?? 0) - seen.size,
    },
  };
};

const judgeRecords = (
  records: readonly SeenRecord[],
  stories: ReadonlyMap<string, Story>,
  states: Evidence['states'],
  seen: Set<string>,
  isMovable: boolean,
  report: (kind: AnomalyKind, id: string, detail?: string) => void,
): void => {
  const last = new Map<string, { number: number; partition: number }>();
  for (const { id, topic, partition } of records) {
    if (seen.has(id)) continue;
    seen.add(id);
    const story = stories.get(id);
    if (story === undefined) {
      report('unknown', id);
      continue;
    }
    const isCommitted = states === null ? story.invoked.has('commit') : states.get(id) === 'committed';
    if (!isCommitted || story.acknowledged.has('rollback')) report('phantom', id);
    const lane = `${topic} ${story.key}`;
    const before = last.get(lane);
    if (before !== undefined && story.number < before.number) {
      report('inversion', id, `${story.number} after ${before.number} of key ${story.key} in ${topic}`);
    }
    if (before !== undefined && !isMovable && partition !== before.partition) {
      report('moved', id, `key ${story.key} of ${topic} is in partitions ${before.partition} and ${partition}`);
    }
    last.set(lane, { number: Math.max(story.number, before?.number ?? -1), partition });
  }
};
