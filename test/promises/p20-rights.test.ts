/** Who may do what, and what is never written down: put to the test on a broker process. */
import t from 'tap';
import { P20 } from '../../torture/proofs/p20-rights.ts';
import { leaksIn } from '../../torture/rights/canaries.ts';
import { testProof } from '../support/proof.ts';

t.test('a secret is found in a text, also in base64 and without what it begins with', async t => {
  const secrets = { key: `emq_0123456789ab_${'s'.repeat(43)}`, payload: 'a-payload-of-some-length' };
  t.same(leaksIn('nothing of it', secrets), []);
  t.same(leaksIn(`{"authorization":"${secrets.key}"}`, secrets), ['key']);
  t.same(leaksIn(`left: ${'s'.repeat(43)}`, secrets), ['key']);
  t.same(leaksIn(`"${Buffer.from(`${secrets.payload}!`).toString('base64')}"`, secrets), ['payload']);
  t.same(leaksIn('emq_0123456789ab was revoked', secrets), [], 'a prefix is no secret');
});

testProof(P20);
