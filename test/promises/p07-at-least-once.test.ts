/** P7 at its short size, on the sharedKafka of all tests, on three nodes that are rolled, killed and frozen, and behind a firewall; and its fault. */
import t from 'tap';
import { P7 } from '../../torture/proofs/p07-at-least-once.ts';
import { findingOf, type Passed } from '../../torture/proofs/p07-passed.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(300_000);

const passed = (counts: { duplicates: number }, more: Partial<Passed> = {}): Passed => ({
  judgement: {
    anomalies: [],
    counts: { prepared: 0, committed: 0, rolledBack: 0, uncertain: 0, records: 0, ...counts },
  },
  ...{ wrong: [], messages: 10, acts: 1, partitions: 2 },
  met: { pass: 5, lost: 1, unanswered: 0, swallowed: 0, late: 0 },
  ...more,
});

t.test('more duplicates than one send for each thing that failed are not explained', async t => {
  t.same(findingOf([passed({ duplicates: 600 })]).anomalies, []);
  t.same(findingOf([passed({ duplicates: 601 })]).anomalies, ['601 duplicates, and what failed explains 600']);
  t.same(findingOf([passed({ duplicates: 1_000 }, { walls: 1 })]).anomalies, []);
  t.same(findingOf([passed({ duplicates: 0 }, { wrong: ['refused'] })]).anomalies, ['refused']);
});

testProof(P7);
