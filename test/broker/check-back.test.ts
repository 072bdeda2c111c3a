/** The check-back against real producers over HTTP: what is asked when, and what answers do. */
import t from 'tap';
import { judgeLeisure } from '../../broker/api/admission.ts';
import { StorageFullError, type Store } from '../../broker/store/store.ts';
import { ids, openCheckBack, QUICK, until } from '../support/check-back.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { openStore, resolveCommand, temporaryFolder } from '../support/store.ts';

// The library's own half minute is for the whole file; a loaded machine needs more.
t.setTimeout(115_000);

const MINUTE_MS = 60_000;

t.test('commit and rollback: asked once, decided, and never asked again', async t => {
  const handler = await startCheckHandler(t, id => (id === 'yes' ? 'commit' : id === 'no' ? 'rollback' : 'unknown'));
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: handler.url });
  await bench.prepare('g', ['yes', 'no', 'later']);
  t.equal(bench.checkBack.lastCallMs('g'), null, 'no call has ended');
  bench.checkBack.start();
  await until('the third is asked five times', () => handler.asked.filter(id => id === 'later').length >= 5);
  t.match(await bench.transaction('yes'), { state: 'committed', resolvedBy: 'check', checkAttempts: 0 });
  t.match(await bench.transaction('no'), { state: 'rolled_back', resolvedBy: 'check', nextCheckAt: null });
  t.equal((await bench.transaction('yes')).messages[0]!.state, 'ready');
  t.equal(handler.asked.filter(id => id !== 'later').length, 2);
  const { group, checks } = handler.calls[0]!.body;
  t.equal(group, 'g');
  const { preparedAt } = await bench.transaction('yes');
  const sent = { transactionId: 'yes', attempt: 1, preparedAt: new Date(preparedAt).toISOString() };
  t.same(
    checks.find(check => check.transactionId === 'yes'),
    sent,
  );
  t.equal(handler.calls[0]!.headers['content-type'], 'application/json');
  t.equal(handler.calls[0]!.headers['webhook-signature'], undefined, 'nothing to sign with');
  t.match(bench.results, { commit: 1, rollback: 1 });
  t.ok(bench.checkBack.lastCallMs('g')! > 0, 'how long the last call took');
  t.equal(bench.checkBack.lastCallMs('other'), null);
});

t.test('V7: unknown n times, then commit: no further check', async t => {
  const handler = await startCheckHandler(t, (id, attempt) => (id === 'v7' && attempt > 3 ? 'commit' : 'unknown'));
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: handler.url, check: { ...QUICK, limit: 1_000 } });
  await bench.prepare('g', ['v7', 'clock']);
  bench.checkBack.start();
  await until('the other is asked nine times', () => handler.asked.filter(id => id === 'clock').length >= 9);
  const attempts = handler.calls.flatMap(call => call.body.checks.filter(one => one.transactionId === 'v7'));
  t.same(
    attempts.map(one => one.attempt),
    [1, 2, 3, 4],
  );
  t.match(await bench.transaction('v7'), { state: 'committed', checkAttempts: 3 });
});

t.test(
  'after the limit: unresolved and left alone, or rolled back by policy; an operator may have it asked again',
  async t => {
    const handler = await startCheckHandler(t, () => 'unknown');
    const bench = await openCheckBack(t);
    await bench.putGroup('kept', { checkUrl: handler.url, check: { ...QUICK, limit: 3 } });
    await bench.putGroup('dropped', { checkUrl: handler.url, check: { ...QUICK, limit: 3, onLimit: 'rollback' } });
    await bench.prepare('kept', ['a']);
    await bench.prepare('dropped', ['b']);
    bench.checkBack.start();
    await until('a is unresolved', async () => (await bench.transaction('a')).unresolved);
    await until('b is rolled back', async () => (await bench.transaction('b')).state === 'rolled_back');
    t.match(await bench.transaction('a'), { state: 'prepared', checkAttempts: 3, nextCheckAt: null });
    t.match(await bench.transaction('b'), { resolvedBy: 'policy' });
    t.equal(handler.asked.length, 6);
    handler.answer(() => 'commit');
    await bench.coordinator.submit([{ type: 'ask', id: 'a', reason: 'the producer is mended' }]);
    await until('a is committed', async () => (await bench.transaction('a')).state === 'committed');
    t.equal(handler.calls.at(-1)!.body.checks[0]!.attempt, 1, 'the count of unknown starts anew');
  },
);

