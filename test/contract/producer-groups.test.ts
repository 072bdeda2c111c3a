/** Producer groups: a PUT merges, the result must make sense, and the secret is never told. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { SECRET_PATTERN } from '../../broker/api/request-schemas.ts';
import { secretKey } from '../../broker/protocol/signature.ts';
import { isProblem, startServer } from '../support/http-server.ts';

const secretOf = (bytes: number): string => `whsec_${randomBytes(bytes).toString('base64')}`;
const SECRET = secretOf(32);
const OUTSIDE = 'https://bank-a.example/escrow/check';
const LOOPBACK = 'http://127.0.0.1:8081/check';

const DEFAULTS = { afterMs: 6_000, intervalMs: 30_000, maxIntervalMs: 300_000, limit: 15, onLimit: 'unresolved' };
const HEALTH = { lastAnswerAt: null, lastError: null, overdue: 0, unresolved: 0, lastCallMs: null };

t.test('201 with the defaults, then 200', async t => {
  const s = await startServer(t);
  const created = await s.call('PUT', '/v1/producer-groups/g', {});
  t.equal(created.statusCode, 201);
  t.strictSame(created.json(), {
    group: 'g',
    checkUrl: null,
    hasSecret: false,
    check: DEFAULTS,
    topics: null,
    health: HEALTH,
  });
  t.equal((await s.call('PUT', '/v1/producer-groups/g', {})).statusCode, 200);
  t.same((await s.call('GET', '/v1/producer-groups/g')).json(), created.json());
  isProblem(t, await s.call('GET', '/v1/producer-groups/nobody'), 'PRODUCER_GROUP_NOT_FOUND');
  isProblem(t, await s.call('PUT', '/v1/producer-groups/no.body', {}), 'VALIDATION_FAILED');
  isProblem(t, await s.call('PUT', '/v1/producer-groups/g'), 'VALIDATION_FAILED', 'no body');
});

t.test('what is left out keeps its value, null removes it', async t => {
  const s = await startServer(t);
  const steps: [what: string, body: object, expected: object][] = [
    ['an address', { checkUrl: LOOPBACK }, { checkUrl: LOOPBACK, check: DEFAULTS, topics: null }],
    ['one duration', { check: { afterMs: 200 } }, { checkUrl: LOOPBACK, check: { ...DEFAULTS, afterMs: 200 } }],
    ['another', { check: { limit: 3 } }, { check: { ...DEFAULTS, afterMs: 200, limit: 3 } }],
    ['one back', { check: { afterMs: null } }, { check: { ...DEFAULTS, limit: 3 } }],
    ['topics', { topics: ['a.*', 'b'] }, { topics: ['a.*', 'b'], check: { ...DEFAULTS, limit: 3 } }],
    ['a secret', { checkSecret: SECRET }, { hasSecret: true, topics: ['a.*', 'b'], checkUrl: LOOPBACK }],
    ['nothing', {}, { hasSecret: true, topics: ['a.*', 'b'], check: { ...DEFAULTS, limit: 3 } }],
    ['all of check back', { check: null }, { check: DEFAULTS, hasSecret: true }],
    ['no topics', { topics: null }, { topics: null, hasSecret: true }],
    ['no secret', { checkSecret: null }, { hasSecret: false, checkUrl: LOOPBACK }],
    ['no address', { checkUrl: null }, { checkUrl: null }],
  ];
  for (const [what, body, expected] of steps) {
    const answer = await s.call('PUT', '/v1/producer-groups/g', body);
    t.match(answer.json(), expected, what);
    t.notMatch(answer.body, SECRET.slice(6), `${what}: the secret is not told`);
  }
});

t.test('the result as a whole must make sense', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: LOOPBACK, check: { maxIntervalMs: 60_000 } });
  const before = (await s.call('GET', '/v1/producer-groups/g')).json();
  const refused: [what: string, body: object, pointer: string][] = [
    ['an interval above the stored maximum', { check: { intervalMs: 60_001 } }, '/check/intervalMs'],
    ['a maximum below the default interval', { check: { maxIntervalMs: 29_999 } }, '/check/maxIntervalMs'],
    ['rollback without an address', { checkUrl: null, check: { onLimit: 'rollback' } }, '/check/onLimit'],
    ['an address outside without a secret', { checkUrl: OUTSIDE }, '/checkSecret'],
    ['an address that is none', { checkUrl: 'http://[::1' }, '/checkUrl'],
    ['another protocol', { checkUrl: 'ftp://127.0.0.1/' }, '/checkUrl'],
    ['a path', { checkUrl: '/check' }, '/checkUrl'],
    ['an address with a space', { checkUrl: 'http://127.0.0.1/a b' }, '/checkUrl'],
    ['an address too long', { checkUrl: `http://127.0.0.1/${'x'.repeat(2_048)}` }, '/checkUrl'],
    ['a secret too short', { checkSecret: secretOf(23) }, '/checkSecret'],
    ['a secret too long', { checkSecret: secretOf(65) }, '/checkSecret'],
    ['a secret without its prefix', { checkSecret: SECRET.slice(6) }, '/checkSecret'],
    ['a check too soon', { check: { afterMs: 99 } }, '/check/afterMs'],
    ['a limit of none', { check: { limit: 0 } }, '/check/limit'],
    ['a limit too high', { check: { limit: 1_001 } }, '/check/limit'],
    ['half a limit', { check: { limit: 1.5 } }, '/check/limit'],
    ['a duration as text', { check: { afterMs: '6s' } }, '/check/afterMs'],
    ['another onLimit', { check: { onLimit: 'commit' } }, '/check/onLimit'],
    ['an unknown member of check', { check: { after: 1 } }, '/check/after'],
    ['an unknown member', { health: {} }, '/health'],
    ['no topics at all', { topics: [] }, '/topics'],
    ['too many topics', { topics: Array(1_001).fill('a') }, '/topics'],
    ['the empty topic', { topics: [''] }, '/topics/0'],
    ['a topic of other characters', { topics: ['a', 'b?'] }, '/topics/1'],
    ['topics as text', { topics: 'a' }, '/topics'],
  ];
  for (const [what, body, pointer] of refused) {
    const answer = await s.call('PUT', '/v1/producer-groups/g', body);
    t.equal(isProblem(t, answer, 'VALIDATION_FAILED', what).errors?.[0]?.pointer, pointer, what);
  }
  t.same((await s.call('GET', '/v1/producer-groups/g')).json(), before, 'nothing was changed');
  const rollback = { check: { onLimit: 'rollback' } };
  t.equal((await s.call('PUT', '/v1/producer-groups/g', rollback)).statusCode, 200, 'rollback with an address');
  const answer = await s.call('PUT', '/v1/producer-groups/g', { checkUrl: null });
  t.equal(isProblem(t, answer, 'VALIDATION_FAILED').errors?.[0]?.pointer, '/checkUrl', 'and the address taken away');
});

t.test('addresses: judged when they are given', async t => {
  const allowed = { http: true };
  const s = await startServer(t, {
    addresses: { judge: () => (allowed.http ? null : 'Not that one.'), isLoopback: url => url === LOOPBACK },
  });
  t.equal((await s.call('PUT', '/v1/producer-groups/g', { checkUrl: OUTSIDE, checkSecret: SECRET })).statusCode, 201);
  allowed.http = false;
  const refused = isProblem(
    t,
    await s.call('PUT', '/v1/producer-groups/g', { checkUrl: LOOPBACK }),
    'CHECK_ADDRESS_NOT_ALLOWED',
  );
  t.match(refused, { detail: 'Not that one.', errors: [{ pointer: '/checkUrl' }] });
  t.equal((await s.call('PUT', '/v1/producer-groups/g', { topics: ['a'] })).statusCode, 200);
  const bare = await s.call('PUT', '/v1/producer-groups/g', { checkSecret: null });
  t.equal(isProblem(t, bare, 'VALIDATION_FAILED').errors?.[0]?.pointer, '/checkSecret', 'the secret stays needed');
});

t.test('the form of a secret is the one of the signature', async t => {
  const pattern = new RegExp(SECRET_PATTERN);
  for (let bytes = 20; bytes <= 70; bytes++) {
    const secret = secretOf(bytes);
    t.equal(pattern.test(secret), secretKey(secret) !== null, `${bytes} bytes`);
    const odd = `${secret.slice(0, -2)}B=`;
    t.equal(pattern.test(odd), secretKey(odd) !== null, `${bytes} bytes, another end`);
  }
});

t.test('two PUTs at once lose nothing', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await Promise.all([
    s.call('PUT', '/v1/producer-groups/g', { checkUrl: LOOPBACK }),
    s.call('PUT', '/v1/producer-groups/g', { topics: ['a'] }),
    s.call('PUT', '/v1/producer-groups/g', { check: { limit: 3 } }),
    s.call('PUT', '/v1/producer-groups/g', { check: { afterMs: 500 } }),
  ]);
  t.match((await s.call('GET', '/v1/producer-groups/g')).json(), {
    checkUrl: LOOPBACK,
    topics: ['a'],
    check: { limit: 3, afterMs: 500 },
  });
});

t.test('all groups, by name, with their health', async t => {
  const test = () => Promise.reject(new Error('nobody asks'));
  const s = await startServer(t, { checkBack: { test, lastCallMs: name => (name === 'g' ? 12.6 : null) } });
  for (const name of ['b', 'a', 'Z']) await s.createGroup(name);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: LOOPBACK, check: { limit: 1 } });
  await s.prepare('t1');
  await s.prepare('t2');
  await s.coordinator.submit([
    { type: 'answer', id: 't1', answer: 'unknown', error: null },
    { type: 'answer', id: 't2', answer: 'none', error: 'refused' },
    { type: 'group_health', group: 'g', error: null },
    { type: 'group_health', group: 'g', error: 'timed out' },
  ]);
  const { items } = (await s.call('GET', '/v1/producer-groups')).json();
  t.same(
    items.map(({ group }: { group: string }) => group),
    ['Z', 'a', 'b', 'g'],
  );
  const lastAnswerAt = '2026-11-21T10:00:00.000Z';
  t.same(items[3].health, { lastAnswerAt, lastError: 'timed out', overdue: 1, unresolved: 1, lastCallMs: 13 });
  t.equal(items[0].health.lastCallMs, null);
});

t.test('the test question', async t => {
  const asked: string[] = [];
  const s = await startServer(t, {
    checkBack: {
      test: async ({ name }) => {
        asked.push(name);
        return { ok: false, status: null, tookMs: 12, error: 'connection refused' };
      },
      lastCallMs: () => null,
    },
  });
  await s.createGroup('silent');
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: LOOPBACK });
  const answer = await s.call('POST', '/v1/producer-groups/g/test');
  t.equal(answer.statusCode, 200);
  t.strictSame(answer.json(), { ok: false, status: null, tookMs: 12, error: 'connection refused' });
  t.same(asked, ['g']);
  isProblem(t, await s.call('POST', '/v1/producer-groups/nobody/test'), 'PRODUCER_GROUP_NOT_FOUND');
  isProblem(t, await s.call('POST', '/v1/producer-groups/silent/test'), 'NO_CHECK_URL');
  isProblem(t, await s.call('POST', '/v1/producer-groups/g/test', {}), 'VALIDATION_FAILED', 'it takes no body');
});
