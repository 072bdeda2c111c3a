/** Whatever comes in: a 4xx with a sentence or a closed connection, nothing changed, and the broker goes on. */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { exchange, openConnection, request } from '../support/raw-http.ts';
import { commit, gauges, list, prepare } from '../support/transactions.ts';

const JSON_TYPE = ['Content-Type: application/json'];
const TRANSACTIONS = '/v1/transactions';

let broker: BrokerProcess;

t.setTimeout(100_000);
t.before(async () => {
  broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  await broker.put('/v1/producer-groups/bank', { topics: ['transfers'] });
  await prepare(broker, 'bank', 'pending', { topic: 'transfers', payload: 'x' }, { check: { afterMs: 600_000 } });
  await prepare(broker, 'bank', 'done', { topic: 'transfers', payload: 'x' });
  await commit(broker, 'done');
  await eventually('the first to be forwarded', async () => (await counts()).includes('"forwarded"} 1'));
});

/** What the store holds, by /metrics and by the lists. */
const counts = async (): Promise<string> => {
  const stored = /^escrowmq_(transactions|messages|accepted_messages_total)/;
  const shown = [...(await gauges(broker))].filter(([name]) => stored.test(name)).map(line => line.join(' '));
  const groups = (await broker.get('/v1/producer-groups')).body;
  return JSON.stringify([shown, await list(broker), groups]).replaceAll('\\"', '"');
};

/** Runs the attack and holds what the store knows before and after against each other. */
const unchangedBy = async (t: Test, attack: () => Promise<void>): Promise<void> => {
  const before = await counts();
  const { pid } = broker;
  await attack();
  t.equal((await broker.get('/livez')).status, 200, 'the broker goes on');
  t.equal(broker.pid, pid);
  t.equal(await counts(), before, 'nothing was changed');
  t.notOk(
    broker.log.some(entry => Number(entry.level) >= 50),
    'and nothing of it was an error of the broker',
  );
};

