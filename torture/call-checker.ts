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
  /** Of the message in it; left out: the first. */
  readonly index?: number;
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
  /** Of its messages. */
  readonly keys: readonly string[];
  readonly number: number;
  readonly invoked: Set<string>;
  readonly acknowledged: Set<string>;
}

const messageId = (id: string, index: number): string => `${id}.${index}`;

/**
 * `isMovable`: partitions were added meanwhile, so keys may have changed theirs; the records then come in the order of
 * their time.
 */
export const judgeCalls = ({ events, states, records }: Evidence, { isMovable = false } = {}): Judgement => {
  const anomalies: Anomaly[] = [];
  const report = (kind: AnomalyKind, id: string, detail: string = ANOMALIES[kind]): void => {
    anomalies.push({ kind, id, detail: `${id}: ${detail}` });
  };
  const stories = new Map<string, Story>();
  let uncertain = 0;
  for (const event of events) {
    const { id, op, topic, key, keys = [key], number } = event;
    const story = stories.get(id) ?? { topic, keys, number, invoked: new Set(), acknowledged: new Set() };
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
    for (const [id, { acknowledged, keys }] of stories) {
      if (!acknowledged.has('commit')) continue;
      const missing = [...keys.keys()].filter(index => !seen.has(messageId(id, index)));
      if (missing.length === 1 && keys.length === 1) report('missing', id);
      else if (missing.length > 0) report('missing', id, `committed, and not in Kafka: messages ${missing.join(', ')}`);
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
  const last = new Map<string, { number: number; index: number; partition: number }>();
  for (const { id, index = 0, topic, partition } of records) {
    const message = messageId(id, index);
    if (seen.has(message)) continue;
    seen.add(message);
    const story = stories.get(id);
    const key = story?.keys[index];
    if (story === undefined || key === undefined) {
      report('unknown', id);
      continue;
    }
    const isCommitted = states === null ? story.invoked.has('commit') : states.get(id) === 'committed';
    if (!isCommitted || story.acknowledged.has('rollback')) report('phantom', id);
    const lane = `${topic} ${key}`;
    const before = last.get(lane);
    const { number } = story;
    const isLate =
      before !== undefined && (number < before.number || (number === before.number && index < before.index));
    if (isLate) {
      const [here, there] = [messageId(String(number), index), messageId(String(before.number), before.index)];
      report('inversion', id, `${here} after ${there} of key ${key} in ${topic}`);
    }
    if (before !== undefined && !isMovable && partition !== before.partition) {
      report('moved', id, `key ${key} of ${topic} is in partitions ${before.partition} and ${partition}`);
    }
    last.set(lane, isLate ? { ...before, partition } : { number, index, partition });
  }
};
