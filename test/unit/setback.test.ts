import t from 'tap';
import { Setback } from '../../broker/forward/setback.ts';

const at = (monotonic: number, random = 0) => ({ now: 1_000_000 + monotonic, monotonic, random });

t.test('pauses double from 100 ms to 5 s where nobody knows, from 1 s to 10 s where the fault is known', async t => {
  for (const [fault, expected] of [
    ['unknown', [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]],
    ['topic', [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]],
    ['partition', [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]],
  ] as const) {
    const setback = new Setback(600_000);
    const pauses: number[] = [];
    let now = 0;
    for (const _ of expected) {
      setback.happened(fault, 'why', at(now));
      pauses.push(setback.until - now);
      now = setback.until;
    }
    t.same(pauses, expected, fault);
  }
});

t.test('jitter lengthens by a fifth at most', async t => {
  const setback = new Setback(600_000);
  setback.happened('unknown', 'why', at(0, 1));
  t.equal(setback.until, 120);
});

t.test('failures before the pause is over belong to the same round', async t => {
  const setback = new Setback(600_000);
  setback.happened('topic', 'why', at(0));
  setback.happened('topic', 'why', at(999));
  t.equal(setback.until, 1_000);
  setback.happened('topic', 'why', at(1_000));
  t.equal(setback.until, 3_000);
});

t.test('it lasts from the first to the last time seen', async t => {
  const setback = new Setback(600_000);
  t.equal(setback.lastedMs(), 0);
  setback.happened('topic', 'why', at(0));
  t.equal(setback.lastedMs(), 0);
  setback.happened('topic', 'still', at(600_000));
  t.equal(setback.lastedMs(), 600_000);
  t.same(setback.trouble, { fault: 'topic', error: 'still', since: 1_000_000 });
});

t.test('a success, another fault, or a long silence begins anew', async t => {
  const setback = new Setback(600_000);
  setback.happened('topic', 'why', at(0));
  setback.over();
  t.equal(setback.trouble, null);
  t.equal(setback.until, 0);
  setback.happened('topic', 'why', at(100));
  t.equal(setback.lastedMs(), 0);
  setback.happened('partition', 'why', at(200));
  t.equal(setback.trouble!.since, 1_000_200);
  setback.happened('partition', 'why', at(600_200));
  t.equal(setback.lastedMs(), 600_000);
  setback.happened('partition', 'why', at(1_200_201));
  t.equal(setback.lastedMs(), 0);
  t.notOk(setback.isForgotten(1_800_201));
  t.ok(setback.isForgotten(1_800_202));
});
