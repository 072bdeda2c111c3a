/** The console over HTTP: who gets in, what a page may carry, and that every act goes the way of everybody’s calls. */
import t, { type Test } from 'tap';
import { clock } from '../../broker/clock.ts';
import { consolePages } from '../../broker/console/console.ts';
import type { ActBody, TransactionDetail } from '../../broker/protocol/wire.ts';
import { type ConsoleServer, type ConsoleVisitor, readable, startConsole } from '../support/console-visitor.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const asOperator = { authorization: `Bearer ${KEY}` };

const makeKey = async (s: ConsoleServer, body: object): Promise<{ prefix: string; key: string }> =>
  (await s.call('POST', '/v1/keys', body, asOperator)).json();

const withKeys = async (t: Test): Promise<ConsoleServer> => {
  const s = await startConsole(t, { operatorKey: KEY });
  await s.call('PUT', '/v1/producer-groups/g', {}, asOperator);
  return s;
};

const operatorOn = async (s: ConsoleServer): Promise<ConsoleVisitor> => {
  const visitor = s.visitor();
  await visitor.login(KEY);
  return visitor;
};

const prepare = (s: ConsoleServer, id: string, message: object = {}) =>
  s.call(
    'POST',
    '/v1/transactions',
    { id, group: 'g', messages: [{ topic: 'transfers', key: 'account-17', payload: '{"amount":100}', ...message }] },
    s.time === undefined ? {} : asOperator,
  );

const detailOf = async (s: ConsoleServer, id: string): Promise<TransactionDetail> =>
  (await s.call('GET', `/v1/transactions/${id}`, undefined, asOperator)).json();

t.test('with keys', async t => {
  const s = await withKeys(t);

  await t.test('nobody gets in without one', async t => {
    const nobody = s.visitor();
    for (const path of ['/console', '/console/transactions?key=a', '/console/transactions/t1', '/console/nowhere']) {
      const { status, location, text } = await nobody.get(path);
      t.equal(status, 303, path);
      const next = path === '/console' ? '' : `?next=${encodeURIComponent(path)}`;
      t.equal(location, `/console/login${next}`, path);
      t.equal(text, '', path);
    }
    const part = await nobody.get('/console/attention', { 'hx-request': 'true' });
    t.match(part, { status: 401, text: '' }, 'a part of a page is none');
    t.equal(part.headers.get('hx-redirect'), '/console/login', 'the whole page leaves');
    t.equal((await nobody.send('POST', '/console/transactions/t1/commit', 'reason=x')).status, 303);
  });

  await t.test('a wrong key is told nothing but that it is wrong', async t => {
    const { prefix, key } = await makeKey(s, { role: 'operator' });
    await s.call('DELETE', `/v1/keys/${prefix}`, undefined, asOperator);
    const wrong = ['x', key, `${key.slice(0, -1)}A`, `${KEY}x`, 'ä'.repeat(40), 'a\r\nb: c', ''];
    const pages = new Set<string>();
    for (const one of wrong) {
      const visitor = s.visitor();
      const { status, text } = await visitor.login(one);
      t.equal(status, 401, JSON.stringify(one));
      t.equal(visitor.cookie, null);
      pages.add(text);
    }
    t.equal(pages.size, 1, 'all of them see the same page');
  });

  await t.test('a producer is told what he needs', async t => {
    const { key } = await makeKey(s, { role: 'producer', group: 'g' });
    const visitor = s.visitor();
    const page = await visitor.login(key);
    t.equal(page.status, 403);
    t.match(readable(page), /producer’s key, which opens no console/);
    t.equal(visitor.cookie, null);
  });

  await t.test('in and out', async t => {
    const visitor = s.visitor();
    const page = await visitor.submit(
      '/console/login',
      { key: ` ${KEY}\n`, next: '/console/topics?x=1' },
      '/console/login?next=/console/topics',
    );
    t.match(page, { status: 303, location: '/console/topics?x=1' });
    const cookie = page.headers.get('set-cookie')!;
    t.match(cookie, /^escrowmq_session=[A-Za-z0-9_-]{43};/);
    for (const part of [/; Path=\/console(;|$)/, /; HttpOnly/, /; SameSite=Strict/]) t.match(cookie, part);
    t.notMatch(cookie, /Secure|Domain/);
    t.notMatch(cookie + page.text, KEY, 'the key itself goes nowhere');
    const { status, text } = await visitor.get('/console');
    t.equal(status, 200);
    t.notMatch(text, KEY);
    const old = visitor.cookie;
    t.match(await visitor.submit('/console/logout', {}), { status: 303, location: '/console/login' });
    t.equal(visitor.cookie, null);
    visitor.cookie = old;
    t.equal((await visitor.get('/console')).status, 303, 'the session is over, not only forgotten by the browser');
  });

  await t.test('over TLS, also that of a proxy, the cookie is for TLS alone', async t => {
    const visitor = s.visitor();
    const { host } = new URL(s.url);
    const fields = new URLSearchParams({ formToken: await visitor.formToken('/console/login'), key: KEY });
    const page = await visitor.send('POST', '/console/login', fields.toString(), { origin: `https://${host}` });
    t.match(page.headers.get('set-cookie'), /; Secure/);
  });

  await t.test('the way back leads to the console alone', async t => {
    for (const next of [
      'https://evil.example',
      '//evil.example',
      '/v1/keys',
      '/consolevil',
      '/console\r\nx: y',
      '/\\evil.example',
    ]) {
      const visitor = s.visitor();
      const { location } = await visitor.submit('/console/login', { key: KEY, next }, '/console/login');
      t.equal(location, '/console', next);
    }
  });

  await t.test('a revoked key ends its sessions at the next request', async t => {
    const { prefix, key } = await makeKey(s, { role: 'viewer' });
    const visitor = s.visitor();
    await visitor.login(key);
    t.equal((await visitor.get('/console')).status, 200);
    await s.call('DELETE', `/v1/keys/${prefix}`, undefined, asOperator);
    t.match(await visitor.get('/console'), { status: 303, location: '/console/login' });
  });

  await t.test('whatever wrong keys others try at the same moment, the right one opens', async t => {
    const visitor = s.visitor();
    const formToken = await visitor.formToken('/console/login');
    const attempt = (key: string) =>
      visitor.send('POST', '/console/login', new URLSearchParams({ formToken, key }).toString());
    const pages = await Promise.all([...Array.from({ length: 100 }, (_, i) => attempt(`wrong-${i}`)), attempt(KEY)]);
    t.same(
      pages.map(({ status }) => status),
      [...Array.from({ length: 100 }, () => 401), 303],
    );
  });

  t.same(s.errors, []);
});

