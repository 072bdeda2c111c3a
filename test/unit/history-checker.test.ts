/** The judge of the torture, judged: evidence that is as it should be, and every way in which it can be wrong. */
import t from 'tap';
import { ANOMALIES, type AnomalyKind, check, type Evidence } from '../../torture/checker.ts';
import type { Happening, HistoryEvent } from '../../torture/history.ts';

const at = (process: string, happening: Happening): HistoryEvent => ({ process, at: 0, ...happening });

/** Three transfers: one that happened, one that did not, one of which the caller was told nothing and then yes. */
const sound = (): Evidence => ({
  amounts: new Map([
    ['t0-commit', 10],
    ['t1-refused', 1_000_000],
    ['t2-die-committed', 5],
  ]),
  total: 2_000,
  events: [
    at('caller', { event: 'invoke', id: 't0-commit' }),
    at('a1', { event: 'local', id: 't0-commit' }),
    at('a1', { event: 'answer', id: 't0-commit', resolution: 'commit' }),
    at('caller', { event: 'ok', id: 't0-commit', repeated: false, delivery: 'acknowledged' }),
    at('b1', { event: 'credit', id: 't0-commit' }),
    at('a1', { event: 'answer', id: 't1-refused', resolution: 'unknown' }),
    at('a1', { event: 'answer', id: 't1-refused', resolution: 'rollback' }),
    at('caller', { event: 'fail', id: 't1-refused', code: 'none' }),
    at('caller', { event: 'info', id: 't2-die-committed', code: 'TypeError' }),
    at('caller', { event: 'fail', id: 't2-die-committed', code: 'NO_ANSWER' }),
    at('caller', { event: 'sample', a: 990, b: 1_000, underWay: 10 }),
  ],
  a: {
    sum: 985,
    fence: [
      { id: 't0-commit', outcome: 'commit' },
      { id: 't1-refused', outcome: 'rollback' },
      { id: 't2-die-committed', outcome: 'commit' },
    ],
    entries: [
      { transfer: 't0-commit', amount: -10 },
      { transfer: 't2-die-committed', amount: -5 },
    ],
  },
  b: {
    sum: 1_015,
    inbox: ['t0-commit.0', 't2-die-committed.0'],
    entries: [
      { transfer: 't0-commit', amount: 10 },
      { transfer: 't2-die-committed', amount: 5 },
    ],
  },
  records: ['t0-commit.0', 't0-commit.0', 't2-die-committed.0'],
  stuck: null,
  crashes: [],
});

const kindsOf = (evidence: Evidence): AnomalyKind[] =>
  [...new Set(check(evidence).anomalies.map(({ kind }) => kind))].sort();

t.test('what is as it should be', async t => {
  const { anomalies, counts } = check(sound());
  t.same(anomalies, []);
  t.same(counts, {
    transfers: 3,
    committed: 2,
    rolledBack: 1,
    untouched: 0,
    credited: 2,
    records: 3,
    duplicates: 1,
    samples: 1,
    toldYes: 1,
    toldNo: 2,
    toldNothing: 1,
    answers: { commit: 1, rollback: 1, unknown: 1 },
  });
});

