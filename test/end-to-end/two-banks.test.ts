/**
 * Promises P3, P5 and P8: transfers between two banks while processes, broker and Kafka die, and a judge at the end; then
 * the same with a fault planted, which must turn it red. `npm run torture` is the long form.
 */
import t, { type Test } from 'tap';
import type { Kind } from '../../examples/transfer/databases.ts';
import type { KafkaCluster } from '../../tools/kafka/cluster.ts';
import type { AnomalyKind } from '../../torture/checker.ts';
import { FATES, fateOf } from '../../torture/fates.ts';
import type { Fault } from '../../torture/hooks/settings.ts';
import { KAFKA_PROPERTIES } from '../../torture/stage.ts';
import { type RunOptions, type RunResult, runTwoBanks } from '../../torture/two-banks.ts';
import { verdictText } from '../../torture/verdict-text.ts';
import { needsPostgres } from '../support/databases.ts';
import { needsOwnKafka, ownKafka } from '../support/kafka.ts';

t.setTimeout(230_000);

let kafka: KafkaCluster;
t.test('a Kafka of our own is there', needsOwnKafka, async test => {
  kafka = await ownKafka(t, { properties: KAFKA_PROPERTIES });
  test.equal(kafka.nodes.length, 1);
});

const run = async (t: Test, more: Partial<RunOptions>): Promise<RunResult> => {
  const size = { transfers: 60, banksA: 1, banksB: 1, callers: 12 };
  const options = { ...size, seed: 1, database: 'sqlite' as Kind, fault: null, limitMs: 200_000, ...more, kafka };
  const result = await runTwoBanks(options);
  t.comment(verdictText({ ...options, ...result }));
  return result;
};

const kindsOf = ({ verdict }: RunResult): AnomalyKind[] => [...new Set(verdict.anomalies.map(({ kind }) => kind))];

t.test('1,500 transfers with everything dying', needsOwnKafka, async t => {
  const { verdict, events, acts, deaths, swallowed } = await run(t, { transfers: 1_500, banksA: 2, banksB: 2 });
  t.same(verdict.anomalies, []);
  const { counts } = verdict;
  t.ok(counts.committed > 1_100 && counts.rolledBack > 250, 'most commit, many do not');
  t.equal(counts.credited, counts.committed);
  t.ok(counts.answers.commit > 50 && counts.answers.rollback > 50, 'the check-backs had work');
  t.same(acts, { 'kill broker': 2, 'kill kafka': 1, 'freeze kafka': 1, 'kill bank a': 1, 'kill bank b': 1 });
  const died = events.flatMap(event => (event.event === 'die' ? [fateOf(event.id)] : []));
  t.same(
    FATES.filter(fate => fate.startsWith('die-') && !died.includes(fate)),
    [],
    'each at its point',
  );
  t.ok(deaths.bankA >= 6 && deaths.bankB >= 4 && deaths.broker >= 2, 'and at random');
  t.ok(swallowed > 40, 'replies were lost');
  t.ok(counts.samples > 20, 'the sum was looked at meanwhile');
});

const red: [name: string, fault: Fault, database: Kind, options: object, wanted: AnomalyKind[]][] = [
  ['a fence without a unique key', 'fence-without-key', 'sqlite', needsOwnKafka, ['two verdicts']],
  [
    'a fence without a unique key, beside an open claim',
    'fence-without-key',
    'postgres',
    needsOwnKafka.skip ? needsOwnKafka : needsPostgres,
    ['two verdicts', 'sum', 'missing', 'contradicted'],
  ],
  ['a check that only reads', 'check-only-reads', 'sqlite', needsOwnKafka, ['sum', 'missing', 'contradicted']],
  [
    'an inbox row outside of the transaction',
    'inbox-apart',
    'sqlite',
    needsOwnKafka,
    ['sum', 'credited twice', 'sample'],
  ],
];
for (const [name, fault, database, options, wanted] of red) {
  t.test(`red with ${name}`, options, async t => {
    const found = kindsOf(await run(t, { fault, database }));
    t.same(
      wanted.filter(kind => !found.includes(kind)),
      [],
    );
  });
}