t.test('forms are taken from our own pages alone', async t => {
  const s = await withKeys(t);
  await prepare(s, 't1');
  const visitor = await operatorOn(s);
  const path = '/console/transactions/t1/commit';
  const formToken = await visitor.formToken('/console/transactions/t1');
  const good = new URLSearchParams({ formToken, reason: 'because' }).toString();
  const other = await (await operatorOn(s)).formToken('/console/transactions/t1');
  t.not(other, formToken, 'each session has a token of its own');
  const refused: [what: string, body: string, headers: Record<string, string>][] = [
    ['no token', 'reason=because', {}],
    ['a token of another session', new URLSearchParams({ formToken: other, reason: 'because' }).toString(), {}],
    ['the token twice', `${good}&formToken=${formToken}`, {}],
    ['another origin', good, { origin: 'https://evil.example' }],
    ['another port', good, { origin: 'http://127.0.0.1:1' }],
    ['an origin that nobody knows', good, { origin: 'null' }],
    ['another site, as the browser says', good, { 'sec-fetch-site': 'cross-site' }],
    ['another origin of the same site, as the browser says', good, { 'sec-fetch-site': 'same-site' }],
  ];
  for (const [what, body, headers] of refused) {
    const page = await visitor.send('POST', path, body, headers);
    t.equal(page.status, 403, what);
    t.match(readable(page), /Nothing was changed/, what);
  }
  t.equal((await visitor.send('POST', path, '{"reason":"x"}', { 'content-type': 'application/json' })).status, 415);
  t.equal((await visitor.send('POST', path, good, { 'content-type': 'text/plain' })).status, 415);
  t.equal((await visitor.send('POST', path, `${good}&x=${'x'.repeat(200_000)}`)).status, 413);
  t.equal((await visitor.get(path)).status, 404, 'a link does nothing');
  t.match(await detailOf(s, 't1'), { state: 'prepared' });
  t.equal((await visitor.send('POST', path, good)).status, 303, 'the same, as it should be, is taken');
  t.match(await detailOf(s, 't1'), { state: 'committed' });
  t.same(s.errors, []);
});

