import { mock } from 'node:test';
import t, { type Test } from 'tap';
import { problemOf } from '../../broker/api/problem.ts';
import { actOnAll, type Call, collectTargets, MAX_TARGETS } from '../../broker/bulk-act.ts';
import type { ErrorCode } from '../../broker/protocol/errors.ts';
import { startServer } from '../support/http-server.ts';

type Answer = Awaited<ReturnType<Call>>;
type Sent = { operations: { op: string; id?: string; messageId?: string; reason: string }[] };

const answer = (body: unknown, status = 200, headers: Record<string, unknown> = {}): Answer => ({
  status,
  headers,
  body,
});

const problem = (code: ErrorCode, more: object = {}) => ({ ...problemOf({ code, detail: `It is ${code}.` }), ...more });

const refused = (code: ErrorCode, more: object = {}, headers = {}): Answer =>
  answer(problem(code, more), problem(code).status, headers);

/** Every operation succeeds. */
const carryOut = (body?: object): Answer =>
  answer({ results: (body as Sent).operations.map(() => ({ status: 200, body: { state: 'committed' } })) });

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `t${i}`);

/** Takes the answers in turn; a function makes one of the request, an error is no answer. */
const scripted = (...answers: (Answer | Error | ((body?: object) => Answer))[]) => {
  const requests: { method: string; path: string; body: Sent }[] = [];
  const call: Call = async (method, path, body) => {
    requests.push({ method, path, body: body as Sent });
    const next = answers[Math.min(requests.length, answers.length) - 1]!;
    if (next instanceof Error) throw next;
    return typeof next === 'function' ? next(body) : next;
  };
  return { call, requests };
};

/** Time passes when the test says so. */
const timersOf = (t: Test): ((ms: number) => void) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  return ms => mock.timers.tick(ms);
};

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

t.test('batches of 500, one after another, in the order given', async t => {
  const { call, requests } = scripted(carryOut);
  const progress: number[] = [];
  const outcome = await actOnAll(call, 'commit', ids(1_201), 'why', ({ done }) => progress.push(done));
  t.strictSame(outcome, { total: 1_201, done: 1_201, refusals: [], stopped: null });
  t.strictSame(progress, [500, 1_000, 1_201]);
  t.strictSame(
    requests.flatMap(({ body }) => body.operations),
    ids(1_201).map(id => ({ op: 'commit', id, reason: 'why' })),
  );
  const { call: none, requests: no } = scripted(carryOut);
  t.match(await actOnAll(none, 'commit', [], 'why'), { total: 0, done: 0, stopped: null });
  t.equal(no.length, 0);
});

t.test('refusals are collected, the others are done', async t => {
  const { call } = scripted(() =>
    answer({
      results: [
        { status: 200, body: {} },
        { status: 409, body: problem('ALREADY_ROLLED_BACK') },
        { status: 202, body: {} },
      ],
    }),
  );
  t.strictSame(await actOnAll(call, 'check', ids(3), 'why'), {
    total: 3,
    done: 2,
    refusals: [{ id: 't1', code: 'ALREADY_ROLLED_BACK', detail: 'It is ALREADY_ROLLED_BACK.' }],
    stopped: null,
  });
});

t.test('a batch without an answer is sent again; a message that is no longer parked then is done', async t => {
  const notParked = () => answer({ results: [{ status: 409, body: problem('NOT_PARKED') }] });
  for (const first of [new Error('cut off'), answer('<html>', 502), refused('INTERNAL')]) {
    const { call, requests } = scripted(first, notParked);
    t.match(await actOnAll(call, 'retry', ['t.0'], 'why'), { done: 1, refusals: [], stopped: null });
    t.strictSame(requests[1], requests[0]);
    t.strictSame(requests[0]!.body.operations, [{ op: 'retry', messageId: 't.0', reason: 'why' }]);
  }
  for (const earlier of [[], [refused('OVERLOADED', { retryAfterMs: 1 })]]) {
    const { call } = scripted(...earlier, notParked);
    t.match(await actOnAll(call, 'discard', ['t.0'], 'why'), { done: 0, refusals: [{ code: 'NOT_PARKED' }] });
  }
});

