import t from 'tap';
import { GroupPace, MAX_CALLS_IN_FLIGHT, MAX_CHECKS_PER_CALL, type Turn } from '../../broker/check-back/group-pace.ts';
import type { DueCheck } from '../../broker/store/store.ts';

const NOW = 1_000_000;

const check = (id: string, more: Partial<DueCheck> = {}): DueCheck => ({
  transactionId: id,
  preparedAt: 0,
  checkAttempts: 0,
  checkFailures: 0,
  nextCheckAt: NOW,
  traceparent: null,
  tracestate: null,
  ...more,
});

const checks = (prefix: string, count: number, more: Partial<DueCheck> = {}): DueCheck[] =>
  Array.from({ length: count }, (_, i) => check(`${prefix}${i}`, more));

const look = (pace: GroupPace, planned: DueCheck[], now = NOW): Turn[] =>
  pace.choose(planned.slice(0, pace.beginLook()), now);

const sizes = (turns: Turn[]): number[] => turns.map(turn => turn.checks.length);

t.test('calls in flight and ids in a call are bounded, and no id is in two calls', async t => {
  const pace = new GroupPace(false);
  const planned = checks('t', 1_000);
  const turns = look(pace, planned);
  t.same(sizes(turns), [100, 100, 100, 100]);
  t.equal(turns.length, MAX_CALLS_IN_FLIGHT);
  t.equal(pace.waitMs(NOW, 0), Number.POSITIVE_INFINITY, 'nothing to look for until a call ends');
  pace.answered(turns[1]!, []);
  t.equal(pace.waitMs(NOW, 0), 0);
  const [next, ...others] = look(
    pace,
    planned.filter(one => !turns[1]!.checks.includes(one)),
  );
  t.equal(others.length, 0);
  t.equal(next!.checks[0]!.transactionId, 't400', 'those in flight are left out, and got past');
});

t.test('what is not due is waited for, also what is planned while the store is looked into', async t => {
  const pace = new GroupPace(false);
  t.same(look(pace, [check('a', { nextCheckAt: NOW + 1 })]), []);
  t.equal(pace.waitMs(NOW, 0), 1);
  t.equal(pace.waitMs(NOW + 1, 0), 0);
  pace.beginLook();
  pace.planned(NOW + 5);
  t.same(pace.choose([], NOW), []);
  t.equal(pace.waitMs(NOW, 0), 5);
  t.same(sizes(look(pace, [check('a')])), [1], 'due at the very moment');
});

t.test('a failing group gets one call at a time, after pauses that double up to 10 s', async t => {
  const pace = new GroupPace(false);
  let mono = 0;
  const first = look(pace, checks('t', 1_000));
  for (const turn of first) pace.failed(turn, false, mono);
  t.ok(pace.failing);
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    const pause = pace.waitMs(NOW, mono);
    pauses.push(pause);
    mono += pause;
    const turns = look(pace, checks('t', 1_000));
    t.equal(turns.length, 1);
    t.equal(turns[0]!.checks.length, MAX_CHECKS_PER_CALL);
    pace.failed(turns[0]!, false, mono);
  }
  t.same(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000], 'four failures together were one');
  mono += 10_000;
  pace.answered(look(pace, checks('t', 1_000))[0]!, []);
  t.notOk(pace.failing);
  t.equal(look(pace, checks('u', 1_000)).length, MAX_CALLS_IN_FLIGHT, 'any answer brings full speed');
});

t.test('after a failure that ids may have caused they are asked in smaller calls, down to one', async t => {
  const pace = new GroupPace(false);
  const [first] = look(pace, checks('t', 100));
  pace.failed(first!, true, 0);
  const ten = look(pace, checks('t', 100));
  t.same(sizes(ten), [10]);
  t.ok(ten[0]!.suspects);
  pace.answered(ten[0]!, []);
  const rest = checks('t', 100).slice(10);
  const second = look(pace, rest);
  t.same(sizes(second), [10], 'suspects have one call at a time');
  pace.failed(second[0]!, true, 0);
  t.notOk(pace.failing, 'a suspect is to blame, not the group');
  t.same(sizes(look(pace, rest.slice(0, 10))), [1]);
});

t.test('suspects of different sizes share a call only as far as the smaller size allows', async t => {
  const pace = new GroupPace(false);
  pace.failed(look(pace, checks('ten', 100))[0]!, true, 0);
  pace.reached();
  pace.failed(look(pace, checks('one', 10))[0]!, true, 0);
  pace.reached();
  const turns = look(pace, [...checks('ten', 3), ...checks('one', 2)]);
  t.same(sizes(turns), [3]);
  pace.answered(turns[0]!, []);
  t.same(sizes(look(pace, [...checks('one', 2), ...checks('ten', 8).slice(3)])), [1]);
});

t.test('a poison id does not hold up the others, however often it is asked', async t => {
  const pace = new GroupPace(false);
  pace.failed(look(pace, [check('poison')])[0]!, true, 0);
  pace.reached();
  const turns = look(pace, [check('poison'), ...checks('t', 500)]);
  t.equal(turns.length, MAX_CALLS_IN_FLIGHT);
  t.same(turns[0]!.checks[0]!.transactionId, 'poison');
  for (const turn of turns.slice(1)) {
    t.notOk(turn.suspects);
    pace.answered(turn, []);
  }
  for (let i = 0; i < 10; i++) {
    pace.failed(turns[0]!, true, 0);
    const again = look(pace, [check('poison'), ...checks(`u${i}-`, 500)]);
    t.equal(again.filter(turn => !turn.suspects).length, MAX_CALLS_IN_FLIGHT - 1, 'no pause, no fewer calls');
    for (const turn of again.slice(1)) pace.answered(turn, []);
    turns[0] = again[0]!;
  }
});

