/** A resolution never flips, whoever decides at once; and the judge of the races sees one that did. */
import t from 'tap';
import { judgeRace, type RaceAnswer } from '../../torture/model/race-judge.ts';
import { P4 } from '../../torture/proofs/p04-resolution-never-flips.ts';
import { testProof } from '../support/proof.ts';

const at = '2026-01-01T00:00:00.000Z';
const committed = { state: 'committed', resolvedAt: at, resolvedBy: 'producer', contradicted: true };
const won: RaceAnswer = { id: 'a', wanted: 'commit', status: 200, body: committed };
const lost: RaceAnswer = {
  id: 'a',
  wanted: 'rollback',
  status: 409,
  body: { state: 'committed', code: 'ALREADY_COMMITTED' },
};

t.test('the judge of the races finds what is wrong, and nothing else', async t => {
  const judge = (answers: RaceAnswer[], end: object = {}): string[] =>
    judgeRace(answers, new Map([['a', { ...committed, ...end }]]));
  t.same(judge([won, lost, won]), []);
  const alsoWon = { ...lost, status: 200, body: { ...committed, state: 'rolled_back' } };
  t.match(judge([won, alsoWon]), [/rollback was acknowledged, and it is committed/]);
  t.match(judge([won], { state: 'rolled_back' }), [/commit was acknowledged, and it is rolled_back/]);
  t.match(judge([won], { resolvedBy: 'check' }), [/told resolved by producer .* and it is by check/]);
  t.match(judge([lost], { contradicted: false }), [/not marked as contradicted/]);
  t.match(judge([{ ...lost, body: { state: 'rolled_back', code: 'ALREADY_ROLLED_BACK' } }]), [/refused with/]);
  t.match(judge([{ ...lost, wanted: 'commit' }]), [/commit was refused, and it is committed/]);
  t.match(judge([{ ...lost, status: 500, body: {} }]), [/answered 500/]);
  t.match(judgeRace([won], new Map()), [/does not know it/]);
});

testProof(P4);
