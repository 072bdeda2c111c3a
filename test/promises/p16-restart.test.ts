/** P16 at its short size, and its judges alone. */
import t from 'tap';
import { compareStarts, judgeAsked, P16 } from '../../torture/proofs/p16-restart.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(240_000);

t.test('the judges of a restart find what is wrong, and nothing else', async t => {
  const start = { readyMs: 600, peakBytes: 100 * 2 ** 20, walBytes: 0 };
  t.same(compareStarts(start, { ...start, readyMs: 900 }), []);
  t.match(compareStarts(start, { ...start, readyMs: 3_000 }), [/ready after 3000 ms, and 600 with a small store/]);
  t.match(compareStarts(start, { ...start, peakBytes: 200 * 2 ** 20 }), [/100 MiB more memory/]);
  t.same(judgeAsked(['due-0', 'due-1', 'due-1'], 2), []);
  t.match(judgeAsked(['due-0', 'later-7'], 2), [/due-1 was due .* not asked/, /later-7 is due in a day/]);
});

testProof(P16);
