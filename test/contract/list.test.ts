/** Lists: filters, pages, cursors, and answers in bounded time. */
import t from 'tap';
import type { ListedTransaction, ListStep } from '../../broker/store/store.ts';
import { isProblem, startServer, type TestServer } from '../support/http-server.ts';
import { storeWith } from '../support/store.ts';

const ids = async (s: TestServer, query: string): Promise<string[]> => {
  const answer = await s.call('GET', `/v1/transactions${query}`);
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json().items.map(({ id }: { id: string }) => id);
};

/** One of each kind, a minute apart. */
const furnish = async (s: TestServer): Promise<void> => {
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/', check: { limit: 1 } });
  await s.createGroup('h');
  const minute = 60_000;
  await s.prepare('pending');
  s.time.now += minute;
  await s.prepare('unresolved');
  await s.coordinator.submit([{ type: 'answer', id: 'unresolved', answer: 'unknown', error: null }]);
  s.time.now += minute;
  await s.park('parked');
  s.time.now += minute;
  await s.park('discarded');
  await s.call('POST', '/v1/messages/discarded.0/discard', { reason: 'x' });
  s.time.now += minute;
  await s.prepare('contradicted');
  await s.call('POST', '/v1/transactions/contradicted/rollback');
  await s.call('POST', '/v1/transactions/contradicted/commit');
  s.time.now += minute;
  await s.prepare('other', {
    group: 'h',
    messages: [
      { topic: 'audit', key: 'é+1', payload: 'x' },
      { topic: 'transfers', payload: 'x' },
    ],
  });
};

t.test('newest first, each in the form of the list', async t => {
  const s = await startServer(t);
  await furnish(s);
  t.same(await ids(s, ''), ['other', 'contradicted', 'discarded', 'parked', 'unresolved', 'pending']);
  const { items, nextCursor } = (await s.call('GET', '/v1/transactions?parked=true')).json();
  t.equal(nextCursor, null);
  t.strictSame(items, [
    {
      id: 'parked',
      group: 'g',
      state: 'committed',
      preparedAt: '2026-11-21T10:02:00.000Z',
      resolvedAt: '2026-11-21T10:02:00.000Z',
      resolvedBy: 'producer',
      unresolved: false,
      parked: 1,
    },
  ]);
});

t.test('filters, alone and together', async t => {
  const s = await startServer(t);
  await furnish(s);
  const cases: [query: string, expected: string[]][] = [
    ['state=prepared', ['other', 'unresolved', 'pending']],
    ['state=committed', ['discarded', 'parked']],
    ['state=rolled_back', ['contradicted']],
    ['unresolved=true', ['unresolved']],
    ['state=prepared&unresolved=false', ['other', 'pending']],
    ['parked=true', ['parked']],
    ['discarded=true', ['discarded']],
    ['contradicted=true', ['contradicted']],
    ['state=committed&parked=false', ['discarded']],
    ['group=h', ['other']],
    ['group=nobody', []],
    ['topic=audit', ['other']],
    ['topic=nothing', []],
    ['key=%C3%A9%2B1', ['other']],
    ['key=account-17&state=rolled_back', ['contradicted']],
    ['key=', []],
    ['unresolved=true&lastError=', ['unresolved']],
    ['unresolved=true&lastError=timed%20out', []],
    ['since=2026-11-21T10:04:00Z', ['other', 'contradicted']],
    ['since=2026-11-21T10:04:00.001Z', ['other']],
    ['until=2026-11-21T10:01:00Z', ['pending']],
    ['since=2026-11-21T11:01:00%2B01:00&until=2026-11-21T05:03:00-05:00', ['parked', 'unresolved']],
    ['since=2026-11-21t10:04:59.999999z', ['other']],
    ['since=2026-11-21T10:00:00Z&until=2026-11-21T10:00:00Z', []],
  ];
  for (const [query, expected] of cases) t.same(await ids(s, `?${query}`), expected, query);
});

t.test('pages follow each other without gap or repeat', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const all = Array.from({ length: 53 }, (_, i) => `t${i}`);
  for (const id of all) await s.prepare(id);
  t.equal((await ids(s, '')).length, 50, 'fifty, where nothing is said');
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const query: string = `?state=prepared&limit=10${cursor && `&cursor=${cursor}`}`;
    const page = (await s.call('GET', `/v1/transactions${query}`)).json();
    t.ok(page.items.length <= 10);
    seen.push(...page.items.map(({ id }: { id: string }) => id));
    cursor = page.nextCursor;
  }
  t.same(seen, all.reverse());
});

