import fc from 'fast-check';
import t from 'tap';
import {
  DEFAULT_CHECK_POLICY,
  firstCheckAt,
  nextCheckAfterFailure,
  nextCheckAfterUnknown,
} from '../../broker/transaction/schedule.ts';

const policy = { ...DEFAULT_CHECK_POLICY, intervalMs: 30_000, maxIntervalMs: 300_000 };

t.test('the first check is due exactly afterMs after the broker stored the transaction', async t => {
  t.equal(firstCheckAt(1_000, 6_000), 7_000);
});

t.test('unknown: intervalMs, doubling up to maxIntervalMs', async t => {
  const delays = [1, 2, 3, 4, 5, 6, 1000].map(attempts => nextCheckAfterUnknown(attempts, policy, 0, 0));
  t.same(delays, [30_000, 60_000, 120_000, 240_000, 300_000, 300_000, 300_000]);
});

t.test('no answer: from one second on, doubling up to maxIntervalMs', async t => {
  const delays = [1, 2, 3, 10, 5000].map(failures => nextCheckAfterFailure(failures, policy, 0, 0));
  t.same(delays, [1_000, 2_000, 4_000, 300_000, 300_000]);
  t.equal(nextCheckAfterFailure(1, { ...policy, intervalMs: 100 }, 0, 0), 100);
});

t.test('jitter only lengthens, by at most 20 %', async t => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), random, (n, chance) => {
      for (const next of [nextCheckAfterUnknown, nextCheckAfterFailure]) {
        const plain = next(n, policy, 0, 0);
        const jittered = next(n, policy, 0, chance);
        if (jittered < plain || jittered > plain * 1.2 + 1) return false;
      }
      return true;
    }),
  );
  t.pass('2 × 100 cases');
});
