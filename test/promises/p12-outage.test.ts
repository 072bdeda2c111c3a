/** P12 at its short size on the sharedKafka of all tests, and its fault. */
import t from 'tap';
import { P12, refusalsIn, residentBytes } from '../../torture/proofs/p12-outage.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(300_000);

t.test('an answer that says nothing certain is a refusal, and so is none', async t => {
  const about = { op: 'prepare', id: 'a', topic: 'transfers', key: 'k', number: 1 } as const;
  t.same(
    refusalsIn([
      { event: 'invoke', ...about },
      { event: 'info', why: '503 {}', ...about },
      { event: 'invoke', ...about },
      { event: 'ok', state: 'prepared', ...about },
    ]),
    ['prepare a: 503 {}'],
  );
});

t.test('memory of a process', P12.lacks() === null ? {} : { skip: P12.lacks()! }, async t => {
  t.ok(residentBytes(process.pid) > 10e6);
  t.throws(() => residentBytes(2 ** 30), /ENOENT/);
});

testProof(P12);