t.test('what arrives meanwhile does not disturb the pages behind', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (const id of ['t1', 't2', 't3']) await s.prepare(id);
  const { nextCursor } = (await s.call('GET', '/v1/transactions?limit=2')).json();
  await s.prepare('t4');
  t.same(await ids(s, `?limit=2&cursor=${nextCursor}`), ['t1']);
});

t.test('bad parameters', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (const id of ['t1', 't2']) await s.prepare(id);
  const { nextCursor } = (await s.call('GET', '/v1/transactions?state=prepared&limit=1')).json();
  const refused: [query: string, parameter: string][] = [
    ['state=unknown', 'state'],
    ['state=', 'state'],
    ['state=prepared&state=committed', 'state'],
    ['parked=1', 'parked'],
    ['parked=TRUE', 'parked'],
    ['unresolved', 'unresolved'],
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['limit=05', 'limit'],
    ['limit=5.0', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=', 'limit'],
    ['limit=5&limit=5', 'limit'],
    ['group=a.b', 'group'],
    ['topic=a%20b', 'topic'],
    ['key=%ff', 'key'],
    ['key=%zz', 'key'],
    ['since=yesterday', 'since'],
    ['since=2026-11-21', 'since'],
    ['since=2026-11-21T10:00:00', 'since'],
    ['since=2026-02-30T10:00:00Z', 'since'],
    ['since=2026-11-21T24:00:00Z', 'since'],
    ['since=2026-11-21T10:00:00+01:00', 'since'],
    ['until=1795255200000', 'until'],
    ['lastError=x', 'lastError'],
    ['lastError=', 'lastError'],
    ['unresolved=false&lastError=x', 'lastError'],
    ['unresolved=true&lastError=x&lastError=x', 'lastError'],
    ['cursor=', 'cursor'],
    ['cursor=junk', 'cursor'],
    ['cursor=MS4', 'cursor'],
    [`cursor=${nextCursor}`, 'cursor'],
    [`state=committed&cursor=${nextCursor}`, 'cursor'],
    [`state=prepared&cursor=${nextCursor.slice(0, -1)}`, 'cursor'],
    ['order=oldest', 'order'],
    ['State=prepared', 'State'],
    ['__proto__=x', '__proto__'],
    ['%zz=1', '%zz'],
    ['=1', ''],
  ];
  for (const [query, parameter] of refused) {
    const problem = isProblem(t, await s.call('GET', `/v1/transactions?${query}`), 'VALIDATION_FAILED', query);
    t.equal(problem.errors?.[0]?.pointer, `/query/${parameter}`, query);
  }
  t.same(await ids(s, `?state=prepared&limit=2&cursor=${nextCursor}`), ['t1'], 'another limit is the same list');
  isProblem(t, await s.call('GET', '/v1/transactions/t1?payload=yes'), 'VALIDATION_FAILED');
  isProblem(t, await s.call('GET', '/v1/transactions/t1?payloads=true'), 'VALIDATION_FAILED');
});

t.test('short steps of the store are gathered to a page', async t => {
  const asked: [limit: number, before: number | null][] = [];
  const s = await startServer(t, ({ store }) => ({
    store: storeWith(store, {
      list: async (filter, limit, before): Promise<ListStep<ListedTransaction>> => {
        asked.push([limit, before]);
        const step = await store.list(filter, 1, before);
        return asked.length % 2 === 0 ? step : { items: [], next: before ?? Number.MAX_SAFE_INTEGER };
      },
    }),
  }));
  await s.createGroup('g');
  for (const id of ['t1', 't2', 't3']) await s.prepare(id);
  t.same(await ids(s, '?limit=2'), ['t3', 't2']);
  t.same(
    asked.map(([limit]) => limit),
    [2, 2, 1, 1],
  );
});

t.test('a long search ends with what it has, and a cursor', async t => {
  const time = { now: 0 };
  const s = await startServer(t, ({ store }) => ({
    clock: { now: Date.now, monotonic: () => time.now },
    store: storeWith(store, {
      list: (filter, _limit, before) => {
        time.now += 100;
        return store.list(filter, 1, before);
      },
    }),
  }));
  await s.createGroup('g');
  for (const id of ['t1', 't2', 't3', 't4']) await s.prepare(id);
  const { items, nextCursor } = (await s.call('GET', '/v1/transactions')).json();
  t.equal(items.length, 2, 'two steps fit into the time');
  t.same(await ids(s, `?cursor=${nextCursor}`), ['t2', 't1'], 'and the cursor goes on');
});