t.test('a group without a check address is never asked: its transactions wait for a person', async t => {
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: null });
  await bench.prepare('g', ids('t', 250));
  bench.checkBack.start();
  const all = ids('t', 250);
  await until('all are unresolved', async () =>
    (await Promise.all(all.map(bench.transaction))).every(one => one.unresolved),
  );
  t.equal(await bench.count(all, 'prepared'), 250);
  t.same(bench.calls, []);
});

t.test('I5: a commit while the check is under way: one of them wins, and no further check', async t => {
  const handler = await startCheckHandler(t);
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: handler.url });
  await bench.prepare('g', ['same', 'opposite']);
  handler.respond(async (call, response) => {
    await bench.coordinator.submit([resolveCommand('same'), resolveCommand('opposite')]);
    const resolutions = [
      { transactionId: 'same', resolution: 'commit' },
      { transactionId: 'opposite', resolution: 'rollback' },
    ];
    response.end(JSON.stringify({ group: call.body.group, resolutions }));
  });
  bench.checkBack.start();
  await until('the answer is in', () => bench.results.commit === 1);
  t.match(await bench.transaction('same'), { state: 'committed', resolvedBy: 'producer', contradicted: false });
  t.match(await bench.transaction('opposite'), { state: 'committed', resolvedBy: 'producer', contradicted: true });
  handler.answer(() => 'unknown');
  await bench.prepare('g', ['next']);
  await until('another is asked twice', () => handler.asked.filter(id => id === 'next').length >= 2);
  t.equal(handler.asked.filter(id => id !== 'next').length, 2);
});

t.test('I11: a producer away for longer than limit × interval costs no attempt and loses nothing', async t => {
  const handler = await startCheckHandler(t, () => 'commit');
  const port = Number(new URL(handler.url).port);
  const { url } = handler;
  await handler.close();
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: url, check: { ...QUICK, limit: 2 } });
  await bench.prepare('g', ['t']);
  bench.checkBack.start();
  await until('four calls failed', () => (bench.results.no_answer ?? 0) >= 4);
  t.match(await bench.transaction('t'), {
    state: 'prepared',
    unresolved: false,
    checkAttempts: 0,
    lastCheckError: 'refused the connection',
  });
  t.match(bench.coordinator.group('g'), { lastAnswerAt: null, lastError: 'refused the connection' });
  t.equal(bench.coordinator.counters().get('overdue:g'), 1);
  await handler.listen(port);
  await until('it is committed', async () => (await bench.transaction('t')).state === 'committed');
  t.match(bench.coordinator.group('g'), { lastAnswerAt: Number, lastError: null });
});

t.test(
  'a group that answers again is asked at once about what waits in a long back-off, and about nothing else',
  async t => {
    const handler = await startCheckHandler(t, () => 'commit');
    const bench = await openCheckBack(t);
    const check = { afterMs: 60 * MINUTE_MS, intervalMs: 30_000, maxIntervalMs: 10 * MINUTE_MS };
    await bench.putGroup('g', { checkUrl: handler.url, check });
    await bench.prepare('g', [...ids('put-off', 3), 'waiting']);
    const failure = { type: 'answer', answer: 'none', error: 'refused the connection' } as const;
    for (let i = 0; i < 12; i++) await bench.coordinator.submit(ids('put-off', 3).map(id => ({ ...failure, id })));
    await bench.coordinator.submit([{ type: 'group_health', group: 'g', error: 'refused the connection' }]);
    bench.checkBack.start();
    await bench.prepare('g', ['fresh'], 20);
    await until('they are committed', async () => (await bench.count(ids('put-off', 3), 'committed')) === 3);
    t.ok(handler.asked.indexOf('fresh') < handler.asked.indexOf('put-off-0'));
    t.equal((await bench.transaction('waiting')).state, 'prepared');
    t.notOk(handler.asked.includes('waiting'));
  },
);

