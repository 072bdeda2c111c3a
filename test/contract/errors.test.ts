/** Every code of the catalogue: met in an answer, told in docs/errors.md, in the OpenAPI document and on `/errors`. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { ERRORS, type ErrorCode, errorAnchor, type Problem } from '../../broker/protocol/errors.ts';
import { StorageFullError } from '../../broker/store/store.ts';
import {
  isProblem,
  MISSING_TOPIC,
  NARROW_TOPIC,
  rawCall,
  startServer,
  type TestServer,
  transaction,
} from '../support/http-server.ts';

const REASON = { reason: 'because' };

/** How a running broker with the group `g` is brought to each refusal. */
const PROVOCATIONS: Partial<Record<ErrorCode, (s: TestServer) => ReturnType<TestServer['call']>>> = {
  VALIDATION_FAILED: s => s.call('POST', '/v1/transactions', { group: 'g' }),
  TOPIC_NOT_ALLOWED: async s => {
    await s.call('PUT', '/v1/producer-groups/narrow', { topics: ['audit.*'] });
    return s.call('POST', '/v1/transactions', { ...transaction('a1'), group: 'narrow' });
  },
  TRANSACTION_NOT_FOUND: s => s.call('POST', '/v1/transactions/nobody/commit'),
  PRODUCER_GROUP_NOT_FOUND: s => s.call('POST', '/v1/transactions', { ...transaction('b1'), group: 'nobody' }),
  KEY_NOT_FOUND: s => s.call('DELETE', '/v1/keys/emq_000000000000'),
  OPERATOR_KEY_NEEDED: s => s.call('POST', '/v1/keys', { role: 'producer', group: 'g' }),
  TOO_MANY_KEYS: async s => {
    const { key } = (await s.call('POST', '/v1/keys', { role: 'operator' })).json();
    const make = () => s.call('POST', '/v1/keys', { role: 'producer', group: 'g' }, { authorization: `Bearer ${key}` });
    await make();
    await make();
    return make();
  },
  MESSAGE_NOT_FOUND: s => s.call('POST', '/v1/messages/nobody.0/retry', REASON),
  NOT_FOUND: s => s.call('GET', '/v1/nothing'),
  METHOD_NOT_ALLOWED: s => s.call('PATCH', '/v1/transactions'),
  ALREADY_COMMITTED: async s => {
    await s.prepare('c1');
    await s.call('POST', '/v1/transactions/c1/commit');
    return s.call('POST', '/v1/transactions/c1/rollback');
  },
  ALREADY_ROLLED_BACK: async s => {
    await s.prepare('d1');
    await s.call('POST', '/v1/transactions/d1/rollback');
    return s.call('POST', '/v1/transactions/d1/commit');
  },
  EXISTS_WITH_DIFFERENT_CONTENT: async s => {
    await s.prepare('e1');
    return s.call('POST', '/v1/transactions', transaction('e1', { payload: 'other' }));
  },
  ID_TAKEN: async s => {
    await s.createGroup('h');
    await s.prepare('f1');
    return s.call('POST', '/v1/transactions', { ...transaction('f1'), group: 'h' });
  },
  NOT_PARKED: async s => {
    await s.prepare('g1');
    return s.call('POST', '/v1/messages/g1.0/discard', REASON);
  },
  NO_CHECK_URL: async s => {
    await s.prepare('h1');
    return s.call('POST', '/v1/transactions/h1/check', REASON);
  },
  BACKUP_RUNNING: s => {
    s.store.copies.begin();
    return s.call('POST', '/v1/backup', REASON);
  },
  BODY_TOO_LARGE: s => s.call('POST', '/v1/transactions', transaction('i1', { payload: 'x'.repeat(1_000_001) })),
  UNSUPPORTED_MEDIA_TYPE: s => s.call('POST', '/v1/transactions', 'a=b', { 'content-type': 'text/plain' }),
  TOPIC_NOT_FOUND: s => s.call('POST', '/v1/transactions', transaction('j1', { topic: MISSING_TOPIC })),
  PARTITION_NOT_FOUND: s =>
    s.call('POST', '/v1/transactions', transaction('k1', { topic: NARROW_TOPIC, partition: 2 })),
  FORBIDDEN: s => s.call('POST', '/v1/transactions/t1/commit', undefined, { origin: 'http://evil.example' }),
  CHECK_ADDRESS_NOT_ALLOWED: s => s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://forbidden/' }),
};

