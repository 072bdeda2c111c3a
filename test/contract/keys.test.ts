/** API keys: how they are made, shown, replaced and ended; and that one that is over opens nothing. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import t, { type Test } from 'tap';
import { callers, digestOf } from '../../broker/api/caller.ts';
import { isProblem, startServer, type TestServer, transaction } from '../support/http-server.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const HOUR_MS = 3_600_000;

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const as =
  (s: TestServer, key: string) =>
  (method: string, url: string, body?: unknown): ReturnType<TestServer['call']> =>
    s.call(method, url, body, bearer(key));

/** A broker with a key from outside, and that operator's calls. */
const guarded = async (test: Test) => {
  const s = await startServer(test, { operatorKey: KEY });
  const operator = as(s, KEY);
  const make = async (body: object): Promise<{ prefix: string; key: string }> => {
    const answer = await operator('POST', '/v1/keys', body);
    if (answer.statusCode !== 201) throw new Error(answer.body);
    return answer.json();
  };
  return { s, operator, make };
};

t.test('a key is shown once, with all that is known of it', async t => {
  const { s, operator } = await guarded(t);
  const expiresAt = '2026-11-22T10:00:00.000Z';
  const answer = await operator('POST', '/v1/keys', { role: 'producer', group: 'g', expiresAt, reason: 'first' });
  t.equal(answer.statusCode, 201);
  t.equal(answer.headers['cache-control'], 'no-store');
  const { key, ...rest } = answer.json();
  t.match(key, /^emq_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
  t.ok(key.startsWith(`${rest.prefix}_`));
  t.strictSame(rest, {
    prefix: rest.prefix,
    role: 'producer',
    group: 'g',
    createdAt: '2026-11-21T10:00:00.000Z',
    createdBy: 'operator',
    reason: 'first',
    expiresAt,
    revokedAt: null,
    revokedBy: null,
    revokedReason: null,
  });
  const list = await operator('GET', '/v1/keys');
  t.strictSame(list.json(), { items: [rest] });
  t.notMatch(list.body, key.slice(rest.prefix.length + 1));
  t.equal((await operator('GET', '/v1/producer-groups/g')).statusCode, 200, 'its group is made');
  t.strictSame((await s.store.keys())[0]!.hash, digestOf(key), 'a hash is all that is stored');
  t.equal((await operator('PUT', '/v1/producer-groups/g', { topics: ['a'] })).statusCode, 200);
  await operator('POST', '/v1/keys', { role: 'producer', group: 'g' });
  t.match((await operator('GET', '/v1/producer-groups/g')).json(), { topics: ['a'] }, 'a group that is there stays');
});

t.test('bad input is told, and makes no key', async t => {
  const { operator } = await guarded(t);
  const cases: [body: unknown, pointer: string][] = [
    [{}, '/role'],
    [[], ''],
    [{ role: 'root' }, '/role'],
    [{ role: 'Producer', group: 'g' }, '/role'],
    [{ role: null }, '/role'],
    [{ role: 'producer' }, '/group'],
    [{ role: 'producer', group: null }, '/group'],
    [{ role: 'producer', group: 'a b' }, '/group'],
    [{ role: 'producer', group: '' }, '/group'],
    [{ role: 'viewer', group: 'g' }, '/group'],
    [{ role: 'operator', group: 'g' }, '/group'],
    [{ role: 'viewer', reason: '' }, '/reason'],
    [{ role: 'viewer', reason: 'x'.repeat(501) }, '/reason'],
    [{ role: 'viewer', reason: 5 }, '/reason'],
    [{ role: 'viewer', expiresAt: 'tomorrow' }, '/expiresAt'],
    [{ role: 'viewer', expiresAt: '2026-02-30T10:00:00Z' }, '/expiresAt'],
    [{ role: 'viewer', expiresAt: 1_800_000_000_000 }, '/expiresAt'],
    [{ role: 'viewer', expiresAt: '2026-11-21T10:00:00Z' }, '/expiresAt'],
    [{ role: 'viewer', expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt'],
    [{ role: 'viewer', expiresAt: '2099-01-01T00:00:00Z' }, '/expiresAt'],
    [{ role: 'viewer', key: 'emq_000000000000' }, '/key'],
    [{ role: 'viewer', prefix: 'emq_000000000000' }, '/prefix'],
  ];
  for (const [body, pointer] of cases) {
    const { errors } = isProblem(
      t,
      await operator('POST', '/v1/keys', body),
      'VALIDATION_FAILED',
      JSON.stringify(body),
    );
    t.equal(errors![0]!.pointer, pointer, JSON.stringify(body));
  }
  const prefixes = [
    'x',
    'emq_',
    'emq_00000000000',
    'emq_0000000000000',
    'EMQ_000000000000',
    'emq_00000000000g',
    '..%2f',
  ];
  for (const prefix of prefixes)
    isProblem(t, await operator('DELETE', `/v1/keys/${prefix}`), 'VALIDATION_FAILED', prefix);
  const unknown = '/v1/keys/emq_000000000000';
  isProblem(t, await operator('DELETE', unknown), 'KEY_NOT_FOUND');
  isProblem(t, await operator('DELETE', unknown, { reason: 5 }), 'VALIDATION_FAILED');
  isProblem(t, await operator('GET', '/v1/keys?role=viewer'), 'VALIDATION_FAILED');
  t.same((await operator('GET', '/v1/keys')).json().items, []);
});

t.test('rotation: two keys of a group at the same time, not three; expired and revoked ones do not count', async t => {
  const { s, operator, make } = await guarded(t);
  const producer = { role: 'producer', group: 'g' };
  const first = await make({ ...producer, expiresAt: '2026-11-21T11:00:00Z' });
  const second = await make(producer);
  const third = await operator('POST', '/v1/keys', producer);
  const { detail } = isProblem(t, third, 'TOO_MANY_KEYS');
  t.match(detail, `${first.prefix} and ${second.prefix}`);
  await make({ role: 'producer', group: 'other' });
  for (const { key } of [first, second]) t.equal((await as(s, key)('GET', '/v1/transactions')).statusCode, 200);

  s.time.now += HOUR_MS;
  const replacing = await make(producer);
  isProblem(t, await operator('POST', '/v1/keys', producer), 'TOO_MANY_KEYS');
  t.equal((await operator('DELETE', `/v1/keys/${second.prefix}`)).statusCode, 204);
  await make(producer);
  t.equal((await as(s, replacing.key)('GET', '/v1/transactions')).statusCode, 200);

  const racing = await Promise.all(
    [1, 2, 3, 4].map(() => operator('POST', '/v1/keys', { role: 'producer', group: 'raced' })),
  );
  t.same(racing.map(({ statusCode }) => statusCode).sort(), [201, 201, 409, 409]);
  for (let i = 0; i < 5; i++) await make({ role: 'viewer' });
});

t.test('a key is good until the moment at which it expires, and says so afterwards', async t => {
  const { s, make } = await guarded(t);
  const { key } = await make({ role: 'viewer', expiresAt: '2026-11-21T10:00:01+00:00' });
  s.time.now += 999;
  t.equal((await as(s, key)('GET', '/v1/topics')).statusCode, 200);
  s.time.now += 1;
  const { detail } = isProblem(t, await as(s, key)('GET', '/v1/topics'), 'UNAUTHENTICATED');
  t.equal(detail, 'This key expired at 2026-11-21T10:00:01.000Z.');
  const forged = `${key.slice(0, -2)}${key.endsWith('AA') ? 'BB' : 'AA'}`;
  const other = isProblem(t, await as(s, forged)('GET', '/v1/topics'), 'UNAUTHENTICATED');
  t.notMatch(other.detail, 'expired', 'nothing is told to whoever has but its prefix');
  t.notOk('checks' in (await as(s, key)('GET', '/readyz')).json());
});

t.test('a revoked key is over at once, for ever, with who and why', async t => {
  const { s, operator, make } = await guarded(t);
  const boss = await make({ role: 'operator' });
  const { prefix, key } = await make({ role: 'viewer' });
  const revoke = (reason: string) => as(s, boss.key)('DELETE', `/v1/keys/${prefix}`, { reason });
  const answer = await revoke('laptop lost');
  t.equal(answer.statusCode, 204);
  t.equal(answer.body, '');
  const { detail } = isProblem(t, await as(s, key)('GET', '/v1/topics'), 'UNAUTHENTICATED');
  t.equal(detail, 'This key was revoked at 2026-11-21T10:00:00.000Z.');
  s.time.now += HOUR_MS;
  t.equal((await revoke('again')).statusCode, 204, 'it may be repeated');
  const { items } = (await operator('GET', '/v1/keys')).json();
  t.match(items[1], {
    revokedAt: '2026-11-21T10:00:00.000Z',
    revokedBy: `operator:${boss.prefix}`,
    revokedReason: 'laptop lost',
  });
  t.equal((await as(s, boss.key)('DELETE', `/v1/keys/${boss.prefix}`)).statusCode, 204, 'also one’s own');
  isProblem(t, await as(s, boss.key)('GET', '/v1/keys'), 'UNAUTHENTICATED');
});

t.test('the first key closes a broker that ran without keys, and it stays closed', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  isProblem(t, await s.call('POST', '/v1/keys', { role: 'viewer' }), 'OPERATOR_KEY_NEEDED');
  const expiresAt = '2026-11-21T11:00:00Z';
  const { key, createdBy } = (await s.call('POST', '/v1/keys', { role: 'operator', expiresAt })).json();
  t.equal(createdBy, 'operator');
  isProblem(t, await s.call('GET', '/v1/transactions'), 'UNAUTHENTICATED');
  isProblem(t, await s.call('POST', '/v1/keys', { role: 'operator' }), 'UNAUTHENTICATED');
  const foreign = { ...bearer(key), host: 'broker.example:7400', origin: 'http://console.example' };
  t.equal((await s.call('GET', '/v1/topics', undefined, foreign)).statusCode, 200, 'a key is the protection now');
  s.time.now += HOUR_MS;
  isProblem(t, await as(s, key)('GET', '/v1/keys'), 'UNAUTHENTICATED');
  isProblem(t, await s.call('GET', '/v1/keys'), 'UNAUTHENTICATED', 'a key that is over opens nothing');
});

t.test('the history names the key that acted', async t => {
  const { s, operator, make } = await guarded(t);
  const boss = await make({ role: 'operator' });
  const producer = await make({ role: 'producer', group: 'g' });
  await operator('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/' });
  for (const id of ['t1', 't2']) {
    const made = await as(s, producer.key)('POST', '/v1/transactions', { ...transaction(id), group: undefined });
    t.match(made.json(), { id, group: 'g' }, 'the group may be left out');
  }
  const reason = { reason: 'ticket 4711' };
  await as(s, boss.key)('POST', '/v1/transactions/t1/check', reason);
  await as(s, boss.key)('POST', '/v1/transactions/t1/commit', reason);
  await as(s, boss.key)('POST', '/v1/transactions/t1/rollback', reason);
  await operator('POST', '/v1/transactions/t2/rollback', reason);
  const lines = async (id: string): Promise<[string, string][]> =>
    (await operator('GET', `/v1/transactions/${id}`))
      .json()
      .history.map((line: Record<string, string>) => [line.event, line.by]);
  const by = `operator:${boss.prefix}`;
  t.same(await lines('t1'), [
    ['prepared', 'producer'],
    ['check_asked', by],
    ['committed', by],
    ['contradicted', by],
  ]);
  t.same(await lines('t2'), [
    ['prepared', 'producer'],
    ['rolled_back', 'operator'],
  ]);
  t.equal((await operator('GET', '/v1/transactions/t1')).json().resolvedBy, 'operator');
});

t.test('a producer may update its own group, but not widen it', async t => {
  const { s, operator, make } = await guarded(t);
  const { key } = await make({ role: 'producer', group: 'g' });
  const put = (body: object) => as(s, key)('PUT', '/v1/producer-groups/g', body);
  t.equal((await put({ check: { limit: 3 }, topics: ['audit.*', 'transfers'] })).statusCode, 200, 'narrower');
  t.equal((await put({ topics: ['audit.de.*', 'audit.x', 'transfers'] })).statusCode, 200, 'narrower still');
  const wider = [null, ['*'], ['audit.*'], ['audit.de*'], ['transfers', 'other'], ['*transfers'], ['audit.d*.x']];
  for (const topics of wider) isProblem(t, await put({ topics }), 'FORBIDDEN', JSON.stringify(topics));
  t.match((await operator('GET', '/v1/producer-groups/g')).json(), { topics: ['audit.de.*', 'audit.x', 'transfers'] });
  t.equal((await put({ topics: ['audit.de.a*b'] })).statusCode, 200);
  t.equal((await operator('PUT', '/v1/producer-groups/g', { topics: null })).statusCode, 200);
  isProblem(t, await as(s, key)('PUT', '/v1/producer-groups/new', {}), 'PRODUCER_GROUP_NOT_FOUND');
  isProblem(t, await operator('GET', '/v1/producer-groups/new'), 'PRODUCER_GROUP_NOT_FOUND');
});

t.test('known and unknown prefixes take the same way, whatever is sent', async t => {
  const { s, make } = await guarded(t);
  const { prefix, key } = await make({ role: 'viewer' });
  const callerOf = callers({ operatorKey: KEY, keys: s.coordinator, clock: { now: () => s.time.now } });
  const { timingSafeEqual } = crypto;
  let compared = 0;
  crypto.timingSafeEqual = (...given) => {
    compared++;
    return timingSafeEqual(...given);
  };
  syncBuiltinESMExports();
  t.teardown(() => {
    crypto.timingSafeEqual = timingSafeEqual;
    syncBuiltinESMExports();
  });
  const secret = 'A'.repeat(43);
  for (const text of [
    key,
    KEY,
    `${prefix}_${secret}`,
    `emq_000000000000_${secret}`,
    prefix,
    'x',
    '',
    'é'.repeat(999),
  ]) {
    compared = 0;
    callerOf(`Bearer ${text}`);
    t.equal(compared, 2, text.slice(0, 20));
  }
});