const valid = { id: 'new', group: 'bank', messages: [{ topic: 'transfers', payload: 'x' }] };
const message = (more: object) => ({ ...valid, messages: [{ ...valid.messages[0], ...more }] });
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** Bodies for POST /v1/transactions. */
const BODIES: Record<string, string | Buffer | object> = {
  nothing: '',
  blank: '   ',
  half: '{"id":"new","group":"bank","messages":[{"topic":"transf',
  text: 'hello',
  number: '5',
  null: 'null',
  list: '[]',
  'two values': `${JSON.stringify(valid)}${JSON.stringify(valid)}`,
  'trailing comma': '{"group":"bank",}',
  comment: `/* hello */${JSON.stringify(valid)}`,
  'single quotes': "{'group':'bank'}",
  NaN: JSON.stringify(message({ partition: 0 })).replace(':0}', ':NaN}'),
  'duplicate member': JSON.stringify(valid).replace('{', '{"group":"other",'),
  'duplicate by escape': JSON.stringify(valid).replace('{', '{"gr\\u006fup":"other",'),
  'deep nesting': JSON.stringify(message({})).replace('"x"', nested(40)),
  'very deep nesting': nested(200_000),
  'deep objects': `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  'bad UTF-8': Buffer.from(JSON.stringify(message({ payload: 'caf\xe9' })), 'latin1'),
  'cut UTF-8': Buffer.from(JSON.stringify(message({ payload: '\xf0\x9f\x98' })), 'latin1'),
  'overlong UTF-8': Buffer.from(JSON.stringify(message({ payload: '\xc0\xaf' })), 'latin1'),
  'byte order mark UTF-16': Buffer.from(`\ufeff${JSON.stringify(valid)}`, 'utf16le'),
  'lone surrogate': JSON.stringify(valid).replace('"x"', '"\\ud800"'),
  'lone surrogate in an id': JSON.stringify(valid).replace('"new"', '"\\udc00"'),
  'unknown member': { ...valid, extra: true },
  'unknown member of a message': message({ value: 'x' }),
  prototype: JSON.stringify(valid).replace('{', '{"__proto__":{"group":"bank"},'),
  constructor: { ...valid, constructor: { prototype: {} } },
  'no group': { messages: valid.messages },
  'unknown group, odd': { ...valid, group: '../bank' },
  'group as a number': { ...valid, group: 5 },
  'group as a list': { ...valid, group: ['bank'] },
  'no messages': { ...valid, messages: [] },
  'messages as an object': { ...valid, messages: { 0: valid.messages[0] } },
  'too many messages': { ...valid, messages: Array.from({ length: 101 }, () => valid.messages[0]) },
  'no payload': { ...valid, messages: [{ topic: 'transfers' }] },
  'payload as a number': message({ payload: 5 }),
  'payload as an object': message({ payload: { amount: 100 } }),
  'payload as a list': message({ payload: [0, 1] }),
  'base64 not padded': message({ payload: { base64: 'AAEC/w' } }),
  'base64 not canonical': message({ payload: { base64: 'AAEC/x==' } }),
  'base64 of URLs': message({ payload: { base64: 'AAEC_w==' } }),
  'base64 with a line break': message({ payload: { base64: 'AAEC\n/w==' } }),
  'base64 and more': message({ payload: { base64: '', text: '' } }),
  'base64 as a number': message({ payload: { base64: 5 } }),
  'key as a number': message({ key: 17 }),
  'partition as text': message({ partition: '0' }),
  'partition below 0': message({ partition: -1 }),
  'partition with a fraction': message({ partition: 0.5 }),
  'partition too high': message({ partition: 2 ** 31 }),
  'topic with a slash': message({ topic: 'a/b' }),
  'topic of dots': message({ topic: '..' }),
  'topic too long': message({ topic: 'a'.repeat(250) }),
  'topic empty': message({ topic: '' }),
  'topic with zero': message({ topic: 'a\u0000' }),
  'headers as a list': message({ headers: [['a', 'b']] }),
  'header as a number': message({ headers: { a: 1 } }),
  'header without a name': message({ headers: { '': 'x' } }),
  'header name too long': message({ headers: { ['ž'.repeat(65)]: 'x' } }),
  'too many headers': message({ headers: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, ''])) }),
  'content type with a line break': message({ contentType: 'text/plain\r\nX: y' }),
  'type empty': message({ type: '' }),
  'check unknown': { ...valid, check: { afterMs: 1000, limit: 3 } },
  'check too soon': { ...valid, check: { afterMs: 99 } },
  'check too late': { ...valid, check: { afterMs: 30 * 86_400_000 + 1 } },
  'check with a fraction': { ...valid, check: { afterMs: 100.5 } },
  'check as text': { ...valid, check: { afterMs: '1000' } },
  'huge number': JSON.stringify({ ...valid, check: { afterMs: 1 } }).replace(':1}', ':1e999}'),
};
const FORGED = [
  'ce_id',
  'ce_source',
  'ce_specversion',
  'ce_time',
  'ce_type',
  'content-type',
  'traceparent',
  'tracestate',
];
for (const name of FORGED) {
  BODIES[`forged ${name}`] = message({ headers: { [name]: 'forged' } });
  BODIES[`forged ${name} in capitals`] = message({ headers: { [name.toUpperCase()]: 'forged' } });
}
const ODD_IDS = ['', ' ', 'a b', 'a.b', 'a/b', '..', 'ž', 'a\n', '\u0000', 'x'.repeat(65), '%41', '💥'];
for (const [i, id] of ODD_IDS.entries()) BODIES[`odd id ${i}`] = { ...valid, id };
BODIES['id as a number'] = { ...valid, id: 42 };
BODIES['id null'] = { ...valid, id: null };

const isProblem = (t: Test, text: string, what: string): void => {
  const [head, body] = [text.slice(0, text.indexOf('\r\n\r\n')), text.slice(text.indexOf('\r\n\r\n') + 4)];
  t.match(head, /^content-type: application\/problem\+json/im, what);
  const problem = JSON.parse(Buffer.from(body, 'latin1').toString());
  t.match(problem, { code: /^[A-Z_]+$/, title: /./, detail: /^.{10,}\.$/s, type: /errors#/, retryable: Boolean }, what);
};

t.test('bodies of every wrong shape', async t => {
  await unchangedBy(t, async () => {
    for (const [name, body] of Object.entries(BODIES)) {
      const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const { statuses, text } = await exchange(broker.url, request('POST', TRANSACTIONS, JSON_TYPE, bytes));
      t.same(statuses, [400], name);
      isProblem(t, text, name);
    }
  });
});

t.test('wrong media types, encodings and sizes', async t => {
  const body = JSON.stringify(valid);
  await unchangedBy(t, async () => {
    for (const [status, headers] of [
      [415, []],
      [415, ['Content-Type: text/plain']],
      [415, ['Content-Type: application/x-www-form-urlencoded']],
      [415, ['Content-Type: application/jsonp']],
      [415, ['Content-Type: ;;;']],
      [415, ['Content-Type: multipart/form-data; boundary=x']],
    ] as const) {
      const { statuses, text } = await exchange(broker.url, request('POST', TRANSACTIONS, headers, body));
      t.same(statuses, [status], String(headers));
      isProblem(t, text, String(headers));
    }
    const packed = await exchange(
      broker.url,
      request('POST', TRANSACTIONS, [...JSON_TYPE, 'Content-Encoding: gzip'], body.replace('{', '\x1f\x8b')),
    );
    t.ok(packed.statuses[0]! >= 400 && packed.statuses[0]! < 500, 'gzip');
    const large = JSON.stringify(message({ payload: 'x'.repeat(17 * 1024 * 1024) }));
    const announced = await exchange(broker.url, request('POST', TRANSACTIONS, JSON_TYPE, large).subarray(0, 70_000));
    t.same(announced.statuses, [413], 'a body that is announced as too large is not waited for');
    isProblem(t, announced.text, 'too large');
    const inChunks = `${(20 * 1024 * 1024).toString(16)}\r\n${' '.repeat(17 * 1024 * 1024)}`;
    const chunked = [...JSON_TYPE, 'Transfer-Encoding: chunked'];
    const grown = await exchange(broker.url, request('POST', TRANSACTIONS, chunked, inChunks));
    t.same(grown.statuses, [413], 'one that grows too large is ended');
  });
});

t.test('addresses and methods that do not exist, and odd ids in addresses', async t => {
  await unchangedBy(t, async () => {
    for (const [expected, method, path] of [
      [404, 'GET', '/'],
      [404, 'GET', '/v1'],
      [404, 'GET', '/v2/transactions'],
      [404, 'GET', '//v1/transactions'],
      [404, 'GET', '/v1/transactions/../../etc/passwd'],
      [404, 'POST', '/v1/transactions/pending/commit/'],
      [404, 'POST', '/v1/transactions/PENDING/commit'],
      [405, 'DELETE', '/v1/transactions'],
      [405, 'DELETE', '/v1/transactions/pending'],
      [405, 'GET', '/v1/transactions/pending/commit'],
      [405, 'PUT', '/v1/transactions/pending/rollback'],
      [405, 'PATCH', '/v1/producer-groups/bank'],
      [400, 'POST', '/v1/transactions/pending%20/commit'],
      [400, 'POST', '/v1/transactions/%00/commit'],
      [400, 'POST', `/v1/transactions/${'x'.repeat(65)}/commit`],
      [400, 'POST', `/v1/transactions/${'x'.repeat(8000)}/commit`],
      [400, 'POST', '/v1/transactions/%ff/commit'],
      [400, 'POST', '/v1/transactions/%/commit'],
      [400, 'POST', '/v1/transactions/pending/commit?force=true'],
      [400, 'GET', '/v1/transactions?limit=0'],
      [400, 'GET', '/v1/transactions?limit=501'],
      [400, 'GET', '/v1/transactions?limit=5&limit=6'],
      [400, 'GET', '/v1/transactions?state=done'],
      [400, 'GET', '/v1/transactions?cursor=AAAA'],
      [400, 'GET', '/v1/transactions?since=yesterday'],
      [400, 'GET', '/v1/transactions?unknown=1'],
      [400, 'GET', '/v1/transactions?__proto__=1'],
      [400, 'GET', '/v1/transactions?key=%ff'],
    ] as const) {
      const { statuses, text } = await exchange(broker.url, request(method, path, [], ''));
      t.same(statuses, [expected], `${method} ${path.slice(0, 60)}`);
      isProblem(t, text, `${method} ${path.slice(0, 60)}`);
    }
  });
});

t.test('other calls with wrong bodies', async t => {
  const wrong: [string, string, unknown][] = [
    ['POST', '/v1/transactions/pending/commit', { reason: '' }],
    ['POST', '/v1/transactions/pending/commit', { reason: 'x'.repeat(501) }],
    ['POST', '/v1/transactions/pending/commit', { force: true }],
    ['POST', '/v1/transactions/pending/rollback', []],
    ['POST', '/v1/transactions/pending/check', {}],
    ['POST', '/v1/messages/pending/retry', { reason: 'x' }],
    ['POST', '/v1/messages/pending.00/retry', { reason: 'x' }],
    ['POST', '/v1/batch', []],
    ['POST', '/v1/batch', { operations: [] }],
    ['POST', '/v1/batch', { operations: Array.from({ length: 1001 }, () => ({ op: 'commit', id: 'pending' })) }],
    ['POST', '/v1/batch', { operations: [{ op: 'commit', id: 'pending' }], atomic: true }],
    ['PUT', '/v1/producer-groups/bank', { check: { afterMs: '5' } }],
    ['PUT', '/v1/producer-groups/bank', { check: { limit: 0 } }],
    ['PUT', '/v1/producer-groups/bank', { check: { intervalMs: 1000, maxIntervalMs: 999 } }],
    ['PUT', '/v1/producer-groups/bank', { check: { onLimit: 'rollback' }, checkUrl: null }],
    ['PUT', '/v1/producer-groups/bank', { checkUrl: 'file:///etc/passwd' }],
    ['PUT', '/v1/producer-groups/bank', { checkUrl: 'http://user:pass word@127.0.0.1/' }],
    ['PUT', '/v1/producer-groups/bank', { checkSecret: 'whsec_short' }],
    ['PUT', '/v1/producer-groups/bank', { topics: 'transfers' }],
    ['PUT', '/v1/producer-groups/b%20nk', {}],
  ];
  await unchangedBy(t, async () => {
    for (const [method, path, body] of wrong) {
      const answer = await broker.call(method, path, body);
      t.match(answer, { status: 400, body: { code: 'VALIDATION_FAILED', detail: /\.$/ } }, `${method} ${path}`);
    }
    const away = await broker.put('/v1/producer-groups/bank', { checkUrl: 'http://169.254.169.254/latest' });
    t.match(away, { status: 422, body: { code: 'CHECK_ADDRESS_NOT_ALLOWED' } });
    const results = await broker.post('/v1/batch', { operations: [null, 5, 'commit', [], {}, { op: 'commit' }] });
    t.same(
      results.body.results.map((result: { status: number }) => result.status),
      [400, 400, 400, 400, 400, 400],
    );
  });
});

t.test('what is not HTTP, or not HTTP as it should be', async t => {
  const body = JSON.stringify(valid);
  const post = (...headers: string[]) => request('POST', TRANSACTIONS, [...JSON_TYPE, ...headers], body);
  const attacks: Record<string, string | Buffer> = {
    garbage: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a word': 'HELO there\r\n\r\n',
    'HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'wrong version': 'GET /livez HTTP/9.9\r\nHost: x\r\n\r\n',
    'a space in the address': 'GET /v1/a b HTTP/1.1\r\nHost: x\r\n\r\n',
    'huge headers': `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
    'many headers': `GET /v1/transactions HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
    'a header with a line break': 'GET /livez HTTP/1.1\r\nHost: x\r\nX: a\n b: c\r\n: d\r\n\r\n',
    'two lengths': post('Content-Length: 5', `Content-Length: ${body.length}`),
    'a negative length': post('Content-Length: -1'),
    'length and chunks': post(`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'),
    'a chunk that is none': Buffer.from(
      `${post('Transfer-Encoding: chunked').toString().split('\r\n\r\n')[0]}\r\n\r\nzz\r\n`,
    ),
    'an unknown transfer encoding': post('Transfer-Encoding: gzip'),
    'a proxy request': 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n',
  };
  await unchangedBy(t, async () => {
    for (const [name, bytes] of Object.entries(attacks)) {
      const { statuses } = await exchange(broker.url, bytes);
      t.ok(
        statuses.every(status => status >= 400 && status < 500),
        `${name}: ${statuses.length === 0 ? 'closed' : statuses}`,
      );
    }
  });
});