/** Met in the tests below, with a broker of their own. */
const ELSEWHERE: ErrorCode[] = [
  'UNAUTHENTICATED',
  'HEADERS_TOO_LARGE',
  'REQUEST_TIMEOUT',
  'INTERNAL',
  'OVERLOADED',
  'SHUTTING_DOWN',
  'STORAGE_FULL',
];

/** For rate limits. */
const NOT_YET: ErrorCode[] = ['TOO_MANY_REQUESTS'];

t.test('every code is met', async t => {
  const covered = [...Object.keys(PROVOCATIONS), ...ELSEWHERE, ...NOT_YET];
  t.same(covered.sort(), Object.keys(ERRORS).sort(), 'no code is left out');
  for (const [code, provoke] of Object.entries(PROVOCATIONS)) {
    const s = await startServer(t);
    await s.createGroup('g');
    isProblem(t, await provoke(s), code as ErrorCode);
    t.same(s.errors, [], `${code} is nothing to log`);
  }
});

t.test('a refused resolution tells the standing state', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  t.equal(isProblem(t, await PROVOCATIONS.ALREADY_COMMITTED!(s), 'ALREADY_COMMITTED').state, 'committed');
  t.equal(isProblem(t, await PROVOCATIONS.ALREADY_ROLLED_BACK!(s), 'ALREADY_ROLLED_BACK').state, 'rolled_back');
});

