/** Header fields that every answer has, whatever it is about and whoever writes it. */
import t, { type Test } from 'tap';
import { rawCall, startServer, type TestServer } from '../support/http-server.ts';

const ALWAYS = {
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
const NOTHING = "default-src 'none'; frame-ancestors 'none'";

interface Page {
  readonly url: string;
  readonly method: string;
}

/** Every route with a method, as the document has them. */
const documentedCalls = async (s: TestServer): Promise<Page[]> => {
  const { paths } = (await s.call('GET', '/openapi.json')).json<{ paths: Record<string, Record<string, unknown>> }>();
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => ({ method: method.toUpperCase(), url: path.replaceAll(/\{\w+\}/g, 'x') })),
  );
};

const hasAll = (t: Test, headers: Record<string, unknown>, what: string): void => {
  t.match(headers, ALWAYS, what);
  t.match(headers['content-security-policy'], /^default-src 'none';.*frame-ancestors 'none'$/, what);
  t.notMatch(headers['content-security-policy'], /https?:|\*|script-src[^;]*unsafe/, what);
  t.notOk('strict-transport-security' in headers, `${what}: only over TLS`);
};

t.test('every route, whether it succeeds or refuses, and what is no route', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const calls = await documentedCalls(s);
  t.ok(calls.length > 15, `${calls.length} calls`);
  const succeeds: Page[] = ['/v1/transactions', '/v1/producer-groups/g', '/readyz', '/metrics', '/errors'].map(url => ({
    method: 'GET',
    url,
  }));
  const nowhere: Page[] = [
    { method: 'GET', url: '/nothing' },
    { method: 'PATCH', url: '/v1/transactions' },
    { method: 'GET', url: '/v1/transactions/%ff' },
    { method: 'GET', url: `/v1/transactions/${'x'.repeat(20_000)}` },
  ];
  for (const { method, url } of [...calls, ...succeeds, ...nowhere]) {
    const what = `${method} ${url.slice(0, 50)}`;
    const { headers } = await s.call(method, url);
    hasAll(t, headers, what);
    t.match(headers, { 'cache-control': 'no-store', 'content-security-policy': NOTHING }, what);
  }
});

t.test('the pages of the document may load what is their own, scripts from files alone', async t => {
  const s = await startServer(t);
  const { headers, body } = await s.call('GET', '/docs');
  hasAll(t, headers, '/docs');
  t.match(headers['content-security-policy'], /script-src 'self';/);
  t.notMatch(body, /<script>|\son\w+=/, 'so no script stands in the page itself');
  const files = [...body.matchAll(/(?:src|href)="\.?([^"]+)"/g)].map(
    ([, path]) => `/docs${path!.replace(/^\/docs/, '')}`,
  );
  t.ok(files.length >= 4, files.join());
  for (const url of files) {
    const file = await s.call('GET', url);
    t.equal(file.statusCode, 200, url);
    hasAll(t, file.headers, url);
  }
});

t.test('where the answer is no route’s', async t => {
  const s = await startServer(t);
  for (const [status, text] of [
    [400, 'HELLO\r\n\r\n'],
    [400, 'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n'],
    [405, 'CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n'],
    [431, `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`],
    [401, 'GET /v1/transactions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
  ] as const) {
    const server = status === 401 ? await startServer(t, { operatorKey: 'k'.repeat(32) }) : s;
    const answer = await rawCall(server.app, text);
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 40));
    const [head = ''] = answer.split('\r\n\r\n');
    const headers = Object.fromEntries(
      head
        .split('\r\n')
        .slice(1)
        .map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    hasAll(t, headers, String(status));
    t.equal(headers['cache-control'], 'no-store', String(status));
  }
});
