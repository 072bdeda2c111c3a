/** P10 at its short size on the sharedKafka of all tests, and its fault. */
import t from 'tap';
import { P10 } from '../../torture/proofs/p10-bytes.ts';
import { byteCase, differences } from '../../torture/proofs/p10-cases.ts';
import { Random } from '../../torture/random.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(300_000);

t.test('every difference is found', async t => {
  const random = new Random(1);
  const one = byteCase(random);
  const wanted = { ...one, headers: new Map([['tenant', one.key]]), key: { written: 'k', bytes: Buffer.from('k') } };
  const good = {
    key: Buffer.from('k'),
    value: one.payload.bytes,
    headers: { tenant: Buffer.from(one.key.bytes ?? ''), ce_id: Buffer.from('a.0') },
  };
  t.same(differences('a.0', wanted, good), []);
  t.match(differences('a.0', wanted, undefined), [/did not arrive/]);
  t.match(differences('a.0', wanted, { ...good, key: null }), [/its key is null, and was 1 bytes 6b/]);
  t.match(differences('a.0', wanted, { ...good, value: Buffer.from('no such bytes') }), [/its payload/]);
  t.match(differences('a.0', wanted, { ...good, headers: {} }), [/header "tenant" is not there once/]);
  const twice = { ...good.headers, tenant: [good.headers.tenant, good.headers.tenant] };
  t.match(differences('a.0', wanted, { ...good, headers: twice }), [/header "tenant" is not there once/]);
  t.match(differences('a.0', wanted, { ...good, headers: { ...good.headers, more: Buffer.from('') } }), [/"more"/]);
});

t.test('the same seed makes the same bytes', async t => {
  const [first, again] = [new Random(7), new Random(7)];
  for (let i = 0; i < 100; i++) t.same(byteCase(first), byteCase(again));
});

testProof(P10);