t.test('what the broker itself cannot do', async t => {
  await t.test('a full disk is 507, and nothing else is lost', async t => {
    const s = await startServer(t, ({ coordinator }) => ({
      coordinator: {
        group: name => coordinator.group(name),
        groups: () => coordinator.groups(),
        topics: () => coordinator.topics(),
        counters: () => coordinator.counters(),
        waiting: { commands: 0, bytes: 0 },
        waitingOf: () => ({ commands: 0, bytes: 0 }),
        submit: () => Promise.reject(new StorageFullError('full')),
      },
    }));
    const answer = await s.call('POST', '/v1/transactions/t1/commit');
    const problem = isProblem(t, answer, 'STORAGE_FULL');
    t.equal(answer.headers['retry-after'], String(problem.retryAfterMs! / 1000));
    const batch = await s.call('POST', '/v1/batch', { operations: [{ op: 'commit', id: 't1' }] });
    isProblem(t, batch, 'STORAGE_FULL', 'a batch as a whole');
  });

  await t.test('a bug is 500, logged with its stack, and shows nothing of itself', async t => {
    const s = await startServer(t, ({ store }) => ({
      store: Object.assign(Object.create(store), {
        transaction: () => Promise.reject(new Error('secret inside')),
        history: async () => [],
      }),
    }));
    const answer = await s.call('GET', '/v1/transactions/t1');
    isProblem(t, answer, 'INTERNAL');
    t.notMatch(answer.body, 'secret inside');
    t.match(s.errors, [
      { err: { stack: /secret inside[\s\S]*errors\.test/ }, method: 'GET', path: '/v1/transactions/t1' },
    ]);
  });

  await t.test('too many waiting: new transactions are refused first, resolutions last', async t => {
    const load = { commands: 0, bytes: 0 };
    const ofGroup = { commands: 0, bytes: 0 };
    const s = await startServer(t, ({ coordinator }) => ({
      coordinator: {
        group: name => coordinator.group(name),
        groups: () => coordinator.groups(),
        topics: () => coordinator.topics(),
        counters: () => coordinator.counters(),
        submit: commands => coordinator.submit(commands),
        waiting: load,
        waitingOf: group => (group === 'g' ? ofGroup : { commands: 0, bytes: 0 }),
      },
    }));
    await s.createGroup('g');
    await s.prepare('t1');
    load.commands = 2_000;
    const list = await s.call('GET', '/v1/transactions');
    isProblem(t, list, 'OVERLOADED', 'lists go first');
    t.equal(list.headers['retry-after'], '1');
    await s.prepare('t0');
    load.commands = 10_000;
    const answer = await s.call('POST', '/v1/transactions', transaction('t2'));
    isProblem(t, answer, 'OVERLOADED');
    t.equal(answer.headers['retry-after'], '1');
    const begins = { operations: [{ op: 'prepare', ...transaction('t2') }] };
    isProblem(t, await s.call('POST', '/v1/batch', begins), 'OVERLOADED');
    for (const [path, unread] of [
      ['/v1/transactions', '{"id":"t2"'],
      ['/v1/batch', '{"operations":[{"op":"prepare","id":'],
    ] as const) {
      const refused = await s.call('POST', path, unread);
      isProblem(t, refused, 'OVERLOADED', 'before its body is read');
      t.equal(refused.headers.connection, 'keep-alive');
    }
    isProblem(t, await s.call('POST', '/v1/batch', '{"operations":[{"op":"commit","id":'), 'VALIDATION_FAILED');
    const spaced = JSON.stringify(begins, null, 1);
    isProblem(t, await s.call('POST', '/v1/batch', spaced), 'OVERLOADED', 'however it is written');
    const named = { operations: [{ op: 'rollback', id: 'prepare' }] };
    t.equal((await s.call('POST', '/v1/batch', named)).json().results[0].status, 404, 'the word alone is nothing');
    const ends = { operations: [{ op: 'commit', id: 't1' }] };
    t.equal((await s.call('POST', '/v1/batch', ends)).statusCode, 200, 'what is begun must be able to end');
    t.equal((await s.call('POST', '/v1/transactions/t1/commit')).statusCode, 200);
    load.commands = 0;
    load.bytes = 128 * 1024 * 1024;
    isProblem(t, await s.call('POST', '/v1/transactions', transaction('t2')), 'OVERLOADED');
    load.commands = 20_000;
    isProblem(t, await s.call('POST', '/v1/transactions/t0/check', REASON), 'OVERLOADED', 'then checks');
    t.equal((await s.call('POST', '/v1/transactions/t0/rollback')).statusCode, 200, 'resolutions go last');
    load.commands = 40_000;
    isProblem(t, await s.call('POST', '/v1/transactions/t1/commit'), 'OVERLOADED');
    isProblem(t, await s.call('POST', '/v1/transactions/t1/check', REASON), 'OVERLOADED');
    isProblem(t, await s.call('POST', '/v1/messages/t1.0/retry', REASON), 'OVERLOADED');
    isProblem(t, await s.call('PUT', '/v1/producer-groups/g', {}), 'OVERLOADED');
    t.equal((await s.call('GET', '/v1/transactions/t1')).statusCode, 200, 'reading goes on');

    Object.assign(load, { commands: 3_000, bytes: 0 });
    await s.createGroup('other');
    for (const much of [{ commands: 2_500 }, { commands: 0, bytes: 32 * 1024 * 1024 }]) {
      Object.assign(ofGroup, much);
      const greedy = await s.call('POST', '/v1/transactions', transaction('t2'));
      isProblem(t, greedy, 'TOO_MANY_REQUESTS');
      t.equal(greedy.headers['retry-after'], '1');
      isProblem(t, await s.call('POST', '/v1/batch', begins), 'TOO_MANY_REQUESTS');
    }
    t.equal((await s.call('POST', '/v1/batch', ends)).statusCode, 200, 'the greedy group may end what it began');
    const polite = await s.call('POST', '/v1/transactions', { ...transaction('t3'), group: 'other' });
    t.equal(polite.statusCode, 201, 'and others are not held by it');
  });

  await t.test('starting and stopping: every call below /v1 is a 503, health is told', async t => {
    const s = await startServer(t);
    s.state.accepting = false;
    const answer = await s.call('POST', '/v1/transactions', transaction('t1'));
    isProblem(t, answer, 'SHUTTING_DOWN');
    t.equal(answer.headers['retry-after'], '2');
    isProblem(t, await s.call('GET', '/v1/transactions'), 'SHUTTING_DOWN');
    t.equal((await s.call('GET', '/livez')).statusCode, 200);
    t.equal((await s.call('GET', '/metrics')).statusCode, 200);
  });
});