t.test('acts arrive in REST with their reason and the key that did it', async t => {
  const s = await withKeys(t);
  const { prefix, key } = await makeKey(s, { role: 'operator' });
  const visitor = s.visitor();
  await visitor.login(key);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/check' }, asOperator);
  for (const id of ['c1', 'r1', 'a1', 'p1', 'p2']) await prepare(s, id);
  for (const id of ['p1', 'p2']) {
    await s.call('POST', `/v1/transactions/${id}/commit`, { reason: 'x' }, asOperator);
    await s.coordinator.submit([{ type: 'park', transactionId: id, index: 0, error: 'too large' }]);
  }
  const reason = 'the bank says so: <b>“yes” & ünïcode';
  const acts: [path: string, on: string, act: string, target: string][] = [
    ['/console/transactions/c1/commit', 'c1', 'commit', 'c1'],
    ['/console/transactions/r1/rollback', 'r1', 'rollback', 'r1'],
    ['/console/transactions/a1/check', 'a1', 'check', 'a1'],
    ['/console/messages/p1.0/retry', 'p1', 'retry', 'p1.0'],
    ['/console/messages/p2.0/discard', 'p2', 'discard', 'p2.0'],
  ];
  for (const [path, id, act, target] of acts) {
    const before = readable(await visitor.get(`/console/transactions/${id}`));
    t.match(before, act === 'commit' ? /will go to Kafka/ : /\w/, 'what will happen is said');
    const { status, location } = await visitor.submit(path, { reason });
    t.match({ status, location }, { status: 303, location: `/console/transactions/${id}?done=${act}` });
    t.match(readable(await visitor.get(location!)), /your reason stands in the history/);
    const { items } = (await s.call('GET', `/v1/acts?target=${target}&act=${act}`, undefined, asOperator)).json<{
      items: ActBody[];
    }>();
    t.match(items, [{ act, target, reason, by: `operator:${prefix}` }]);
  }
  t.match(await detailOf(s, 'c1'), { state: 'committed', resolvedBy: 'operator' });
  t.match(await detailOf(s, 'r1'), { state: 'rolled_back', resolvedBy: 'operator' });

  const none = await visitor.submit('/console/transactions/a1/commit', { reason: '' });
  t.equal(none.status, 400, 'no reason');
  t.match(readable(none), /Nothing was changed/);
  const long = await visitor.submit('/console/transactions/a1/commit', { reason: `<b>${'x'.repeat(500)}` });
  t.equal(long.status, 400, 'a reason that is too long');
  t.match(long.text, /<details[^>]* data-testid="commit" open>/, 'the form is open again');
  t.match(long.text, /&lt;b&gt;x{500}<\/textarea>/, 'with what was written into it');
  const late = await visitor.submit('/console/transactions/c1/rollback', { reason });
  t.equal(late.status, 409);
  t.match(readable(late), /Transaction c1 is committed by operator; that stands/);
  t.equal((await visitor.submit('/console/transactions/nobody/commit', { reason })).status, 404);
  t.match(readable(await visitor.get('/console/transactions/c1')), /disagree/, 'and it is shown as contradicted');
  t.same(s.errors, []);
});

t.test('where the broker itself speaks TLS, the cookie is for TLS alone', async t => {
  const s = await startConsole(t, { operatorKey: KEY, pages: consolePages({ clock, isSecure: true }) });
  const page = await s.visitor().login(KEY);
  t.match(page.headers.get('set-cookie'), /; Secure/);
});

t.test('keys are made, shown once, and revoked', async t => {
  const s = await withKeys(t);
  const visitor = await operatorOn(s);
  const made = await visitor.submit('/console/keys', {
    role: 'producer',
    group: 'g',
    expiresAt: '2026-12-24T18:00',
    reason: 'for <g>',
  });
  t.equal(made.status, 200);
  const key = /data-copy[^>]*>([^<]+)</.exec(made.text)![1]!;
  const prefix = key.slice(0, 16);
  t.equal(
    (await s.call('GET', '/v1/transactions', undefined, { authorization: `Bearer ${key}` })).statusCode,
    200,
    'it is good',
  );
  for (const path of ['/console/keys', `/console/keys/${prefix}`, '/console/history']) {
    const { text } = await visitor.get(path);
    t.match(text, prefix, path);
    t.notMatch(text, key, `${path}: it was shown once`);
  }
  t.match(
    readable(await visitor.get(`/console/keys/${prefix}`)),
    /producer of g active until 2026-12-24 18:00:00.000Z .*for <g>/,
  );
  const wrong = await visitor.submit('/console/keys', { role: 'viewer', group: 'g', reason: 'x' });
  t.equal(wrong.status, 400);
  t.match(readable(wrong), /only a producer key is bound to a group.*Nothing was changed/);
  t.equal((await visitor.submit(`/console/keys/${prefix}/revoke`, { reason: '' })).status, 400, 'not without a reason');
  t.match(await visitor.submit(`/console/keys/${prefix}/revoke`, { reason: 'lost' }), {
    status: 303,
    location: '/console/keys',
  });
  t.match(readable(await visitor.get('/console/keys')), /revoked .* by operator: lost/);
  t.equal((await s.call('GET', '/v1/transactions', undefined, { authorization: `Bearer ${key}` })).statusCode, 401);
  t.equal((await visitor.get('/console/keys/emq_000000000000')).status, 404);
  t.same(s.errors, []);
});