t.test('a test question that is answered counts as an answer', async t => {
  const handler = await startCheckHandler(t, () => 'commit');
  const bench = await openCheckBack(t);
  const group = await bench.putGroup('g', {
    checkUrl: handler.url,
    check: { afterMs: MINUTE_MS, maxIntervalMs: MINUTE_MS },
  });
  await bench.prepare('g', ['put-off']);
  const failure = { type: 'answer', id: 'put-off', answer: 'none', error: 'cannot be reached' } as const;
  for (let i = 0; i < 12; i++) await bench.coordinator.submit([failure]);
  await bench.coordinator.submit([{ type: 'group_health', group: 'g', error: 'cannot be reached' }]);
  bench.checkBack.start();
  await until('the loop has looked', () => bench.looks.count > 0);
  t.match(await bench.checkBack.test(group), { ok: true, status: 200, error: null });
  t.match(bench.coordinator.group('g'), { lastError: null, lastAnswerAt: Number });
  await until('it is committed', async () => (await bench.transaction('put-off')).state === 'committed');
});

t.test('a test question that is refused shows, one that a stop cut off does not', async t => {
  const handler = await startCheckHandler(t);
  const bench = await openCheckBack(t);
  const group = await bench.putGroup('g', { checkUrl: handler.url });
  handler.respond((_, response) => void response.writeHead(500).end());
  t.match(await bench.checkBack.test(group), { ok: false, status: 500 });
  t.match(bench.coordinator.group('g'), { lastError: /500/ });
  handler.answer(() => 'unknown');
  await bench.checkBack.test(group);
  t.match(bench.coordinator.group('g'), { lastError: null });
  handler.respond(() => {});
  const cutOff = bench.checkBack.test(group);
  await until('it is asked', () => handler.inFlight === 1);
  await bench.checkBack.stop(0);
  t.match(await cutOff, { ok: false });
  t.match(bench.coordinator.group('g'), { lastError: null });
});

t.test('I12: what was pending before a restart is checked after it, with nothing sent', async t => {
  const folder = temporaryFolder(t);
  const before = openStore(t, folder);
  const first = await openCheckBack(t, { dataStore: before });
  const handler = await startCheckHandler(t, () => 'commit');
  await first.putGroup('g', { checkUrl: handler.url });
  await first.prepare('g', ids('t', 3));
  await before.close();
  const second = await openCheckBack(t, { dataStore: openStore(t, folder) });
  second.checkBack.start();
  await until('all are committed', async () => (await second.count(ids('t', 3), 'committed')) === 3);
  t.same([...handler.asked].sort(), ids('t', 3));
});

t.test('I14 I15: no check before afterMs; at exactly that age it is checked once, without a spin', async t => {
  const handler = await startCheckHandler(t, () => 'unknown');
  const start = 1_700_000_000_000;
  const bench = await openCheckBack(t, { now: () => start });
  const check = { afterMs: 10 * MINUTE_MS, intervalMs: MINUTE_MS, maxIntervalMs: MINUTE_MS, limit: 3 };
  await bench.putGroup('g', { checkUrl: handler.url, check });
  await bench.prepare('g', ['t']);
  bench.checkBack.start();
  const other = await startCheckHandler(t, () => 'unknown');
  await bench.putGroup('other', { checkUrl: other.url, check: { ...check, afterMs: 10 * MINUTE_MS - 1 } });
  await bench.prepare('other', ['earlier']);
  bench.shift.ms = 10 * MINUTE_MS - 1;
  await until('one due a millisecond earlier is asked', () => other.calls.length === 1);
  t.same(handler.asked, []);
  bench.shift.ms = 10 * MINUTE_MS;
  await until('it is asked', () => bench.results.unknown === 2);
  const looks = bench.looks.count;
  // The clock stands at the age exactly: another second of the loop must bring neither a call nor a look.
  await until('the loop went round once more', async () => {
    await new Promise(resolve => setTimeout(resolve, 1_200));
    return true;
  });
  t.same(handler.asked, ['t']);
  t.ok(bench.looks.count <= looks + 2, `${bench.looks.count - looks} looks`);
  for (const minutes of [11, 12]) {
    bench.shift.ms = minutes * MINUTE_MS;
    await until('it is asked again', async () => (await bench.transaction('t')).checkAttempts === minutes - 9);
    t.equal(handler.asked.length, minutes - 9);
  }
  t.ok((await bench.transaction('t')).unresolved, 'the full number of checks is through');
});