t.test('what may have been done before is still unsure after the broker has put it off', async t => {
  const { call } = scripted(
    new Error('cut off'),
    answer({ results: [{ status: 503, body: problem('OVERLOADED', { retryAfterMs: 1 }) }] }),
    answer({ results: [{ status: 409, body: problem('NOT_PARKED') }] }),
  );
  t.match(await actOnAll(call, 'retry', ['t.0'], 'why'), { done: 1, refusals: [] });
});

t.test('the broker says when to come again, and only what it put off is sent again', async t => {
  const advance = timersOf(t);
  const { call, requests } = scripted(
    refused('TOO_MANY_REQUESTS', { retryAfterMs: undefined }, { 'retry-after': '7' }),
    answer({
      results: [
        { status: 200, body: {} },
        { status: 507, body: problem('STORAGE_FULL', { retryAfterMs: 3_000 }) },
      ],
    }),
    carryOut,
  );
  const outcome = actOnAll(call, 'rollback', ids(2), 'why');
  const sentAfter = async (ms: number, count: number) => {
    await turn();
    advance(ms - 1);
    await turn();
    t.equal(requests.length, count - 1, 'not before');
    advance(1);
    await turn();
    t.equal(requests.length, count);
  };
  await sentAfter(7_000, 2);
  await sentAfter(3_000, 3);
  t.match(await outcome, { done: 2, refusals: [], stopped: null });
  t.strictSame(
    requests[2]!.body.operations.map(({ id }) => id),
    ['t1'],
  );
});

t.test('whoever is kept waiting for a minute stops, and says what is not done', async t => {
  const advance = timersOf(t);
  const { call, requests } = scripted(carryOut, new Error('ECONNREFUSED.'));
  let outcome: Awaited<ReturnType<typeof actOnAll>> | null = null;
  void actOnAll(call, 'commit', ids(501), 'why').then(ended => {
    outcome = ended;
  });
  for (let seconds = 0; outcome === null && seconds <= 61; seconds++) {
    await turn();
    advance(1_000);
    await turn();
  }
  t.strictSame(outcome, {
    total: 501,
    done: 500,
    refusals: [],
    stopped: 'ECONNREFUSED. It was tried again for as long as is sensible.',
  });
  t.ok(requests.length > 5, `${requests.length} requests`);
});

t.test('a refusal of the whole stops at once', async t => {
  for (const [reply, sentence] of [
    [refused('FORBIDDEN'), 'It is FORBIDDEN. (FORBIDDEN).'],
    [answer({}, 404), 'What answers is no escrowmq broker (404).'],
    [answer({ results: [] }), 'What answers is no escrowmq broker.'],
  ] as const) {
    const { call, requests } = scripted(reply);
    t.match(await actOnAll(call, 'commit', ids(501), 'why'), { done: 0, stopped: sentence });
    t.equal(requests.length, 1);
  }
});

t.test('interrupted between two batches, or while it waits', async t => {
  const controller = new AbortController();
  const { call, requests } = scripted(carryOut);
  const interrupt = () => controller.abort();
  const outcome = await actOnAll(call, 'commit', ids(1_000), 'why', interrupt, controller.signal);
  t.match(outcome, { total: 1_000, done: 500, stopped: 'It was interrupted.' });
  t.equal(requests.length, 1);

  const later = new AbortController();
  const { call: waiting } = scripted(() => {
    setImmediate(() => later.abort());
    return refused('OVERLOADED', { retryAfterMs: 50_000 });
  });
  t.match(await actOnAll(waiting, 'commit', ids(1), 'why', undefined, later.signal), {
    done: 0,
    stopped: /interrupted/,
  });
});