/** What each change of the evidence is found to be: these kinds and no others. */
const PLANTED: readonly (readonly [AnomalyKind[], (evidence: Evidence) => Evidence])[] = [
  [['sum'], e => ({ ...e, a: { ...e.a, sum: 984 } })],
  [
    ['sample'],
    e => ({ ...e, events: [...e.events, at('caller', { event: 'sample', a: 990, b: 1_000, underWay: 11 })] }),
  ],
  [
    ['phantom', 'record without commit', 'refusal broken'],
    e => ({
      ...e,
      b: {
        ...e.b,
        inbox: [...e.b.inbox, 't1-refused.0'],
        entries: [...e.b.entries, { transfer: 't1-refused', amount: 1_000_000 }],
      },
      records: [...e.records, 't1-refused.0'],
    }),
  ],
  [
    ['missing', 'promise broken', 'commit forgotten'],
    e => ({ ...e, b: { ...e.b, inbox: e.b.inbox.slice(1), entries: e.b.entries.slice(1) } }),
  ],
  [['credited twice'], e => ({ ...e, b: { ...e.b, entries: [...e.b.entries, e.b.entries[0]!] } })],
  [['debited twice'], e => ({ ...e, a: { ...e.a, entries: [...e.a.entries, e.a.entries[0]!] } })],
  [['wrong amount'], e => ({ ...e, b: { ...e.b, entries: [{ transfer: 't0-commit', amount: 11 }, e.b.entries[1]!] } })],
  [
    ['wrong amount'],
    e => ({ ...e, a: { ...e.a, entries: [{ transfer: 't0-commit', amount: -11 }, e.a.entries[1]!] } }),
  ],
  [
    ['debit without claim', 'phantom', 'record without commit'],
    e => ({ ...e, a: { ...e.a, fence: e.a.fence.slice(0, 2) } }),
  ],
  [
    ['debit without claim', 'phantom', 'record without commit', 'commit forgotten', 'answer contradicted'],
    e => ({ ...e, a: { ...e.a, fence: e.a.fence.slice(1) } }),
  ],
  [['claim without debit'], e => ({ ...e, a: { ...e.a, entries: e.a.entries.slice(1) } })],
  [['credit without inbox'], e => ({ ...e, b: { ...e.b, inbox: e.b.inbox.slice(1) } })],
  [['inbox without credit', 'missing'], e => ({ ...e, b: { ...e.b, entries: e.b.entries.slice(0, 1) } })],
  [['inbox without credit', 'phantom'], e => ({ ...e, b: { ...e.b, inbox: [...e.b.inbox, 't1-refused.0'] } })],
  [
    ['two verdicts', 'answer contradicted'],
    e => ({ ...e, a: { ...e.a, fence: [...e.a.fence, { id: 't0-commit', outcome: 'rollback' }] } }),
  ],
  [['two verdicts'], e => ({ ...e, a: { ...e.a, fence: [...e.a.fence, e.a.fence[2]!] } })],
  [['inbox twice'], e => ({ ...e, b: { ...e.b, inbox: [...e.b.inbox, 't0-commit.0'] } })],
  [['record without commit'], e => ({ ...e, records: [...e.records, 't1-refused.0'] })],
  [['commit without record'], e => ({ ...e, records: e.records.slice(0, 2) })],
  [
    ['promise broken'],
    e => ({
      ...e,
      events: [...e.events, at('a1', { event: 'ok', id: 't1-refused', repeated: false, delivery: 'pending' })],
    }),
  ],
  [
    ['refusal broken'],
    e => ({ ...e, events: [...e.events, at('caller', { event: 'fail', id: 't0-commit', code: 'none' })] }),
  ],
  [
    ['refusal broken'],
    e => ({ ...e, events: [...e.events, at('caller', { event: 'fail', id: 't2-die-committed', code: 'ID_SPENT' })] }),
  ],
  [['commit forgotten'], e => ({ ...e, events: [...e.events, at('a2', { event: 'local', id: 't1-refused' })] })],
  [['commit forgotten'], e => ({ ...e, events: [...e.events, at('b2', { event: 'credit', id: 't1-refused' })] })],
  [
    ['answer contradicted'],
    e => ({ ...e, events: [...e.events, at('a2', { event: 'answer', id: 't0-commit', resolution: 'rollback' })] }),
  ],
  [
    ['answer contradicted'],
    e => ({ ...e, events: [...e.events, at('a2', { event: 'answer', id: 't9-commit', resolution: 'rollback' })] }),
  ],
  [
    ['contradicted'],
    e => ({ ...e, events: [...e.events, at('a1', { event: 'info', id: 't0-commit', code: 'OUTCOME_CONTRADICTED' })] }),
  ],
  [['unknown'], e => ({ ...e, a: { ...e.a, fence: [...e.a.fence, { id: 't7-commit', outcome: 'rollback' }] } })],
  [['stuck'], e => ({ ...e, stuck: 'one record' })],
  [['crash'], e => ({ ...e, crashes: ['b1 ended with 1'] })],
];

for (const [index, [kinds, plant]] of PLANTED.entries()) {
  t.test(`planted ${index + 1}: ${kinds.join(', ')}`, async t => {
    t.same(kindsOf(plant(sound())), [...kinds].sort());
  });
}

t.test('every kind of anomaly has been planted', async t => {
  const planted = new Set(PLANTED.flatMap(([kinds]) => kinds));
  t.same(
    Object.keys(ANOMALIES).filter(kind => !planted.has(kind as AnomalyKind)),
    [],
  );
});

t.test('as many events as a long run has', async t => {
  const events = Array.from({ length: 100_000 }, (_, index) =>
    at('a1', { event: 'answer', id: `t${index}-commit`, resolution: 'commit' }),
  );
  const { counts } = check({ ...sound(), events });
  t.equal(counts.answers.commit, 100_000);
});