t.test('a clock that jumps forward asks what is due by it, once', async t => {
  const handler = await startCheckHandler(t, () => 'unknown');
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: handler.url, check: { afterMs: 30 * MINUTE_MS, intervalMs: 30 * MINUTE_MS } });
  await bench.prepare('g', ids('t', 250));
  bench.checkBack.start();
  bench.shift.ms = 60 * MINUTE_MS;
  await until('all were answered', () => bench.results.unknown === 250);
  await bench.putGroup('other', { checkUrl: handler.url });
  await bench.prepare('other', ['clock']);
  await until('time passed', () => handler.asked.filter(id => id === 'clock').length >= 3);
  t.equal(handler.asked.filter(id => id !== 'clock').length, 250, 'no storm');
});

t.test('a full disk: nothing is kept, the checks stay due and are asked again', async t => {
  const handler = await startCheckHandler(t, () => 'commit');
  const real = openStore(t);
  let full = false;
  let refused = 0;
  const transact: Store['transact'] = (...args) => {
    if (!full) return real.transact(...args);
    refused++;
    return Promise.reject(new StorageFullError('full'));
  };
  const store = new Proxy(real, {
    get: (_, name: keyof Store) => {
      if (name === 'transact') return transact;
      const value = real[name] as unknown;
      return typeof value === 'function' ? value.bind(real) : value;
    },
  });
  const bench = await openCheckBack(t, { dataStore: store });
  await bench.putGroup('g', { checkUrl: handler.url });
  await bench.prepare('g', ['t']);
  full = true;
  bench.checkBack.start();
  await until('an answer found no room', () => refused >= 2);
  t.match(await bench.transaction('t'), { state: 'prepared', checkFailures: 0 });
  t.same(bench.results, {}, 'nothing is counted that is not durable');
  full = false;
  await until('it is committed', async () => (await bench.transaction('t')).state === 'committed');
  t.same(bench.fatal, []);
});

t.test('a store that fails stops the process', async t => {
  const handler = await startCheckHandler(t, () => 'commit');
  const failure = new Error('disk I/O error');
  const told: Error[] = [];
  const bench = await openCheckBack(t, { onFatal: error => told.push(error) });
  await bench.putGroup('g', { checkUrl: handler.url });
  await bench.prepare('g', ['t']);
  bench.store.transact = () => Promise.reject(failure);
  bench.checkBack.start();
  await until('it is told', () => told.length > 0);
  t.same(told, [failure]);
});

t.test('a store that cannot be read stops the process', async t => {
  const failure = new Error('disk I/O error');
  const bench = await openCheckBack(t, { store: { dueChecks: () => Promise.reject(failure) } });
  await bench.putGroup('g', { checkUrl: 'http://127.0.0.1:9/' });
  bench.checkBack.start();
  await until('it is told', () => bench.fatal.length > 0);
  t.same(bench.fatal, [failure]);
});

