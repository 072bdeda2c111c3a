/** Acts on many at once from the console: counted, confirmed, carried out, reported; and whose they are. */
import t, { type Test } from 'tap';
import type { ActBody, TransactionListItem } from '../../broker/protocol/wire.ts';
import { type ConsoleServer, type ConsoleVisitor, readable, startConsole } from '../support/console-visitor.ts';
import { until } from '../support/until.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const asOperator = { authorization: `Bearer ${KEY}` };

/** So many unresolved transactions and parked messages of the group `g`. */
const withWaiting = async (t: Test, unresolved: number, parked: number): Promise<ConsoleServer> => {
  const s = await startConsole(t, { operatorKey: KEY });
  await s.call('PUT', '/v1/producer-groups/g', { check: { limit: 1 } }, asOperator);
  const messages = [{ topic: 'transfers', key: 'a', payload: 'x' }];
  const operations = Array.from({ length: unresolved + parked }, (_, i) => ({
    op: 'prepare',
    id: i < unresolved ? `u${i}` : `p${i - unresolved}`,
    group: 'g',
    messages,
  }));
  await s.call('POST', '/v1/batch', { operations }, asOperator);
  for (let i = 0; i < unresolved; i++) {
    await s.coordinator.submit([{ type: 'answer', id: `u${i}`, answer: 'unknown', error: null }]);
  }
  for (let i = 0; i < parked; i++) {
    await s.call('POST', `/v1/transactions/p${i}/commit`, { reason: 'x' }, asOperator);
    await s.coordinator.submit([
      { type: 'park', transactionId: `p${i}`, index: 0, error: i % 2 ? 'too large' : 'odd' },
    ]);
  }
  return s;
};

const visitorWith = async (s: ConsoleServer, key: string): Promise<ConsoleVisitor> => {
  const visitor = s.visitor();
  await visitor.login(key);
  return visitor;
};

/** The page of the job once it says what is waited for. */
const pageWith = async (visitor: ConsoleVisitor, path: string, words: RegExp): Promise<string> => {
  let text = '';
  await until(`${path} says ${words}`, async () => {
    text = readable(await visitor.get(path));
    return words.test(text);
  });
  return text;
};

const actsOn = async (s: ConsoleServer, act: string): Promise<ActBody[]> =>
  (await s.call('GET', `/v1/acts?act=${act}&limit=500`, undefined, asOperator)).json<{ items: ActBody[] }>().items;

const unresolvedOf = async (s: ConsoleServer): Promise<TransactionListItem[]> =>
  (await s.call('GET', '/v1/transactions?unresolved=true&limit=500', undefined, asOperator)).json().items;

t.test('over a group: counted, confirmed by its number, done with the reason', async t => {
  const s = await withWaiting(t, 12, 0);
  const visitor = await visitorWith(s, KEY);
  const { location, status } = await visitor.submit('/console/jobs', {
    act: 'rollback',
    scope: 'all',
    place: 'g',
    lastError: '',
  });
  t.equal(status, 303);
  const asked = await pageWith(visitor, location!, /Roll back 12 transactions/);
  t.match(asked, /12 transactions .*nobody will ever see them.*This is final.*u0 u1 u2 u3 u4 and 7 more/);
  t.equal((await unresolvedOf(s)).length, 12, 'nothing has happened');

  const reason = 'the orders were cancelled <b>';
  const wrong: [fields: Record<string, string>, words: RegExp][] = [
    [{ reason, typed: '11' }, /Type the number 12 to confirm/],
    [{ reason }, /Type the number 12 to confirm/],
    [{ reason: ' ', typed: '12' }, /Give a reason/],
  ];
  for (const [fields, words] of wrong) {
    const page = await visitor.submit(`${location}/confirm`, fields);
    t.equal(page.status, 409);
    t.match(readable(page), words);
  }
  t.equal((await unresolvedOf(s)).length, 12, 'nor now');

  t.equal((await visitor.submit(`${location}/confirm`, { reason, typed: '12' })).status, 303);
  t.match(
    await pageWith(visitor, location!, /12 of 12 transactions rolled back/),
    /Reason: the orders were cancelled <b>/,
  );
  t.equal((await unresolvedOf(s)).length, 0);
  const acts = await actsOn(s, 'rollback');
  t.same(
    acts.map(({ target }) => target),
    Array.from({ length: 12 }, (_, i) => `u${11 - i}`),
    'the oldest was first',
  );
  t.ok(acts.every(act => act.reason === reason));
  t.equal((await visitor.submit(`${location}/confirm`, { reason, typed: '12' })).status, 409, 'once');
  t.match(readable(await visitor.get('/console/jobs')), /Roll back: producer group g.* 12 of 12 done/);
  t.same(s.errors, []);
});

t.test('over a cause of parked messages, and over those that were chosen', async t => {
  const s = await withWaiting(t, 0, 6);
  const visitor = await visitorWith(s, KEY);
  const retry = await visitor.submit('/console/jobs', {
    act: 'retry',
    scope: 'all',
    place: 'transfers',
    lastError: 'odd',
  });
  await pageWith(visitor, retry.location!, /Retry 3 messages/);
  await visitor.submit(`${retry.location}/confirm`, { reason: 'mended' });
  await pageWith(visitor, retry.location!, /3 of 3 messages sent again/);
  t.same(
    (await actsOn(s, 'retry')).map(({ target }) => target),
    ['p4.0', 'p2.0', 'p0.0'],
  );

  const formToken = await visitor.formToken();
  const body = `${new URLSearchParams({ formToken, act: 'discard', scope: 'chosen' })}&id=p3.0&id=p0.0&id=p1.0&id=`;
  const discard = await visitor.send('POST', '/console/jobs', body.slice(0, -4));
  t.match(await pageWith(visitor, discard.location!, /Discard for ever 3 messages/), /3 messages that you chose/);
  await visitor.submit(`${discard.location}/confirm`, { reason: 'given up' });
  const result = await pageWith(visitor, discard.location!, /2 of 3 messages discarded/);
  t.match(result, /1 refused/);
  t.match(result, /p0\.0 Message p0\.0 is ready, not parked/);
  t.same(
    (await actsOn(s, 'discard')).map(({ target }) => target),
    ['p3.0', 'p1.0'],
  );
});

