/** What a connection may cost: sizes, counts, time, and the ways to smuggle a request past them. Real sockets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { isProblem, rawCall, startServer, type TestServer, transaction } from '../support/http-server.ts';
import { until } from '../support/until.ts';

const HEAD = 'Host: x\r\nConnection: close\r\n';
const JSON_HEAD = `${HEAD}Content-Type: application/json\r\n`;

const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));

const portOf = async ({ app }: TestServer): Promise<number> =>
  Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);

/** Connected, and destroyed with the test. */
const open = async (t: Test, port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
};

t.test('header fields: at most 100, none of them dropped without a word', async t => {
  const s = await startServer(t);
  const fields = (count: number): string => 'X: y\r\n'.repeat(count);
  const call = (count: number) => rawCall(s.app, `GET /livez HTTP/1.1\r\n${HEAD}${fields(count)}\r\n`);
  t.match(await call(98), /^HTTP\/1\.1 200 /);
  for (const count of [99, 1_000, 2_500]) {
    const answer = await call(count);
    t.match(answer, /^HTTP\/1\.1 431 /, `${count + 2} fields`);
    t.match(answer, '"code":"HEADERS_TOO_LARGE"');
  }
  t.match(await call(5_000), /^HTTP\/1\.1 431 /, 'more than 16 KiB of them');
});

t.test('a body that is larger than it may be, announced or not', async t => {
  const limits = { maxMessageBytes: 1_000, maxTransactionBytes: 1_000, maxBodyBytes: 2_000 };
  const s = await startServer(t, { limits });
  const post = `POST /v1/transactions HTTP/1.1\r\n${JSON_HEAD}`;
  const chunk = `400\r\n${' '.repeat(0x400)}\r\n`;
  for (const text of [
    `${post}Content-Length: 2001\r\n\r\n{`,
    `${post}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`,
  ]) {
    t.match(await rawCall(s.app, text), /^HTTP\/1\.1 413 [\s\S]*"limitBytes":2000/, text.slice(0, 120));
  }
  t.same((await s.call('GET', '/v1/transactions')).json().items, []);
});

t.test('depth: 32 and no more, told without a stack that overflows', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const nested = (depth: number): string => `{"group":"g","messages":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  for (const depth of [32, 1_000, 1_000_000]) {
    const answer = await s.call('POST', '/v1/transactions', nested(depth));
    t.match(isProblem(t, answer, 'VALIDATION_FAILED').detail, /deep/, String(depth));
  }
  const inner = await s.call('POST', '/v1/transactions', nested(31));
  t.notMatch(isProblem(t, inner, 'VALIDATION_FAILED').detail, /deep/, 'refused for what it says');
});

t.test('a request that could be read in two ways is refused, and ends the connection', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  // Whoever reads the first request as shorter than the broker does finds this second one behind it.
  const hidden = `POST /v1/transactions/t1/commit HTTP/1.1\r\n${HEAD}\r\n`;
  const body = JSON.stringify(transaction('t2'));
  const post = `POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const twofold: Record<string, string> = {
    'length and chunks': `${post}Content-Length: ${chunked.length}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}${hidden}`,
    'chunks and length': `${post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${chunked}${hidden}`,
    'two lengths': `${post}Content-Length: 0\r\nContent-Length: ${body.length}\r\n\r\n${body}${hidden}`,
    'a list of lengths': `${post}Content-Length: ${body.length}, ${body.length}\r\n\r\n${body}${hidden}`,
    'a signed length': `${post}Content-Length: +${body.length}\r\n\r\n${body}${hidden}`,
    'a length in hex': `${post}Content-Length: 0x5\r\n\r\n${body}${hidden}`,
    'chunked and something else': `${post}Transfer-Encoding: chunked, identity\r\n\r\n${chunked}${hidden}`,
    'chunked, spelled oddly': `${post}Transfer-Encoding: xchunked\r\n\r\n${chunked}${hidden}`,
    'chunked behind a vertical tab': `${post}Transfer-Encoding: \x0bchunked\r\n\r\n${chunked}${hidden}`,
    'a space before the colon': `${post}Content-Length : ${body.length}\r\n\r\n${body}${hidden}`,
    'a folded field': `${post}Transfer-Encoding:\r\n chunked\r\n\r\n${chunked}${hidden}`,
    'a bare line feed behind a field': `${post}X: y\nContent-Length: ${body.length}\r\n\r\n${body}${hidden}`,
    'a bare carriage return': `${post}X: y\rContent-Length: ${body.length}\r\n\r\n${body}${hidden}`,
    'bare line feeds alone': `GET /livez HTTP/1.1\nHost: x\n\n${hidden}`,
    'a zero byte in a field': `${post}X: \x00\r\nContent-Length: ${body.length}\r\n\r\n${body}${hidden}`,
    'a chunk size that is negative': `${post}Transfer-Encoding: chunked\r\n\r\n-1\r\n${chunked}${hidden}`,
    'a chunk size that overflows': `${post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${chunked}${hidden}`,
    'a chunk longer than its size': `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n${body}\r\n0\r\n\r\n${hidden}`,
    'a chunk ended by a line feed': `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n{\n0\r\n\r\n${hidden}`,
  };
  for (const [what, text] of Object.entries(twofold)) {
    const answer = await rawCall(s.app, text);
    t.same(statusesIn(answer), [400], what);
    t.equal((await s.call('GET', '/v1/transactions/t2')).statusCode, 404, `${what}: nothing was stored`);
  }
  t.match((await s.call('GET', '/v1/transactions/t1')).json(), { state: 'prepared' }, 'nobody has committed it');
});

