/** What waits for a person: parked messages one by one, and everything counted by what it failed with. */
import t from 'tap';
import type { AlikeCount } from '../../broker/store/store.ts';
import { isProblem, startServer, type TestServer } from '../support/http-server.ts';
import { storeWith } from '../support/store.ts';

/** Commits the transaction, and parks its messages with these errors. */
const park = async (s: TestServer, id: string, ...errors: string[]): Promise<void> => {
  await s.call('POST', `/v1/transactions/${id}/commit`);
  await s.coordinator.submit(errors.map((error, index) => ({ type: 'park', transactionId: id, index, error })));
};

const message = (topic: string) => ({ topic, key: 'account-17', payload: 'x', headers: { a: 'x' } });

const furnish = async (s: TestServer): Promise<void> => {
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/', check: { limit: 1 } });
  await s.createGroup('h');
  await s.prepare('t1', { messages: [message('transfers'), message('audit')] });
  s.time.now += 1_000;
  await park(s, 't1', 'too large', 'no such topic');
  await s.prepare('t2', { group: 'h' });
  s.time.now += 1_000;
  await park(s, 't2', 'too large');
};

const listed = async (s: TestServer, query = ''): Promise<string[]> => {
  const answer = await s.call('GET', `/v1/messages?state=parked${query}`);
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json().items.map(({ id }: { id: string }) => id);
};

t.test('parked messages, newest first, with what they belong to', async t => {
  const s = await startServer(t);
  t.same((await s.call('GET', '/v1/messages?state=parked')).json(), { items: [], nextCursor: null });
  await furnish(s);
  const { items, nextCursor } = (await s.call('GET', '/v1/messages?state=parked')).json();
  t.equal(nextCursor, null);
  t.equal(items.length, 3);
  t.strictSame(items[1], {
    id: 't1.1',
    topic: 'audit',
    key: 'account-17',
    state: 'parked',
    partition: null,
    offset: null,
    attempts: 1,
    lastError: 'no such topic',
    payloadBytes: 1,
    transactionId: 't1',
    group: 'g',
    committedAt: '2026-11-21T10:00:01.000Z',
  });
  await s.call('POST', '/v1/messages/t1.1/retry', { reason: 'x' });
  await s.call('POST', '/v1/messages/t2.0/discard', { reason: 'x' });
  t.same(await listed(s), ['t1.0'], 'only those that are parked now');
});

t.test('filters and pages of parked messages', async t => {
  const s = await startServer(t);
  await furnish(s);
  const cases: [query: string, expected: string[]][] = [
    ['', ['t2.0', 't1.1', 't1.0']],
    ['&topic=audit', ['t1.1']],
    ['&topic=nothing', []],
    ['&group=h', ['t2.0']],
    ['&group=nobody', []],
    ['&lastError=too%20large', ['t2.0', 't1.0']],
    ['&lastError=too', []],
    ['&lastError=', []],
    ['&lastError=too+large&group=g', ['t1.0']],
  ];
  for (const [query, expected] of cases) t.same(await listed(s, query), expected, query);
  const { items, nextCursor } = (await s.call('GET', '/v1/messages?state=parked&limit=2')).json();
  t.equal(items.length, 2);
  t.same(await listed(s, `&limit=2&cursor=${nextCursor}`), ['t1.0']);
  for (const [query, parameter] of [
    ['', 'state'],
    ['state=ready', 'state'],
    ['state=', 'state'],
    ['state=parked&topic=a%20b', 'topic'],
    ['state=parked&group=a.b', 'group'],
    ['state=parked&limit=501', 'limit'],
    ['state=parked&key=x', 'key'],
    [`state=parked&topic=audit&cursor=${nextCursor}`, 'cursor'],
  ] as const) {
    const problem = isProblem(t, await s.call('GET', `/v1/messages?${query}`), 'VALIDATION_FAILED', query);
    t.equal(problem.errors?.[0]?.pointer, `/query/${parameter}`, query);
  }
});

