/** The judge of calls finds each kind of anomaly where one is planted, and nothing where none is. */
import t from 'tap';
import { type AnomalyKind, type Evidence, judgeCalls } from '../../torture/call-checker.ts';
import type { CallEvent, Operation } from '../../torture/call-history.ts';

const about = (id: string, number: number) => ({ id, number, topic: 'transfers', key: 'k' });
const called = (op: Operation, id: string, number: number): CallEvent[] => {
  const state = { prepare: 'prepared', commit: 'committed', rollback: 'rolled_back' }[op];
  return [
    { event: 'invoke', op, ...about(id, number) },
    { event: 'ok', op, ...about(id, number), state },
  ];
};
const record = (id: string, partition = 0) => ({ topic: 'transfers', partition, id });

/** Two committed, one rolled back, one prepared, and one of which nothing is known. */
const good = (): Evidence & {
  events: CallEvent[];
  states: Map<string, string>;
  records: ReturnType<typeof record>[];
} => ({
  events: [
    ...called('prepare', 'a', 0),
    ...called('commit', 'a', 0),
    ...called('prepare', 'b', 1),
    ...called('commit', 'b', 1),
    ...called('prepare', 'c', 2),
    ...called('rollback', 'c', 2),
    ...called('prepare', 'd', 3),
    { event: 'invoke', op: 'prepare', ...about('e', 4) },
    { event: 'info', op: 'prepare', ...about('e', 4), why: 'connection refused' },
  ],
  states: new Map([
    ['a', 'committed'],
    ['b', 'committed'],
    ['c', 'rolled_back'],
    ['d', 'prepared'],
  ]),
  records: [record('a'), record('b'), record('b')],
});

t.test('nothing is found where nothing is wrong', async t => {
  t.same(judgeCalls(good()), {
    anomalies: [],
    counts: { prepared: 4, committed: 2, rolledBack: 1, uncertain: 1, records: 3, duplicates: 1 },
  });
  t.same(judgeCalls({ events: good().events, states: null, records: null }).anomalies, []);
});

const planted: Record<AnomalyKind, (evidence: ReturnType<typeof good>) => void> = {
  lost: ({ states }) => void states.delete('d'),
  forgotten: ({ states }) => void states.set('c', 'prepared'),
  'two truths': ({ events }) => void events.push(...called('rollback', 'a', 0)),
  'wrong state': ({ events }) =>
    void events.push({ event: 'ok', op: 'commit', ...about('b', 1), state: 'rolled_back' }),
  missing: evidence => void evidence.records.shift(),
  phantom: ({ records }) => void records.push(record('c')),
  unknown: ({ records }) => void records.push(record('nobody')),
  inversion: ({ records }) => void records.reverse(),
  moved: ({ records }) => void records.splice(1, 1, record('b', 1)),
};

for (const [kind, plant] of Object.entries(planted)) {
  t.test(`planted: ${kind}`, async t => {
    const evidence = good();
    plant(evidence);
    const { anomalies } = judgeCalls(evidence);
    t.ok(
      anomalies.some(found => found.kind === kind),
      JSON.stringify(anomalies),
    );
  });
}

t.test('keys may move where partitions were added', async t => {
  const evidence = good();
  planted.moved(evidence);
  t.same(judgeCalls(evidence, { isMovable: true }).anomalies, []);
});
