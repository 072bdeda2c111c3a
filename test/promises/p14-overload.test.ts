/** P14 at its short size, and its judge alone. */
import t from 'tap';
import { judgeOverload } from '../../torture/overload/judge.ts';
import { P14 } from '../../torture/proofs/p14-overload.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(240_000);

const prepare = { answered: 3, accepted: 1, overloaded: 2, withRetryAfter: 2, other: 0 };
const commit = { answered: 1, accepted: 1, overloaded: 0, withRetryAfter: 0, other: 0 };
const polite = { states: new Map([['p', 'committed' as const]]), refused: ['no'], refusedCommits: 0, wrong: [] };
const sight = { lists: 9, refusedLists: 1, longestLine: 10_000, wrong: [] };
const stored = [
  { id: 'g', group: 'greedy-0', state: 'committed' as const },
  { id: 'p', group: 'polite', state: 'committed' as const },
];

t.test('the judge of an overload finds what is wrong, and nothing else', async t => {
  const judge = (more: object, rows = stored): string[] =>
    judgeOverload({ floods: [{ prepare, commit }], polite, sight, ...more }, rows);
  t.same(judge({}), []);
  t.match(judge({}, stored.slice(1)), [/1 prepares were accepted, 0 are stored/, /1 commits were accepted, 0 are/]);
  t.match(judge({}, stored.slice(0, 1)), ['p was told committed, and is not known']);
  t.match(judge({ polite: { ...polite, refused: ['p'] } }), ['p was refused, and is stored']);
  t.match(judge({ polite: { ...polite, refusedCommits: 1 } }), [/1 commits were refused/]);
  t.match(judge({ sight: { ...sight, refusedLists: 0 } }), [/none of 9 lists/]);
  t.match(judge({ sight: { ...sight, longestLine: 40_001 } }), [/40001 commands waited/]);
  const mute = { prepare: { ...prepare, withRetryAfter: 1 }, commit: { ...commit, other: 1 } };
  t.match(judge({ floods: [mute] }), [/1 refusals of a prepare do not say/, /1 times a commit was answered/]);
});

testProof(P14);