t.test('stop: no new call; what answers within the deadline is kept, the rest counts as nothing', async t => {
  const handler = await startCheckHandler(t);
  const hanging = await startCheckHandler(t);
  const bench = await openCheckBack(t);
  await bench.putGroup('slow', { checkUrl: handler.url });
  await bench.putGroup('hanging', { checkUrl: hanging.url });
  const answering = Promise.withResolvers<void>();
  handler.respond(async (call, response) => {
    await answering.promise;
    const resolutions = call.body.checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' }));
    response.end(JSON.stringify({ group: 'slow', resolutions }));
  });
  hanging.respond(() => {});
  await bench.prepare('slow', ['slow']);
  await bench.prepare('hanging', ['hanging']);
  bench.checkBack.start();
  await until('both are asked', () => handler.calls.length === 1 && hanging.calls.length === 1);
  const stopped = bench.checkBack.stop(1_500);
  await bench.prepare('slow', ids('new', 3), 0);
  answering.resolve();
  await stopped;
  t.match(await bench.transaction('slow'), { state: 'committed', resolvedBy: 'check' });
  t.match(await bench.transaction('hanging'), { state: 'prepared', checkFailures: 0, lastCheckError: null });
  t.equal(bench.coordinator.group('hanging')!.lastError, null);
  t.equal(handler.calls.length + hanging.calls.length, 2);
  await until('the sockets are closed', () => hanging.inFlight === 0);
  t.same(bench.fatal, []);
});

t.test('while too much waits for the disk no call starts, answers are kept, and no attempt is counted', async t => {
  const handler = await startCheckHandler(t);
  const looks = { whileOverloaded: 0 };
  const bench = await openCheckBack(t, {
    isOverloaded: () => {
      const isOverloaded = judgeLeisure(bench.coordinator, 'check') !== null;
      if (isOverloaded) looks.whileOverloaded++;
      return isOverloaded;
    },
  });
  await bench.putGroup('g', { checkUrl: handler.url });
  const answering = Promise.withResolvers<void>();
  handler.respond(async (call, response) => {
    await answering.promise;
    const resolutions = call.body.checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' }));
    response.end(JSON.stringify({ group: 'g', resolutions }));
  });
  await bench.prepare('g', ['under-way']);
  await bench.prepare('g', ['due'], 60_000);
  bench.checkBack.start();
  await until('the first is asked', () => handler.calls.length === 1);
  const disk = Promise.withResolvers<void>();
  const transact = bench.store.transact.bind(bench.store);
  bench.store.transact = async (...given) => {
    await disk.promise;
    return transact(...given);
  };
  const much = bench.coordinator.submit(ids('nobody', 21_001).map(id => resolveCommand(id, 'commit')));
  await until('much waits', () => bench.coordinator.waiting.commands >= 20_000);
  bench.shift.ms = 60_000;
  answering.resolve();
  await until('it has looked several times', () => looks.whileOverloaded >= 3);
  t.equal(handler.calls.length, 1, 'what is due is not asked about');
  disk.resolve();
  await much;
  await until('both are decided', async () => (await bench.count(['under-way', 'due'], 'committed')) === 2);
  t.same(handler.asked, ['under-way', 'due']);
  t.match(await bench.transaction('due'), { checkAttempts: 0, checkFailures: 0, resolvedBy: 'check' });
});

t.test('health is written when it changes, not with every answer', async t => {
  const handler = await startCheckHandler(t, () => 'unknown');
  const start = 1_700_000_000_000;
  const bench = await openCheckBack(t, { now: () => start });
  await bench.putGroup('g', { checkUrl: handler.url, check: { ...QUICK, limit: 1_000 } });
  await bench.prepare('g', ['t']);
  bench.checkBack.start();
  const written: (number | null)[] = [];
  const askedAt = async (ms: number): Promise<void> => {
    bench.shift.ms = ms;
    const { unknown = 0 } = bench.results;
    await until('it answered', () => (bench.results.unknown ?? 0) > unknown);
    written.push(bench.coordinator.group('g')!.lastAnswerAt);
  };
  for (const ms of [100, 200, 300, 5_000, 5_100, 5_200]) await askedAt(ms);
  t.same(
    written.map(at => at! - start),
    [100, 100, 100, 100, 5_100, 5_100],
  );
  handler.respond((_call, response) => {
    response.writeHead(500).end();
  });
  bench.shift.ms = 6_000;
  await until('the failure shows', () => bench.coordinator.group('g')!.lastError === 'answered 500');
  t.equal(bench.coordinator.group('g')!.lastAnswerAt, start + 5_100);
});