t.test('the page follows what happens, to the end', async t => {
  const s = await withWaiting(t, 3, 0);
  const visitor = await visitorWith(s, KEY);
  const { location } = await visitor.submit('/console/jobs', { act: 'commit', scope: 'all' });
  await pageWith(visitor, location!, /Commit 3 transactions/);
  await visitor.submit(`${location}/confirm`, { reason: 'they took place' });
  const { text } = await visitor.get(`${location}/live`, { accept: 'text/event-stream' });
  t.match(text, /event: job\ndata: /);
  t.match(text, /3 of 3 transactions committed/);
  t.match(text, /event: over\ndata: \n\n$/, 'and is told that this was all');
});

t.test('it can be left alone before it began', async t => {
  const s = await withWaiting(t, 2, 0);
  const visitor = await visitorWith(s, KEY);
  const { location } = await visitor.submit('/console/jobs', { act: 'commit', scope: 'all' });
  await pageWith(visitor, location!, /Commit 2 transactions/);
  t.equal((await visitor.submit(`${location}/stop`, {})).status, 303);
  t.match(readable(await visitor.get(location!)), /Nothing was changed\. It was not confirmed/);
  t.equal((await visitor.submit(`${location}/confirm`, { reason: 'x' })).status, 409);
  t.equal((await unresolvedOf(s)).length, 2);
});

t.test('where nothing fits, nothing is asked', async t => {
  const s = await withWaiting(t, 1, 0);
  const visitor = await visitorWith(s, KEY);
  const { location } = await visitor.submit('/console/jobs', { act: 'discard', scope: 'all', place: 'nowhere' });
  await pageWith(visitor, location!, /Nothing was changed\. There is none left/);
  const odd = await visitor.submit('/console/jobs', { act: 'commit', scope: 'all', place: 'not a group' });
  await pageWith(visitor, odd.location!, /Nothing was changed\. .*group/);
  t.equal((await visitor.submit('/console/jobs', { act: 'commit', scope: 'chosen' })).status, 400);
  t.equal((await visitor.submit('/console/jobs', { act: 'explode', scope: 'all' })).status, 400);
});

t.test('a job is its session’s own', async t => {
  const s = await withWaiting(t, 1, 0);
  const [mine, other] = [await visitorWith(s, KEY), await visitorWith(s, KEY)];
  const { location } = await mine.submit('/console/jobs', { act: 'commit', scope: 'all' });
  await pageWith(mine, location!, /Commit 1 transaction/);
  t.equal((await other.get(location!)).status, 404);
  t.equal((await other.get(`${location}/live`)).status, 404);
  t.equal((await other.submit(`${location}/confirm`, { reason: 'x' })).status, 404);
  t.equal((await other.submit(`${location}/stop`, {})).status, 404);
  t.match(readable(await mine.get(location!)), /Commit 1 transaction/, 'and survives that its page is loaded again');
  await mine.submit('/console/logout', {});
  await mine.login(KEY);
  t.equal((await mine.get(location!)).status, 404, 'and ends with the session');
});

t.test('a viewer cannot begin one, and REST refuses the key that was revoked meanwhile', async t => {
  const s = await withWaiting(t, 1, 0);
  const make = async (role: string): Promise<{ prefix: string; key: string }> =>
    (await s.call('POST', '/v1/keys', { role }, asOperator)).json();
  const viewer = await visitorWith(s, (await make('viewer')).key);
  t.equal((await viewer.submit('/console/jobs', { act: 'commit', scope: 'all' })).status, 403);
  t.notMatch((await viewer.get('/console/unresolved/list')).text, /type="checkbox"/);

  const { prefix, key } = await make('operator');
  const visitor = await visitorWith(s, key);
  const { location } = await visitor.submit('/console/jobs', { act: 'commit', scope: 'all' });
  await pageWith(visitor, location!, /Commit 1 transaction/);
  const formToken = await visitor.formToken();
  await s.call('DELETE', `/v1/keys/${prefix}`, undefined, asOperator);
  await visitor.send('POST', `${location}/confirm`, new URLSearchParams({ formToken, reason: 'x' }).toString());
  t.equal((await visitor.get(location!)).status, 303, 'the session is over');
  t.equal((await unresolvedOf(s)).length, 1);
});

t.test('there are so many at once', async t => {
  const s = await withWaiting(t, 1, 0);
  const visitor = await visitorWith(s, KEY);
  for (let i = 0; i < 25; i++) {
    const { location, status } = await visitor.submit('/console/jobs', { act: 'commit', scope: 'all', place: 'g' });
    t.equal(status, 303);
    await pageWith(visitor, location!, /Commit 1 transaction/);
  }
  const listed = (await visitor.get('/console/jobs')).text.match(/href="\/console\/jobs\/[^"]+"/g)!;
  t.equal(listed.length, 20, 'the oldest are forgotten');
});
