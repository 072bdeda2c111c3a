/**
 * The judge: holds every log, both databases and the topic against each other, in one pass over each. It knows nothing of
 * how any of them came about, so it cannot be fooled by what the programs believe of themselves.
 */
import type { HistoryEvent } from './history.ts';

export interface Entry {
  readonly transfer: string;
  readonly amount: number;
}

export interface Evidence {
  /** Amount of each transfer that was to be tried, by id. */
  readonly amounts: ReadonlyMap<string, number>;
  /** What both banks held together at the beginning. */
  readonly total: number;
  readonly events: readonly HistoryEvent[];
  readonly a: {
    readonly sum: number;
    readonly fence: readonly { readonly id: string; readonly outcome: string }[];
    readonly entries: readonly Entry[];
  };
  readonly b: {
    readonly sum: number;
    /** Message ids, `{transfer}.0`. */
    readonly inbox: readonly string[];
    readonly entries: readonly Entry[];
  };
  /** `ce_id` of every record of the topic. */
  readonly records: readonly string[];
  /** What had not come to its end when the time was up, in words; null: everything had. */
  readonly stuck: string | null;
  /** What processes said that ended by themselves. */
  readonly crashes: readonly string[];
}

export const ANOMALIES = {
  sum: 'the money of both banks is not what it was',
  sample: 'at a moment, the money of both banks and on its way was not what it was',
  phantom: 'an effect in B of what did not commit in A',
  missing: 'committed in A, and no effect in B',
  'credited twice': 'more than one effect in B',
  'debited twice': 'more than one effect in A',
  'wrong amount': 'an effect of another amount than was asked for',
  'debit without claim': 'an effect in A without a row `commit` in the fence',
  'claim without debit': 'a row `commit` in the fence without an effect in A',
  'inbox without credit': 'a row in the inbox without an effect in B',
  'credit without inbox': 'an effect in B without a row in the inbox',
  'two verdicts': 'more than one row in the fence',
  'inbox twice': 'more than one row in the inbox',
  'record without commit': 'a record in Kafka of what did not commit in A',
  'commit without record': 'committed in A, and no record in Kafka',
  'promise broken': 'told that it happens, and it did not',
  'refusal broken': 'told that it does not happen, and it did',
  'commit forgotten': 'a process saw its local transaction commit, and the database does not have it',
  'answer contradicted': 'a check-back was answered otherwise than the fence stands',
  contradicted: 'the SDK found database and broker in disagreement',
  unknown: 'an id that nobody asked for',
  stuck: 'not at its end when the time was up',
  crash: 'a process ended by itself',
} as const;
export type AnomalyKind = keyof typeof ANOMALIES;

export interface Anomaly {
  readonly kind: AnomalyKind;
  /** Null: not about one transfer. */
  readonly id: string | null;
  readonly detail: string;
}

export interface Verdict {
  readonly anomalies: readonly Anomaly[];
  readonly counts: Counts;
}

export interface Counts {
  readonly transfers: number;
  readonly committed: number;
  readonly rolledBack: number;
  /** Neither row nor effect: never begun. */
  readonly untouched: number;
  readonly credited: number;
  readonly records: number;
  /** Records of a message beyond its first. */
  readonly duplicates: number;
  readonly samples: number;
  readonly toldYes: number;
  readonly toldNo: number;
  readonly toldNothing: number;
  readonly answers: { readonly commit: number; readonly rollback: number; readonly unknown: number };
}

const transferOf = (messageId: string): string => messageId.replace(/\.0$/, '');

const countOf = (ids: Iterable<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
};

/** The evidence by id. */
class Indexed {
  readonly evidence: Evidence;
  readonly anomalies: Anomaly[] = [];
  readonly rows: ReadonlyMap<string, number>;
  readonly committed: ReadonlySet<string>;
  readonly rolledBack: ReadonlySet<string>;
  readonly debits: ReadonlyMap<string, number>;
  readonly credits: ReadonlyMap<string, number>;
  readonly inbox: ReadonlyMap<string, number>;
  readonly inTopic: ReadonlyMap<string, number>;

  constructor(evidence: Evidence) {
    const { a, b, records } = evidence;
    const idsOf = (outcome: string): string[] => a.fence.filter(row => row.outcome === outcome).map(({ id }) => id);
    this.evidence = evidence;
    this.rows = countOf(a.fence.map(({ id }) => id));
    this.committed = new Set(idsOf('commit'));
    this.rolledBack = new Set(idsOf('rollback'));
    this.debits = countOf(a.entries.map(({ transfer }) => transfer));
    this.credits = countOf(b.entries.map(({ transfer }) => transfer));
    this.inbox = countOf(b.inbox.map(transferOf));
    this.inTopic = countOf(records.map(transferOf));
  }

  report(kind: AnomalyKind, id: string | null, detail: string = ANOMALIES[kind]): void {
    this.anomalies.push({ kind, id, detail });
  }
}