t.test('what is no request is answered with a problem too', async t => {
  const s = await startServer(t, { requestTimeoutMs: 300 });
  const problemIn = (answer: string): Problem => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
  const cases: [what: string, text: string, code: ErrorCode][] = [
    ['headers too large', `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 'HEADERS_TOO_LARGE'],
    ['an address too long', `GET /${'y'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 'HEADERS_TOO_LARGE'],
    ['headers that never end', 'GET /livez HTTP/1.1\r\nHost: x\r\n', 'REQUEST_TIMEOUT'],
    [
      'a body that never comes',
      'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
      'REQUEST_TIMEOUT',
    ],
    ['no HTTP at all', 'HELLO\r\n\r\n', 'VALIDATION_FAILED'],
    ['a newline in a header name', 'GET /livez HTTP/1.1\r\nHo st: x\r\n\r\n', 'VALIDATION_FAILED'],
    [
      'two lengths',
      'POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
      'VALIDATION_FAILED',
    ],
    ['no Host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 'VALIDATION_FAILED'],
    ['an odd Expect', 'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n', 'VALIDATION_FAILED'],
    ['a proxy call', 'CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n', 'METHOD_NOT_ALLOWED'],
  ];
  for (const [what, text, code] of cases) {
    const answer = await rawCall(s.app, text);
    t.match(answer, `HTTP/1.1 ${ERRORS[code].status} `, what);
    t.match(answer, /content-type: application\/problem\+json/i, `${what}: content type`);
    t.match(problemIn(answer), { code, status: ERRORS[code].status, type: `/errors#${errorAnchor(code)}` }, what);
  }
  t.same(s.errors, [], 'and nothing of it is logged as a failure');
});

t.test('docs/errors.md tells the same', async t => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map(section => [section.split('\n', 1)[0]!, section]),
  );
  t.same([...sections.keys()], Object.keys(ERRORS), 'one heading for each code, in the same order');
  for (const [code, { status, title, retryable, advice }] of Object.entries(ERRORS)) {
    const repeating = retryable ? 'may be repeated' : 'repeating does not help';
    const [name, kind, what, ...rest] = sections.get(code)!.trim().split('\n\n');
    t.same([name, kind, rest], [code, `${status} · ${title} · ${repeating}`, [`**What to do.** ${advice}`]], code);
    t.match(what, /^[A-Z`].{40,}\.$/s, `${code}: when it happens`);
  }
});

t.test('/errors has an anchor for the type of every problem', async t => {
  const s = await startServer(t);
  const { body, headers } = await s.call('GET', '/errors');
  t.match(headers, { 'content-type': 'text/html; charset=utf-8', 'x-content-type-options': 'nosniff' });
  const anchors = [...body.matchAll(/id="([^"]+)"/g)].map(([, anchor]) => anchor);
  t.same(anchors, Object.keys(ERRORS).map(errorAnchor));
});

t.test('the OpenAPI document names every code', async t => {
  const s = await startServer(t);
  const document = (await s.call('GET', '/openapi.json')).body;
  for (const code of Object.keys(ERRORS)) t.match(document, `\`${code}\``, code);
});