t.test('a page of parked messages with long keys ends early', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const long = { topic: 'transfers', key: 'k'.repeat(900_000), payload: null };
  for (const id of ['t1', 't2', 't3', 't4', 't5', 't6', 't7']) {
    await s.prepare(id, { messages: [long] });
    await park(s, id, 'too large');
  }
  const { items, nextCursor } = (await s.call('GET', '/v1/messages?state=parked')).json();
  t.equal(items.length, 5);
  t.same(await listed(s, `&cursor=${nextCursor}`), ['t2.0', 't1.0']);
});

t.test('counted by what it failed with, the most first', async t => {
  const s = await startServer(t);
  t.same((await s.call('GET', '/v1/attention')).json(), { unresolved: [], parked: [], isComplete: true });
  await furnish(s);
  for (const id of ['u1', 'u2', 'u3']) {
    s.time.now += 1_000;
    await s.prepare(id);
  }
  await s.coordinator.submit([
    { type: 'answer', id: 'u1', answer: 'none', error: 'timed out' },
    { type: 'answer', id: 'u1', answer: 'nobody', error: null },
    { type: 'answer', id: 'u2', answer: 'unknown', error: null },
    { type: 'answer', id: 'u3', answer: 'unknown', error: null },
  ]);
  t.strictSame((await s.call('GET', '/v1/attention')).json(), {
    unresolved: [
      { group: 'g', lastError: null, count: 2, oldestAt: '2026-11-21T10:00:04.000Z' },
      { group: 'g', lastError: 'timed out', count: 1, oldestAt: '2026-11-21T10:00:03.000Z' },
    ],
    parked: [
      { topic: 'transfers', lastError: 'too large', count: 2, oldestAt: '2026-11-21T10:00:01.000Z' },
      { topic: 'audit', lastError: 'no such topic', count: 1, oldestAt: '2026-11-21T10:00:01.000Z' },
    ],
    isComplete: true,
  });
  t.equal((await s.call('GET', '/v1/attention?x=1')).statusCode, 400);
});

t.test('steps are added up, and what is not counted in time is said to be missing', async t => {
  const time = { now: 0, step: 10 };
  const one = (count: number, oldestAt: number): AlikeCount => ({ name: 'n', lastError: 'e', count, oldestAt });
  const steps: Record<string, AlikeCount[][]> = {
    unresolved: [[one(3, 7_000)], [], [one(4, 5_000), { ...one(9, 1_000), lastError: null }]],
    parked: Array.from({ length: 30 }, () => [one(1, 2_000)]),
  };
  const s = await startServer(t, ({ store }) => ({
    clock: { now: Date.now, monotonic: () => time.now },
    store: storeWith(store, {
      alike: async (what, before) => {
        time.now += time.step;
        const at = before === null ? 0 : 1_000 - before;
        const all = steps[what]!;
        return { items: all[at]!, next: at + 1 < all.length ? 1_000 - at - 1 : null };
      },
    }),
  }));
  const { unresolved, parked, isComplete } = (await s.call('GET', '/v1/attention')).json();
  t.same(unresolved, [
    { group: 'n', lastError: null, count: 9, oldestAt: '1970-01-01T00:00:01.000Z' },
    { group: 'n', lastError: 'e', count: 7, oldestAt: '1970-01-01T00:00:05.000Z' },
  ]);
  t.equal(parked[0].count, 12, 'twelve more steps fit into the time');
  t.equal(isComplete, false);
  time.step = 100;
  const short = (await s.call('GET', '/v1/attention')).json();
  t.equal(short.unresolved[0].count, 3, 'one step, always');
  t.equal(short.parked[0].count, 1);
});

t.test('at most a hundred lines each', async t => {
  const s = await startServer(t, ({ store }) => ({
    store: storeWith(store, {
      alike: async what => ({
        items: Array.from({ length: what === 'parked' ? 150 : 100 }, (_, i) => ({
          name: 'n',
          lastError: `error ${i}`,
          count: i,
          oldestAt: 0,
        })),
        next: null,
      }),
    }),
  }));
  const { unresolved, parked, isComplete } = (await s.call('GET', '/v1/attention')).json();
  t.equal(unresolved.length, 100);
  t.equal(parked.length, 100);
  t.equal(parked[0].count, 149);
  t.equal(isComplete, false);
});