t.test('a fault behind a good request does not take the place of its answer', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const post = (id: string, version: string, connection: string): string => {
    const body = JSON.stringify(transaction(id));
    const head = `POST /v1/transactions HTTP/${version}\r\nHost: x\r\n${connection}Content-Type: application/json\r\n`;
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  const both = post('t1', '1.1', '') + post('t2', '1.1', '');
  t.same(statusesIn(await rawCall(s.app, `${both}HELLO\r\n\r\n`)), [201, 201, 400]);
  const half = `${post('t3', '1.1', '')}POST /v1/batch HTTP/1.1\r\n${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`;
  t.same(statusesIn(await rawCall(s.app, half)), [201, 400], 'nor one within the body of the next');
  for (const [id, version, connection] of [
    ['t4', '1.1', 'Connection: close\r\n'],
    ['t5', '1.0', ''],
  ] as const) {
    const hidden = `POST /v1/transactions/${id}/commit HTTP/1.1\r\n${HEAD}\r\n`;
    const answer = await rawCall(s.app, post(id, version, connection) + hidden);
    t.same(statusesIn(answer), [201], `HTTP/${version}, the last request of the connection`);
    t.match((await s.call('GET', `/v1/transactions/${id}`)).json(), { state: 'prepared' });
  }
});

t.test('HTTP/1.0: answered, without a Host, on a connection that ends', async t => {
  const s = await startServer(t);
  const answer = await rawCall(s.app, 'GET /livez HTTP/1.0\r\n\r\n');
  t.match(answer, /^HTTP\/1\.1 200 /);
  t.match(answer, /^connection: close\r$/im);
});

t.test(
  'requests that do not wait for answers get them in their order, and end with the first that is none',
  async t => {
    const s = await startServer(t);
    const paths = Array.from({ length: 200 }, (_, i) => `/v1/transactions/t${i}`);
    const text = paths.map(path => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join('');
    const answer = await rawCall(s.app, `${text}HELLO\r\n\r\n${text}`);
    const instances = [...answer.matchAll(/"instance":"([^"]+)"/g)].map(([, path]) => path);
    t.same(instances, paths, 'in order');
    t.same(statusesIn(answer), [...paths.map(() => 404), 400], 'nothing behind it was taken');
  },
);

t.test('time: who says nothing, who never ends a request, and who never reads', async t => {
  const s = await startServer(t, { requestTimeoutMs: 250 });
  await s.createGroup('g');
  const many = Array.from({ length: 20 }, () => ({ topic: 'transfers', payload: 'x'.repeat(190_000) }));
  await s.prepare('large', { messages: many });
  const port = await portOf(s);
  const beginnings: Record<string, string> = {
    'says nothing': '',
    'half a line': 'GET /liv',
    'fields without end': 'GET /livez HTTP/1.1\r\nHost: x\r\n',
    'half a body': `POST /v1/batch HTTP/1.1\r\n${JSON_HEAD}Content-Length: 100\r\n\r\n{`,
    'chunks without end': `POST /v1/batch HTTP/1.1\r\n${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`,
  };
  await Promise.all(
    Object.entries(beginnings).map(async ([what, beginning]) => {
      const socket = await open(t, port);
      const chunks: Buffer[] = [];
      socket.on('data', chunk => chunks.push(chunk));
      socket.write(beginning);
      await once(socket, 'close');
      t.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 408 [\s\S]*"REQUEST_TIMEOUT"/, what);
    }),
  );
  const deaf = await open(t, port);
  deaf.pause();
  deaf.write('GET /v1/transactions/large?payload=true HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(8));
  const connections = () =>
    new Promise<number>((yes, no) => s.app.server.getConnections((e, n) => (e ? no(e) : yes(n))));
  await until('the one who never reads is cut', async () => (await connections()) === 0);
});

t.test('connections: one too many is turned away, the others go on', async t => {
  const s = await startServer(t);
  t.equal(s.app.server.maxConnections, 10_000);
  s.app.server.maxConnections = 3;
  const port = await portOf(s);
  const kept = [await open(t, port), await open(t, port), await open(t, port)];
  const answered = once(kept[0]!, 'data');
  const turnedAway = await open(t, port);
  await once(turnedAway, 'close');
  kept[0]!.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match(String((await answered)[0]), /^HTTP\/1\.1 200 /);
});

t.test('what a proxy is said to have seen is not believed', async t => {
  const s = await startServer(t);
  const forwarded = {
    forwarded: 'for=127.0.0.1;host=localhost;proto=https',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'localhost',
    'x-forwarded-proto': 'https',
    'x-real-ip': '127.0.0.1',
    'x-original-url': '/livez',
    'x-rewrite-url': '/livez',
    'x-http-method-override': 'GET',
  };
  const foreign = await s.call('GET', '/v1/transactions', undefined, { ...forwarded, host: 'evil.example' });
  isProblem(t, foreign, 'FORBIDDEN', 'a foreign name stays one');
  await s.createGroup('g');
  const elsewhere = { 'x-forwarded-host': 'evil.example', 'x-forwarded-for': '203.0.113.9' };
  const made = await s.call('POST', '/v1/transactions', transaction('t1'), { ...forwarded, ...elsewhere });
  t.equal(made.statusCode, 201, 'the method is the method');
  t.equal(made.headers.location, '/v1/transactions/t1');
  t.notOk('strict-transport-security' in made.headers);
  const locked = await startServer(t, { operatorKey: 'k'.repeat(32) });
  isProblem(t, await locked.call('GET', '/v1/transactions', undefined, forwarded), 'UNAUTHENTICATED');
});