const checkMoney = (indexed: Indexed): void => {
  const { amounts, total, events, a, b } = indexed.evidence;
  const sum = a.sum + b.sum;
  if (sum !== total) indexed.report('sum', null, `${a.sum} + ${b.sum} = ${sum}, and it was ${total}`);
  for (const event of events) {
    if (event.event !== 'sample') continue;
    const found = event.a + event.b + event.underWay;
    const detail = `${event.a} + ${event.b} + ${event.underWay} = ${found}, and it was ${total}`;
    if (found !== total) indexed.report('sample', null, detail);
  }
  for (const { transfer, amount } of a.entries) {
    if (amounts.get(transfer) !== -amount) indexed.report('wrong amount', transfer);
  }
  for (const { transfer, amount } of b.entries) {
    if (amounts.get(transfer) !== amount) indexed.report('wrong amount', transfer);
  }
};

const checkRows = (indexed: Indexed): void => {
  const { rows, committed, debits, credits, inbox, inTopic, evidence } = indexed;
  const twice = (kind: AnomalyKind, counts: ReadonlyMap<string, number>): void => {
    for (const [id, count] of counts) if (count > 1) indexed.report(kind, id);
  };
  twice('two verdicts', rows);
  twice('inbox twice', inbox);
  twice('debited twice', debits);
  twice('credited twice', credits);
  for (const id of committed) {
    if (!credits.has(id)) indexed.report('missing', id);
    if (!debits.has(id)) indexed.report('claim without debit', id);
    if (!inTopic.has(id)) indexed.report('commit without record', id);
  }
  for (const id of debits.keys()) if (!committed.has(id)) indexed.report('debit without claim', id);
  for (const id of credits.keys()) if (!inbox.has(id)) indexed.report('credit without inbox', id);
  for (const id of inbox.keys()) if (!credits.has(id)) indexed.report('inbox without credit', id);
  for (const id of new Set([...credits.keys(), ...inbox.keys()])) {
    if (!committed.has(id)) indexed.report('phantom', id);
  }
  for (const id of inTopic.keys()) if (!committed.has(id)) indexed.report('record without commit', id);
  for (const id of new Set([...rows.keys(), ...credits.keys(), ...inbox.keys(), ...inTopic.keys()])) {
    if (!evidence.amounts.has(id)) indexed.report('unknown', id);
  }
};

/** What callers and processes were told or saw, against what is there. */
const checkTold = (indexed: Indexed): void => {
  const { committed, rolledBack, credits, evidence } = indexed;
  /** What a caller could not be sure of: a later call may be told of it without having done it. */
  const uncertain = new Set<string>();
  for (const event of evidence.events) {
    const isCaller = event.process === 'caller';
    if (event.event === 'ok') {
      if (!credits.has(event.id)) indexed.report('promise broken', event.id);
    } else if (event.event === 'fail' && isCaller) {
      const isFinal = !uncertain.has(event.id) || event.code === 'ID_SPENT';
      if (isFinal && credits.has(event.id)) indexed.report('refusal broken', event.id);
    } else if (event.event === 'info') {
      if (isCaller) uncertain.add(event.id);
      if (event.code === 'OUTCOME_CONTRADICTED') indexed.report('contradicted', event.id);
    } else if (event.event === 'local') {
      if (!committed.has(event.id)) indexed.report('commit forgotten', event.id);
    } else if (event.event === 'credit') {
      if (!credits.has(event.id)) indexed.report('commit forgotten', event.id);
    } else if (event.event === 'answer' && event.resolution !== 'unknown') {
      const [stands, other] = event.resolution === 'commit' ? [committed, rolledBack] : [rolledBack, committed];
      const isSo = stands.has(event.id) && !other.has(event.id);
      if (!isSo) indexed.report('answer contradicted', event.id, `answered ${event.resolution}`);
    }
  }
};

export const check = (evidence: Evidence): Verdict => {
  const indexed = new Indexed(evidence);
  if (evidence.stuck !== null) indexed.report('stuck', null, evidence.stuck);
  for (const said of evidence.crashes) indexed.report('crash', null, said);
  checkMoney(indexed);
  checkRows(indexed);
  checkTold(indexed);
  return { anomalies: indexed.anomalies, counts: countsOf(indexed) };
};

const countsOf = ({ evidence, rows, committed, rolledBack, credits, inTopic }: Indexed): Counts => {
  const { amounts, events, records } = evidence;
  const ofKind = Map.groupBy(events, event => {
    if (event.event === 'answer') return `answer ${event.resolution}`;
    return event.process === 'caller' ? event.event : '';
  });
  const count = (kind: string): number => ofKind.get(kind)?.length ?? 0;
  return {
    transfers: amounts.size,
    committed: committed.size,
    rolledBack: rolledBack.size,
    untouched: [...amounts.keys()].filter(id => !rows.has(id)).length,
    credited: credits.size,
    records: records.length,
    duplicates: records.length - inTopic.size,
    samples: count('sample'),
    toldYes: count('ok'),
    toldNo: count('fail'),
    toldNothing: count('info'),
    answers: {
      commit: count('answer commit'),
      rollback: count('answer rollback'),
      unknown: count('answer unknown'),
    },
  };
};
