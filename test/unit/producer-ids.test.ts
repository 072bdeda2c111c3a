import t from 'tap';
import { newTransactionId } from '../../producer-sdk/client/transaction-id.ts';

t.test('ids are of one width, unlike each other, and sort by the order they were made in', async t => {
  const ids = Array.from({ length: 100_000 }, newTransactionId);
  t.equal(new Set(ids).size, ids.length);
  t.ok(ids.every(id => /^[0-9a-v]{24}$/.test(id)));
  t.same(ids.toSorted(), ids);
});

t.test('an id says when it was made, also when the clock stands still or goes back', async t => {
  const { now } = Date;
  t.teardown(() => {
    Date.now = now;
  });
  const ahead = now() + 1_000_000;
  Date.now = () => ahead;
  const first = newTransactionId();
  t.equal(Number.parseInt(first.slice(0, 9), 32), ahead);
  const many = Array.from({ length: 40_000 }, newTransactionId);
  Date.now = () => ahead - 60_000;
  const all = [first, ...many, newTransactionId()];
  t.same(all.toSorted(), all);
  t.equal(Number.parseInt(all.at(-1)!.slice(0, 9), 32), ahead + 1, 'more than a millisecond holds go into the next');
});
