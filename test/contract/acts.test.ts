/** What operators did: each act with its effect, in one commit, and nothing else. */
import t from 'tap';
import type { ActBody } from '../../broker/protocol/wire.ts';
import { StorageFullError } from '../../broker/store/store.ts';
import { isProblem, startServer, type TestServer } from '../support/http-server.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const REASON = { reason: 'seen in the books' };

const actsOf = async (s: TestServer, query = '', key = ''): Promise<ActBody[]> => {
  const answer = await s.call(
    'GET',
    `/v1/acts${query}`,
    undefined,
    key === '' ? {} : { authorization: `Bearer ${key}` },
  );
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json().items;
};

const summary = ({ act, target, by }: ActBody): string => `${act} ${target} ${by}`;

t.test('every act of an operator is listed, and no call of a producer', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/' });
  for (const id of ['t1', 't2', 't3', 't4', 't5']) await s.prepare(id);
  await s.call('POST', '/v1/transactions/t1/commit', REASON);
  s.time.now += 1_000;
  await s.call('POST', '/v1/transactions/t2/rollback', REASON);
  await s.call('POST', '/v1/transactions/t3/check', REASON);
  await s.call('POST', '/v1/transactions/t4/commit');
  await s.call('POST', '/v1/transactions/t5/rollback');
  await s.park('p1');
  await s.park('p2');
  await s.call('POST', '/v1/messages/p1.0/retry', REASON);
  const operations = [{ op: 'discard', messageId: 'p2.0', ...REASON }];
  await s.call('POST', '/v1/batch', { operations });
  t.same((await actsOf(s)).map(summary), [
    'discard p2.0 operator',
    'retry p1.0 operator',
    'check t3 operator',
    'rollback t2 operator',
    'commit t1 operator',
  ]);
  t.strictSame((await actsOf(s)).at(-1), {
    id: 1,
    at: '2026-11-21T10:00:00.000Z',
    act: 'commit',
    by: 'operator',
    target: 't1',
    group: 'g',
    reason: 'seen in the books',
  });
});

t.test('what changed nothing is no act', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  await s.call('POST', '/v1/transactions/t1/commit', REASON);
  await s.call('POST', '/v1/transactions/t1/commit', REASON);
  await s.call('POST', '/v1/transactions/t1/rollback', REASON);
  await s.call('POST', '/v1/transactions/t1/check', REASON);
  await s.call('POST', '/v1/messages/t1.0/retry', REASON);
  await s.call('POST', '/v1/transactions/nobody/commit', REASON);
  t.same((await actsOf(s)).map(summary), ['commit t1 operator']);
});

t.test('with keys each operator is named, and changes of keys and groups are acts', async t => {
  const s = await startServer(t, { operatorKey: KEY });
  const call = (method: string, url: string, body: object | undefined, key: string) =>
    s.call(method, url, body, { authorization: `Bearer ${key}` });
  const make = async (body: object) => (await call('POST', '/v1/keys', body, KEY)).json();
  const operator = await make({ role: 'operator', reason: 'for Ada' });
  const producer = await make({ role: 'producer', group: 'g' });
  const put = (body: object, key: string) => call('PUT', '/v1/producer-groups/g', body, key);
  await put({ check: { limit: 7 } }, producer.key);
  await put({ check: { limit: 7 } }, operator.key);
  await put({ check: { limit: 8, afterMs: 5_000 } }, operator.key);
  await put({ check: { afterMs: 5_000 } }, operator.key);
  await call('PUT', '/v1/producer-groups/new', {}, KEY);
  for (const _ of [1, 2]) await call('DELETE', `/v1/keys/${producer.prefix}`, { reason: 'lost' }, operator.key);
  const acts = await actsOf(s, '', KEY);
  const ada = `operator:${operator.prefix}`;
  t.same(acts.map(summary), [
    `revoke_key ${producer.prefix} ${ada}`,
    'put_group new operator',
    `put_group g ${ada}`,
    `create_key ${producer.prefix} operator`,
    `create_key ${operator.prefix} operator`,
  ]);
  t.match(acts[0], { group: 'g', reason: 'lost' });
  t.match(acts[2], { group: 'g', reason: null });
  t.match(acts[4], { group: null, reason: 'for Ada' });
  t.notMatch(JSON.stringify(acts), operator.key);
  const only = async (query: string) => (await actsOf(s, query, KEY)).map(({ id }) => id);
  t.same(await only(`?by=${ada}`), [5, 3]);
  t.same(await only('?act=create_key'), [2, 1]);
  t.same(await only('?group=g'), [5, 3, 2]);
  t.same(await only(`?target=${operator.prefix}`), [1]);
});

t.test('filters by time, pages, and what is no filter', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const minute = 60_000;
  for (let i = 0; i < 5; i++) {
    await s.prepare(`t${i}`);
    await s.call('POST', `/v1/transactions/t${i}/commit`, REASON);
    s.time.now += minute;
  }
  const targets = async (query: string) => (await actsOf(s, query)).map(({ target }) => target);
  t.same(await targets('?since=2026-11-21T10:03:00Z'), ['t4', 't3']);
  t.same(await targets('?since=2026-11-21T10:01:00Z&until=2026-11-21T10:03:00Z'), ['t2', 't1']);
  const first = (await s.call('GET', '/v1/acts?limit=3')).json();
  t.equal(first.items.length, 3);
  t.same(await targets(`?limit=3&cursor=${first.nextCursor}`), ['t1', 't0']);
  for (const other of ['/v1/transactions?', '/v1/messages?state=parked&']) {
    isProblem(t, await s.call('GET', `${other}cursor=${first.nextCursor}`), 'VALIDATION_FAILED', other);
  }
  for (const query of [
    'act=commits',
    'by=me',
    'group=a.b',
    'target=',
    'since=2026-02-30T10:00:00Z',
    'limit=501',
    'order=oldest',
    `act=commit&cursor=${first.nextCursor}`,
  ]) {
    isProblem(t, await s.call('GET', `/v1/acts?${query}`), 'VALIDATION_FAILED', query);
  }
});

t.test('an act whose commit finds no room has neither effect nor line', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  const { transact } = s.store;
  s.store.transact = async (ids, decide) => {
    await transact.call(s.store, ids, loaded => {
      decide(loaded);
      throw new StorageFullError('full');
    });
  };
  isProblem(t, await s.call('POST', '/v1/transactions/t1/commit', REASON), 'STORAGE_FULL');
  s.store.transact = transact;
  t.match((await s.call('GET', '/v1/transactions/t1')).json(), { state: 'prepared' });
  t.same(await actsOf(s), []);
  t.equal((await s.call('POST', '/v1/transactions/t1/commit', REASON)).statusCode, 200);
  t.equal((await actsOf(s)).length, 1);
});
