/** HTTP itself: methods, keys, bodies where none belong, headers of pages. */
import t from 'tap';
import { isProblem, rawCall, startServer } from '../support/http-server.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';

t.test('405 tells what is allowed, for every method there is', async t => {
  const s = await startServer(t);
  const cases: [method: string, url: string, allow: string][] = [
    ['DELETE', '/v1/transactions/t1', 'GET, HEAD'],
    ['PUT', '/v1/transactions', 'GET, HEAD, POST'],
    ['GET', '/v1/transactions/t1/commit', 'POST'],
    ['HEAD', '/v1/batch', 'POST'],
    ['OPTIONS', '/v1/batch', 'POST'],
    ['TRACE', '/v1/batch', 'POST'],
    ['POST', '/v1/producer-groups/g', 'GET, HEAD, PUT'],
    ['POST', '/livez', 'GET, HEAD'],
    ['PROPFIND', '/v1/transactions?state=x', 'GET, HEAD, POST'],
    ['DELETE', '/openapi.json', 'GET, HEAD'],
    ['PATCH', '/docs', 'GET, HEAD'],
  ];
  for (const [method, url, allow] of cases) {
    const text = await rawCall(s.app, `${method} ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    t.match(text, /^HTTP\/1\.1 405 /, `${method} ${url}`);
    t.match(text, new RegExp(`^allow: ${allow}\r$`, 'im'), `${method} ${url}`);
    if (method !== 'HEAD') t.match(text, '"code":"METHOD_NOT_ALLOWED"', `${method} ${url}`);
  }
  isProblem(t, await s.call('POST', '/v1/transactions/t1', 'not even JSON'), 'METHOD_NOT_ALLOWED', 'before the body');
});

t.test('404 for what is nowhere', async t => {
  const s = await startServer(t);
  const urls = ['/', '/v1', '/v2/transactions', '/v1/batch/', '/V1/transactions', '/v1/transactions/t1/undo'];
  for (const url of [...urls, '/openapiXjson', '/docs/static/nothing.js']) {
    const problem = isProblem(t, await s.call('GET', url), 'NOT_FOUND', url);
    t.equal(problem.instance, url);
  }
  isProblem(t, await s.call('POST', '/nothing', 'not even JSON'), 'NOT_FOUND', 'before the body');
});

t.test('a body where none belongs', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const head = 'Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n';
  const withBody = [
    `GET /v1/transactions HTTP/1.1\r\n${head}Content-Length: 2\r\n\r\n{}`,
    `GET /livez HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    `POST /v1/producer-groups/g/test HTTP/1.1\r\n${head}Content-Length: 2\r\n\r\n{}`,
  ];
  for (const text of withBody) t.match(await rawCall(s.app, text), /^HTTP\/1\.1 400 [\s\S]*"VALIDATION_FAILED"/, text);
  const empty = `GET /v1/transactions HTTP/1.1\r\n${head}Content-Length: 0\r\n\r\n`;
  t.match(await rawCall(s.app, empty), /^HTTP\/1\.1 200 /);
});

t.test('keys', async t => {
  const s = await startServer(t, { operatorKey: KEY });
  const get = (url: string, authorization?: string) =>
    s.call('GET', url, undefined, authorization === undefined ? {} : { authorization });
  const wrong: (string | undefined)[] = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    KEY,
    `Basic ${KEY}`,
    `Bearer ${KEY}x`,
    `Bearer ${KEY.slice(0, -1)}`,
    `Bearer ${KEY.toUpperCase()}`,
    `Bearer ${KEY} ${KEY}`,
  ];
  const urls = ['/v1/transactions', '/metrics', '/openapi.json', '/docs', '/docs/json', '/errors', '/nothing'];
  for (const url of urls) {
    for (const authorization of url === '/v1/transactions' ? wrong : [undefined]) {
      const answer = await get(url, authorization);
      isProblem(t, answer, 'UNAUTHENTICATED', `${url} with ${authorization}`);
      t.equal(answer.headers['www-authenticate'], 'Bearer');
    }
  }
  isProblem(t, await s.call('DELETE', '/v1/transactions'), 'UNAUTHENTICATED', 'no method is told either');
  isProblem(t, await s.call('POST', '/v1/transactions', 'not even JSON'), 'UNAUTHENTICATED', 'before the body');
  for (const authorization of [`Bearer ${KEY}`, `bearer ${KEY}`, `Bearer  ${KEY} `]) {
    t.equal((await get('/v1/transactions', authorization)).statusCode, 200, authorization);
  }
  t.equal((await get('/docs', `Bearer ${KEY}`)).statusCode, 200);
  t.equal((await get('/livez')).statusCode, 200);
});

t.test('the pages load nothing from elsewhere and cannot be framed', async t => {
  const s = await startServer(t);
  for (const url of ['/docs', '/docs/static/swagger-ui.css', '/docs/static/swagger-initializer.js', '/errors']) {
    const { statusCode, headers } = await s.call('GET', url);
    t.equal(statusCode, 200, url);
    t.equal(headers['x-content-type-options'], 'nosniff', url);
    t.match(headers['content-security-policy'], /default-src 'none'.*frame-ancestors 'none'/, url);
    t.notMatch(String(headers['content-security-policy']), /https?:|\*/, url);
  }
});

t.test('HEAD is GET without a body', async t => {
  const s = await startServer(t);
  const answer = await s.call('HEAD', '/v1/transactions');
  t.equal(answer.statusCode, 200);
  t.equal(answer.body, '');
  t.equal((await s.call('HEAD', '/v1/transactions/nobody')).statusCode, 404);
});

t.test('a connection lives on after a refusal', async t => {
  const s = await startServer(t);
  const first = 'GET /v1/transactions?limit=0 HTTP/1.1\r\nHost: x\r\n\r\n';
  const second = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  t.match(await rawCall(s.app, first + second), /^HTTP\/1\.1 400 [\s\S]*HTTP\/1\.1 200 /);
});

t.test('a broker without keys answers to its own machine, not to web pages of others', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  const commit = (headers: Record<string, string>) => s.call('POST', '/v1/transactions/t1/commit', undefined, headers);
  const foreign: Record<string, string>[] = [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { host: 'evil.example:7400' },
    { host: 'evil.example:7400', origin: 'http://evil.example:7400' },
    { host: '127.0.0.1.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
  ];
  for (const headers of foreign) isProblem(t, await commit(headers), 'FORBIDDEN');
  t.match((await s.call('GET', '/v1/transactions/t1')).json(), { state: 'prepared' });
  const own: Record<string, string>[] = [
    { host: '127.0.0.1:7400', origin: 'http://127.0.0.1:7400', 'sec-fetch-site': 'same-origin' },
    { host: 'localhost:7400', origin: 'http://localhost:3000' },
    { host: '[::1]:7400' },
    { host: '10.0.0.5:7400' },
  ];
  for (const headers of own) t.equal((await commit(headers)).statusCode, 200, JSON.stringify(headers));
});