t.test('a viewer sees everything and can do nothing', async t => {
  const s = await withKeys(t);
  await prepare(s, 't1');
  const { key } = await makeKey(s, { role: 'viewer' });
  const viewer = s.visitor();
  await viewer.login(key);
  const page = await viewer.get('/console/transactions/t1');
  t.equal(page.status, 200);
  t.notMatch(page.text, /name="reason"/, 'no act is offered');
  const act = await viewer.submit('/console/transactions/t1/commit', { reason: 'x' });
  t.equal(act.status, 403, 'and REST refuses it');
  t.match(await detailOf(s, 't1'), { state: 'prepared' });
  t.equal((await viewer.get('/console/keys')).status, 403, 'keys are for operators');
  t.notMatch((await viewer.get('/console')).text, /href="\/console\/keys"/);
});

t.test('the broker without keys', async t => {
  const s = await startConsole(t);
  await s.createGroup('g');
  await s.prepare('t1');
  const visitor = s.visitor();

  await t.test('lets everybody of its machine in, forms and all', async t => {
    t.equal((await visitor.get('/console')).status, 200);
    t.match(await visitor.get('/console/login'), { status: 303, location: '/console' });
    const path = '/console/transactions/t1';
    t.equal((await visitor.submit(`${path}/commit`, { reason: 'x' }, path)).status, 303);
    t.match((await s.call('GET', '/v1/transactions/t1')).json(), { state: 'committed', resolvedBy: 'operator' });
    t.equal(
      (await visitor.send('POST', '/console/transactions/t1/commit', 'reason=x')).status,
      403,
      'not without a token',
    );
  });

  await t.test('and no page of others', async t => {
    t.equal((await visitor.get('/console', { origin: 'https://evil.example' })).status, 403);
    const rebound = await s.call('GET', '/console', undefined, { host: 'evil.example' });
    t.equal(rebound.statusCode, 403, 'also by a name that leads here');
    t.match(rebound.body, /<h1>You may not do that/);
  });

  await t.test('until it has one', async t => {
    await s.call('POST', '/v1/keys', { role: 'operator' });
    t.equal((await visitor.get('/console')).status, 303);
  });
});

t.test('every answer carries what keeps others out', async t => {
  const s = await startConsole(t);
  const visitor = s.visitor();
  const page = await visitor.get('/console');
  const files = [...page.text.matchAll(/(?:href|src)="(\/console\/files\/[^"]+)"/g)].map(([, path]) => path!);
  t.ok(files.length >= 4, `${files.length} files`);
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
  for (const path of [
    '/console',
    '/console/transactions',
    '/console/nowhere',
    '/console/transactions/none',
    '/console/transactions?limit=x&since=y',
    ...files,
  ]) {
    const { headers, text } = await visitor.get(path);
    t.equal(headers.get('content-security-policy'), policy, path);
    t.equal(headers.get('x-content-type-options'), 'nosniff', path);
    t.equal(headers.get('x-frame-options'), 'DENY', path);
    t.equal(headers.get('referrer-policy'), 'same-origin', path);
    const isFile = files.includes(path);
    t.equal(headers.get('cache-control'), isFile ? 'public, max-age=31536000, immutable' : 'no-store', path);
    if (!isFile) t.notMatch(text, /<script(?! src=)|<style|\sstyle=|\son\w+=/, `${path}: nothing in it is run`);
  }
  t.equal((await visitor.get('/console/files/console.css')).status, 404, 'a file has one name');
});