t.test('targets are collected page by page, and given the oldest first', async t => {
  const page = (items: object[], nextCursor: string | null) => answer({ items, nextCursor });
  const { call, requests } = scripted(
    page([{ id: 'c' }, { id: 'b' }], 'next'),
    refused('OVERLOADED', { retryAfterMs: 1 }),
    page([{ id: 'a' }], null),
  );
  const counts: number[] = [];
  const targets = await collectTargets(call, { act: 'commit', filter: { group: 'g&h' } }, count => counts.push(count));
  t.strictSame(targets, { ids: ['a', 'b', 'c'], found: 3 });
  t.strictSame(counts, [2, 3]);
  t.strictSame(
    requests.map(({ path }) => path),
    [
      '/v1/transactions?group=g%26h&state=prepared&limit=500',
      '/v1/transactions?group=g%26h&state=prepared&limit=500&cursor=next',
      '/v1/transactions?group=g%26h&state=prepared&limit=500&cursor=next',
    ],
  );
});

t.test('parked messages are in the order of their commits, those of one transaction in their own', async t => {
  const parked = (transactionId: string, index: number, committedAt: string) => ({
    id: `${transactionId}.${index}`,
    transactionId,
    committedAt,
  });
  const items = [
    parked('y', 0, '2'),
    parked('y', 2, '2'),
    parked('y', 10, '2'),
    parked('a', 0, '2'),
    parked('x', 1, '3'),
    parked('w', 0, '1'),
  ];
  const { call, requests } = scripted(answer({ items, nextCursor: null }));
  const { ids } = await collectTargets(call, { act: 'retry', filter: { topic: 'T' } });
  t.strictSame(ids, ['w.0', 'a.0', 'y.0', 'y.2', 'y.10', 'x.1']);
  t.equal(requests[0]!.path, '/v1/messages?topic=T&state=parked&limit=500');
});

t.test('of too many the oldest are taken', async t => {
  const pages = 1 + 2.5 * (MAX_TARGETS / 500);
  let served = 0;
  const call: Call = async () => {
    const from = (pages - served++) * 500;
    const items = Array.from({ length: 500 }, (_, i) => ({ id: `t${from - i}` }));
    return answer({ items, nextCursor: served < pages ? 'next' : null });
  };
  const { ids, found } = await collectTargets(call, { act: 'check', filter: {} });
  t.equal(found, pages * 500);
  t.equal(ids.length, MAX_TARGETS);
  t.strictSame([ids[0], ids.at(-1)], ['t1', `t${MAX_TARGETS}`]);
});

t.test('a list that is refused, and one that is interrupted', async t => {
  const { call } = scripted(refused('VALIDATION_FAILED'));
  await t.rejects(collectTargets(call, { act: 'check', filter: {} }), {
    name: 'BulkStop',
    message: /VALIDATION_FAILED/,
  });
  const { call: strange } = scripted(answer('hello'));
  await t.rejects(collectTargets(strange, { act: 'check', filter: {} }), { message: /no escrowmq broker/ });
  const { call: more } = scripted(answer({ items: [], nextCursor: 'next' }));
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  await t.rejects(collectTargets(more, { act: 'check', filter: {} }, interrupt, controller.signal), /interrupted/);
});

t.test('inside a broker: what was prepared first is committed first', async t => {
  const server = await startServer(t);
  await server.createGroup('g');
  for (const id of ['b', 'a', 'c', 'd']) await server.prepare(id);
  await server.call('POST', '/v1/transactions/c/rollback');
  const call: Call = async (method, path, body) => {
    const { statusCode, headers, json } = await server.call(method, path, body);
    return { status: statusCode, headers, body: json() };
  };
  const { ids } = await collectTargets(call, { act: 'commit', filter: { group: 'g' } });
  t.strictSame(ids, ['b', 'a', 'd'], 'what is decided is left out');
  const outcome = await actOnAll(call, 'commit', [...ids, 'c', 'nobody'], 'they were lost');
  t.match(outcome, {
    done: 3,
    refusals: [
      { id: 'c', code: 'ALREADY_ROLLED_BACK' },
      { id: 'nobody', code: /NOT_FOUND/ },
    ],
  });
  t.match((await server.call('GET', '/v1/transactions/a')).json(), { state: 'committed', resolvedBy: 'operator' });
});
