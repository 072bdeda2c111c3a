/** No group waits for another, and no id for its neighbours: slow, hanging, dead and poisonous producers under load. */
import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import type { CheckBackSettings } from '../../broker/check-back/check-back.ts';
import { MAX_CALLS_IN_FLIGHT, MAX_CHECKS_PER_CALL } from '../../broker/check-back/group-pace.ts';
import { clock } from '../../broker/clock.ts';
import { type CheckBackBench, ids, openCheckBack, QUICK, until } from '../support/check-back.ts';
import { type AskedCall, type CheckHandler, startCheckHandler } from '../support/check-handler.ts';

// The library's own half minute is for the whole file; a loaded machine needs more.
t.setTimeout(115_000);

const commitAll = (call: AskedCall, response: ServerResponse): void => {
  const resolutions = call.body.checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' }));
  response.end(JSON.stringify({ group: call.body.group, resolutions }));
};

/** Calls in flight per group as the server sees them. */
const watch = (handler: CheckHandler, respond: (call: AskedCall, response: ServerResponse) => void) => {
  const now = new Map<string, number>();
  const most = new Map<string, number>();
  handler.respond((call, response) => {
    const { group } = call.body;
    now.set(group, (now.get(group) ?? 0) + 1);
    most.set(group, Math.max(most.get(group) ?? 0, now.get(group)!));
    response.on('close', () => now.set(group, now.get(group)! - 1));
    respond(call, response);
  });
  return { now, most };
};

const openGroups = async (
  t: Test,
  handler: CheckHandler,
  groups: string[],
  more: Partial<CheckBackSettings> = {},
): Promise<CheckBackBench> => {
  const bench = await openCheckBack(t, more);
  for (const group of groups) await bench.putGroup(group, { checkUrl: handler.url });
  return bench;
};

t.test('I18 I19: thousands due at once, one group hanging on the same server: the others are all asked', async t => {
  const handler = await startCheckHandler(t);
  // The first answers wait for each other, so that a bound below the promised one would show.
  const first: (() => void)[] = [];
  const { now, most } = watch(handler, (call, response) => {
    if (call.body.group === 'hanging') return;
    if (call.body.group === 'b' || first.length === MAX_CALLS_IN_FLIGHT)
      return void setTimeout(() => commitAll(call, response), 5);
    first.push(() => commitAll(call, response));
    if (first.length === MAX_CALLS_IN_FLIGHT) for (const answer of first) answer();
  });
  const bench = await openGroups(t, handler, ['hanging', 'a', 'b'], { deadlineMs: 600_000 });
  for (const group of ['hanging', 'a', 'b']) await bench.prepare(group, ids(group, 2_500));
  bench.checkBack.start();
  await until('a and b are decided', async () => {
    const decided = bench.coordinator.counters().get('transactions.committed');
    return decided === 5_000;
  });
  t.equal(now.get('hanging'), MAX_CALLS_IN_FLIGHT, 'the hanging calls hang still');
  t.equal(handler.calls.filter(call => call.body.group === 'hanging').length, MAX_CALLS_IN_FLIGHT);
  t.ok(
    [...most.values()].every(count => count <= MAX_CALLS_IN_FLIGHT),
    JSON.stringify([...most]),
  );
  t.equal(most.get('a'), MAX_CALLS_IN_FLIGHT, 'and all of them are used');
  t.ok(handler.calls.every(call => call.body.checks.length <= MAX_CHECKS_PER_CALL));
  const asked = handler.asked.filter(id => !id.startsWith('hanging'));
  t.equal(asked.length, 5_000, 'each was asked once');
  const hanging = handler.asked.filter(id => id.startsWith('hanging'));
  t.equal(new Set(hanging).size, hanging.length, 'no id is in two calls at once');
});

t.test('a group that hangs does not delay checks that another plans meanwhile', async t => {
  const handler = await startCheckHandler(t);
  watch(handler, (call, response) => {
    if (call.body.group === 'good') commitAll(call, response);
  });
  const bench = await openGroups(t, handler, ['hanging', 'good'], { deadlineMs: 600_000 });
  await bench.prepare('hanging', ids('hanging', 500));
  bench.checkBack.start();
  await until('it hangs', () => handler.calls.length === MAX_CALLS_IN_FLIGHT);
  for (const id of ids('good', 10)) {
    await bench.prepare('good', [id]);
    await until(`${id} is decided`, async () => (await bench.transaction(id)).state === 'committed');
  }
  t.equal(handler.inFlight, MAX_CALLS_IN_FLIGHT, 'it hangs still');
});

t.test('I17: a group whose answers are poison does not touch the others', async t => {
  const handler = await startCheckHandler(t);
  const poison = ['{', '[]', '{"group":"poison","resolutions":[{}]}', '{"group":"good","resolutions":[]}'];
  let calls = 0;
  watch(handler, (call, response) => {
    if (call.body.group === 'good') commitAll(call, response);
    else if (calls++ % 5 === 4) response.destroy();
    else response.end(poison[calls % poison.length]);
  });
  const bench = await openGroups(t, handler, ['poison', 'good']);
  await bench.prepare('poison', ids('poison', 1_000));
  await bench.prepare('good', ids('good', 1_000));
  bench.checkBack.start();
  await until('the good are decided', async () => (await bench.count(ids('good', 1_000), 'committed')) === 1_000);
  await until('the poison was tasted', () => calls >= 10);
  t.equal(await bench.count(ids('poison', 1_000), 'prepared'), 1_000);
  t.equal(bench.coordinator.group('good')!.lastError, null);
  t.equal(handler.asked.filter(id => id.startsWith('good')).length, 1_000);
});