t.test('while the group fails as a whole, suspects do not take the one call from the others', async t => {
  const pace = new GroupPace(false);
  pace.failed(look(pace, checks('s', 10))[0]!, true, 0);
  const [turn] = look(pace, [...checks('s', 10), ...checks('t', 10)]);
  t.notOk(turn!.suspects);
  pace.failed(turn!, false, 200);
  const [suspects] = look(pace, checks('s', 10));
  t.ok(suspects!.suspects, 'but they are asked when there is nobody else');
  pace.failed(suspects!, true, 1_000);
  t.equal(pace.waitMs(NOW, 1_000), 800, 'and then their failure is the group’s');
});

t.test('calls of new ids shrink too, and grow again with every full one answered', async t => {
  const pace = new GroupPace(false);
  pace.failed(look(pace, checks('t', 100))[0]!, true, 0);
  const first = look(pace, checks('u', 300));
  t.same(sizes(first), [10], 'one, while the group fails');
  pace.answered(first[0]!, []);
  const second = look(pace, checks('v', 300));
  t.same(sizes(second), [11, 11, 11, 11]);
  for (const turn of second) pace.answered(turn, []);
  t.equal(look(pace, checks('w', 300))[0]!.checks.length, 12, 'calls of an older size do not count');
});

t.test('a group that answers again is asked early about what its failure put off, each id once', async t => {
  const pace = new GroupPace(true);
  const later = NOW + 300_000;
  const putOff = checks('put-off', 5, { checkFailures: 9, nextCheckAt: later });
  const waiting = checks('waiting', 5, { nextCheckAt: later });
  const never = look(pace, [...putOff, ...waiting]);
  t.same(never, [], 'not while nothing says that it answers');
  pace.answered(look(pace, [check('now'), ...putOff, ...waiting])[0]!, []);
  const [early] = look(pace, [...putOff, ...waiting]);
  t.same(
    early!.checks.map(one => one.transactionId),
    putOff.map(one => one.transactionId),
    'never what waits for its own time',
  );
  pace.answered(early!, ['put-off0']);
  t.same(look(pace, [...putOff.slice(0, 1), ...waiting]), [], 'one that got no answer again has had its turn');
  t.same(look(pace, [...putOff, ...waiting]), [], 'and it is over when there is nothing left');
});

t.test('catching up gets past a long queue of what is due', async t => {
  const pace = new GroupPace(true);
  const asked = new Set<DueCheck>();
  let left = [...checks('t', 5_000), ...checks('put-off', 3, { checkFailures: 9, nextCheckAt: NOW + 300_000 })];
  for (let turns = look(pace, left); turns.length > 0; turns = look(pace, left)) {
    for (const turn of turns) {
      for (const one of turn.checks) asked.add(one);
      pace.answered(turn, []);
    }
    left = left.filter(one => !asked.has(one));
  }
  t.equal(asked.size, 5_003);
});

t.test('suspects are caught up with too, each once', async t => {
  const pace = new GroupPace(false);
  const suspects = checks('s', 20, { checkFailures: 1, nextCheckAt: NOW + 300_000 });
  pace.failed(look(pace, checks('s', 20))[0]!, true, 0);
  t.same(look(pace, suspects), [], 'while it fails their back-off counts');
  pace.reached();
  const asked: string[] = [];
  for (let turns = look(pace, suspects); turns.length > 0; turns = look(pace, suspects)) {
    t.same(sizes(turns), [2]);
    asked.push(...turns[0]!.checks.map(one => one.transactionId));
    pace.failed(turns[0]!, true, 0);
  }
  t.same(
    asked,
    suspects.map(one => one.transactionId),
  );
});

t.test('catching up ends with a failure', async t => {
  const pace = new GroupPace(true);
  const putOff = checks('put-off', 200, { checkFailures: 9, nextCheckAt: NOW + 300_000 });
  pace.answered(look(pace, [check('first')])[0]!, []);
  const [early] = look(pace, putOff);
  pace.failed(early!, false, 0);
  t.same(look(pace, putOff), []);
});

t.test('a call that counts for nothing only delays', async t => {
  const pace = new GroupPace(false);
  const turns = look(pace, checks('t', 10));
  pace.dropped(turns[0]!, 50, 1_000);
  t.notOk(pace.failing);
  t.equal(pace.waitMs(NOW, 50), 1_000);
  t.same(sizes(look(pace, checks('t', 10))), [10], 'the same ids again');
});

t.test('what is remembered is bounded', async t => {
  const pace = new GroupPace(false);
  for (let i = 0; i < 50; i++) {
    for (const turn of look(pace, checks(`t${i}-`, 400))) pace.failed(turn, true, 0);
    pace.reached();
  }
  t.ok(pace.beginLook() <= 1_000 + MAX_CALLS_IN_FLIGHT * MAX_CHECKS_PER_CALL + 1 + 1_000);
});