t.test('a good request followed by garbage on the same connection counts once', async t => {
  await unchangedBy(t, async () => {
    const good = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
    const { statuses } = await exchange(broker.url, `${good}${good}\x00\x01garbage\r\n\r\n`);
    t.ok(statuses.length >= 1, String(statuses));
    t.ok(
      statuses.every((status, i) => (i < 2 ? status === 200 || status === 400 : status === 400)),
      String(statuses),
    );
  });
});

t.test('bodies that stop, connections that vanish, answers nobody reads', async t => {
  const body = JSON.stringify(valid);
  const head = `POST ${TRANSACTIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  await unchangedBy(t, async () => {
    const half = body.slice(0, body.length / 2);
    for (const beginning of [
      head,
      `${head}Content-Length: ${body.length}\r\n\r\n${half}`,
      `${head}Transfer-Encoding: chunked\r\n\r\n${half.length.toString(16)}\r\n${half}\r\n`,
      `${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`,
      `${head}Content-Length: ${body.length + 1}\r\n\r\n${body}`,
    ]) {
      const socket = await openConnection(broker.url);
      await new Promise(written => socket.write(beginning, written));
      socket.destroy();
      await once(socket, 'close');
      const polite = await openConnection(broker.url);
      polite.end(beginning);
      polite.resume();
      await once(polite, 'close');
    }
    const sockets = await Promise.all(Array.from({ length: 50 }, () => openConnection(broker.url)));
    for (const socket of sockets) socket.write('GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
    for (const socket of sockets) socket.destroy();
  });
  t.equal((await prepare(broker, 'bank', 'new', valid.messages)).status, 201, 'after all this the id is still free');
});