t.test('an id that makes the handler hang ends up alone; its neighbours are decided', async t => {
  const handler = await startCheckHandler(t);
  watch(handler, (call, response) => {
    if (call.body.checks.every(check => check.transactionId !== 't-50')) commitAll(call, response);
  });
  const bench = await openGroups(t, handler, ['g'], { deadlineMs: 250 });
  await bench.prepare('g', ids('t', 100));
  bench.checkBack.start();
  await until('the neighbours are decided', async () => (await bench.count(ids('t', 100), 'committed')) === 99);
  const poisoned = () =>
    handler.calls
      .filter(call => call.body.checks.some(check => check.transactionId === 't-50'))
      .map(call => call.body.checks.length);
  await until('it is asked alone', () => poisoned().includes(1));
  t.same(poisoned().slice(0, 3), [100, 10, 1]);
  t.match(await bench.transaction('t-50'), {
    state: 'prepared',
    checkAttempts: 0,
    lastCheckError: 'no answer within 0.25 s',
  });
  await bench.prepare('g', ids('more', 300));
  await until('others go on', async () => (await bench.count(ids('more', 300), 'committed')) === 300);
  t.ok(
    poisoned()
      .slice(2)
      .every(size => size === 1),
    'it stays alone',
  );
  await until('the group is well', () => bench.coordinator.group('g')!.lastError === null);
});

t.test('an id that makes the handler fail is isolated in the same way', async t => {
  const handler = await startCheckHandler(t);
  watch(handler, (call, response) => {
    if (call.body.checks.every(check => check.transactionId !== 't-7')) commitAll(call, response);
    else response.writeHead(500).end();
  });
  const bench = await openGroups(t, handler, ['g']);
  await bench.prepare('g', ids('t', 100));
  bench.checkBack.start();
  await until('the neighbours are decided', async () => (await bench.count(ids('t', 100), 'committed')) === 99);
  t.match(await bench.transaction('t-7'), { state: 'prepared', checkAttempts: 0 });
});

t.test('a handler too slow for a hundred at once is asked about fewer', async t => {
  const handler = await startCheckHandler(t);
  watch(handler, (call, response) => {
    if (call.body.checks.length <= 20) commitAll(call, response);
  });
  const bench = await openGroups(t, handler, ['g'], { deadlineMs: 250 });
  await bench.prepare('g', ids('t', 1_500));
  bench.checkBack.start();
  await until('all are decided', async () => bench.coordinator.counters().get('transactions.committed') === 1_500);
  t.equal(bench.coordinator.counters().get('transactions.prepared') ?? 0, 0);
});

t.test('ids left out, and ids answered unknown, do not delay others', async t => {
  const handler = await startCheckHandler(t, id =>
    id.startsWith('good') ? 'commit' : id < 'out-5' ? 'unknown' : undefined,
  );
  const bench = await openGroups(t, handler, ['g']);
  await bench.prepare('g', ids('out', 1_000));
  await bench.prepare('g', ids('good', 1_000));
  bench.checkBack.start();
  await until('the good are decided', async () => (await bench.count(ids('good', 1_000), 'committed')) === 1_000);
  t.equal(handler.asked.filter(id => id.startsWith('good')).length, 1_000);
});

t.test('a dead group with thousands due is not asked at full speed, and is drained when it is back', async t => {
  const handler = await startCheckHandler(t);
  let dead = true;
  const deadCalls: number[] = [];
  const { most } = watch(handler, (call, response) => {
    if (!dead) return void setTimeout(() => commitAll(call, response), 5);
    deadCalls.push(clock.monotonic());
    response.writeHead(503).end();
  });
  const bench = await openGroups(t, handler, ['g']);
  const { checkBack } = bench;
  await bench.prepare('g', ids('t', 3_000));
  checkBack.start();
  await until('eight calls failed', () => deadCalls.length >= 8);
  // The first four were in flight together; after the fifth each waits twice as long as the one before.
  for (const [i, least] of [400, 800, 1_600].entries()) {
    const gap = deadCalls[i + 5]! - deadCalls[i + 4]!;
    t.ok(gap >= least - 5, `${Math.round(gap)} ms before call ${i + 6}`);
  }
  const untouched = (await Promise.all(ids('t', 3_000).map(bench.transaction))).filter(one => one.checkFailures === 0);
  t.ok(untouched.length >= 2_200, `${untouched.length} were not even asked`);
  t.ok(
    untouched.every(one => one.nextCheckAt! <= Date.now()),
    'and stay due',
  );
  dead = false;
  await until('all are decided', async () => bench.coordinator.counters().get('transactions.committed') === 3_000);
  t.ok(most.get('g')! <= MAX_CALLS_IN_FLIGHT);
});

t.test('calls reuse their connections', async t => {
  const handler = await startCheckHandler(t, () => 'commit');
  const ports = new Set<number | undefined>();
  watch(handler, (call, response) => {
    ports.add(response.socket?.remotePort);
    commitAll(call, response);
  });
  const bench = await openGroups(t, handler, ['g']);
  await bench.putGroup('g', { checkUrl: handler.url, check: QUICK });
  await bench.prepare('g', ids('t', 3_000));
  bench.checkBack.start();
  await until('all are decided', async () => bench.coordinator.counters().get('transactions.committed') === 3_000);
  t.ok(handler.calls.length >= 30);
  t.ok(ports.size <= MAX_CALLS_IN_FLIGHT, `${ports.size} connections`);
});
