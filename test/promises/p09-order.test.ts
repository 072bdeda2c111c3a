/** P9 at its short size on the sharedKafka of all tests, and its fault. */
import t from 'tap';
import { judgeCalls } from '../../torture/call-checker.ts';
import type { CallEvent } from '../../torture/call-history.ts';
import { P9 } from '../../torture/proofs/p09-order.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(300_000);

t.test('the order within a transaction counts, too, and each of its messages', async t => {
  const about = { op: 'commit', id: 'a', topic: 'transfers', key: 'k', keys: ['k', 'k', 'l'], number: 1 } as const;
  const events: CallEvent[] = [
    { event: 'invoke', ...about },
    { event: 'ok', state: 'committed', ...about },
  ];
  const kinds = (...order: number[]): string[] => {
    const records = order.map(index => ({ topic: 'transfers', partition: 0, id: 'a', index }));
    return judgeCalls({ events, states: null, records }).anomalies.map(({ kind }) => kind);
  };
  t.same(kinds(0, 1, 2), []);
  t.same(kinds(0, 2, 0, 1), [], 'a repeat of the first, and order between keys is nobody’s business');
  t.same(kinds(1, 0, 2), ['inversion']);
  t.same(kinds(0, 1), ['missing']);
  t.same(kinds(0, 1, 2, 3), ['unknown']);
});

testProof(P9);
