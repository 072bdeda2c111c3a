/** Preparing: what is accepted, what is the same again (I7, I8), and what is refused in which order. */
import t from 'tap';
import {
  isProblem,
  MISSING_TOPIC,
  NARROW_TOPIC,
  startServer,
  transaction,
  UNKNOWN_TOPIC,
} from '../support/http-server.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

t.test('201 with the place of the new transaction, 200 for the same again with the state as it now is', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const first = await s.call('POST', '/v1/transactions', transaction('t1'));
  t.equal(first.statusCode, 201);
  t.equal(first.headers.location, '/v1/transactions/t1');
  const prepared = { id: 't1', group: 'g', state: 'prepared', preparedAt: '2026-11-21T10:00:00.000Z' };
  t.strictSame(first.json(), { ...prepared, resolvedAt: null, resolvedBy: null });
  s.time.now += 1_500;
  const again = await s.call('POST', '/v1/transactions', transaction('t1'));
  t.equal(again.statusCode, 200);
  t.equal(again.headers.location, undefined);
  t.same(again.json(), first.json());
  await s.call('POST', '/v1/transactions/t1/commit');
  const later = await s.call('POST', '/v1/transactions', transaction('t1'));
  t.match(later.json(), { state: 'committed', resolvedAt: '2026-11-21T10:00:01.500Z', resolvedBy: 'producer' });
  t.equal(s.coordinator.counters().get('accepted'), 1);
});

t.test('content is what counts, not how it is written', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.createGroup('h');
  const bytes = (text: string) => ({ base64: Buffer.from(text).toString('base64') });
  const original = { topic: 'transfers', key: 'k', payload: 'p', headers: { a: '1', b: 'é' } };
  const prepare = (message: object, more: object = {}) =>
    s.call('POST', '/v1/transactions', { id: 't1', group: 'g', messages: [message], ...more });
  t.equal((await prepare(original)).statusCode, 201);

  const same: [string, object, object?][] = [
    ['as base64', { ...original, key: bytes('k'), payload: bytes('p') }],
    ['headers as base64', { ...original, headers: { a: bytes('1'), b: bytes('é') } }],
    ['headers in another order', { ...original, headers: { b: 'é', a: '1' } }],
    ['the default content type written out', { ...original, contentType: 'application/octet-stream' }],
    ['the default type written out', { ...original, type: 'transfers' }],
    ['nulls written out', { ...original, contentType: null, type: null, partition: null }],
    ['another check', original, { check: { afterMs: 600_000 } }],
  ];
  for (const [what, message, more] of same) t.equal((await prepare(message, more)).statusCode, 200, what);

  const other: [string, object, object?][] = [
    ['the payload', { ...original, payload: 'P' }],
    ['no payload', { ...original, payload: null }],
    ['the empty payload', { ...original, payload: '' }],
    ['the key', { ...original, key: 'K' }],
    ['no key', { ...original, key: null }],
    ['the topic', { ...original, topic: 'Transfers', type: 'transfers' }],
    ['a header’s value', { ...original, headers: { a: '2', b: 'é' } }],
    ['a header’s name', { ...original, headers: { A: '1', b: 'é' } }],
    ['fewer headers', { ...original, headers: { a: '1' } }],
    ['no headers', { ...original, headers: {} }],
    ['the content type', { ...original, contentType: 'text/plain' }],
    ['the type', { ...original, type: 'transfer.made' }],
    ['the partition', { ...original, partition: 0 }],
    ['one message more', original, { messages: [original, original] }],
  ];
  for (const [what, message, more] of other) {
    isProblem(t, await prepare(message, more), 'EXISTS_WITH_DIFFERENT_CONTENT', what);
  }
  const foreign = await prepare(original, { group: 'h' });
  t.notMatch(isProblem(t, foreign, 'ID_TAKEN').detail, /\bg\b/, 'and nothing of the other group is told');
  t.equal(s.coordinator.counters().get('accepted'), 1);
});

t.test('two different messages in another order are other content', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const [a, b] = [
    { topic: 'transfers', payload: 'a' },
    { topic: 'transfers', payload: 'b' },
  ];
  await s.prepare('t1', { messages: [a, b] });
  const swapped = await s.call('POST', '/v1/transactions', { id: 't1', group: 'g', messages: [b, a] });
  isProblem(t, swapped, 'EXISTS_WITH_DIFFERENT_CONTENT');
});

t.test('an existing id is looked up before every refusal that depends on circumstances', async t => {
  const sights = new Map<string, { partitions: number } | 'missing'>([['transfers', { partitions: 3 }]]);
  const limits = { maxMessageBytes: 1_000, maxTransactionBytes: 2_000, maxBodyBytes: 10_000 };
  const s = await startServer(t, { topics: { inspect: async () => sights }, limits });
  await s.createGroup('g');
  const body = transaction('t1', { partition: 2 });
  t.equal((await s.call('POST', '/v1/transactions', body)).statusCode, 201);
  sights.set('transfers', 'missing');
  t.equal((await s.call('POST', '/v1/transactions', body)).statusCode, 200, 'the topic is gone');
  sights.set('transfers', { partitions: 1 });
  t.equal((await s.call('POST', '/v1/transactions', body)).statusCode, 200, 'the partition is gone');
  await s.call('PUT', '/v1/producer-groups/g', { topics: ['other'] });
  t.equal((await s.call('POST', '/v1/transactions', body)).statusCode, 200, 'the topic is no longer allowed');
  const tooLarge = await s.call('POST', '/v1/transactions', transaction('t1', { payload: 'x'.repeat(1_001) }));
  isProblem(t, tooLarge, 'EXISTS_WITH_DIFFERENT_CONTENT', 'too large, and other content');
});

t.test('limits are counted in bytes after decoding (V10)', async t => {
  const limits = { maxMessageBytes: 100, maxTransactionBytes: 250, maxBodyBytes: 10_000 };
  const s = await startServer(t, { limits });
  await s.createGroup('g');
  // 20 of key, 2 × 5 of headers with two-byte letters, 70 of payload.
  const message = {
    topic: 'transfers',
    key: 'k'.repeat(20),
    headers: { éa: 'éb', ab: 'abé' },
    payload: 'x'.repeat(70),
  };
  const size = 20 + 3 + 3 + 2 + 4 + 70;
  const fit = { ...message, payload: 'x'.repeat(70 - (size - 100)) };
  await s.prepare('t1', { messages: [fit] });
  const one = await s.call('POST', '/v1/transactions', {
    group: 'g',
    messages: [fit, { ...fit, payload: `${fit.payload}x` }],
  });
  const problem = isProblem(t, one, 'BODY_TOO_LARGE');
  t.match(problem, { limitBytes: 100, errors: [{ pointer: '/messages/1' }] });
  const base64 = { base64: Buffer.alloc(100).toString('base64') };
  await s.prepare('t2', { messages: [{ topic: 'transfers', payload: base64 }] });
  await s.prepare('t3', { messages: [fit, fit, { topic: 'transfers', payload: 'x'.repeat(50) }] });
  const all = await s.call('POST', '/v1/transactions', {
    group: 'g',
    messages: [fit, fit, { topic: 'transfers', payload: 'x'.repeat(51) }],
  });
  t.match(isProblem(t, all, 'BODY_TOO_LARGE'), { limitBytes: 250, errors: [{ pointer: '/messages' }] });
});

t.test('what Kafka is known to refuse is refused, what nobody knows is accepted', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const prepare = (message: object) =>
    s.call('POST', '/v1/transactions', { group: 'g', messages: [{ topic: 'transfers', payload: '' }, message] });
  const missing = isProblem(t, await prepare({ topic: MISSING_TOPIC, payload: '' }), 'TOPIC_NOT_FOUND');
  t.equal(missing.errors?.[0]?.pointer, '/messages/1/topic');
  const narrow = isProblem(t, await prepare({ topic: NARROW_TOPIC, payload: '', partition: 2 }), 'PARTITION_NOT_FOUND');
  t.equal(narrow.errors?.[0]?.pointer, '/messages/1/partition');
  t.equal((await prepare({ topic: NARROW_TOPIC, payload: '', partition: 1 })).statusCode, 201);
  t.equal((await prepare({ topic: UNKNOWN_TOPIC, payload: '', partition: 900 })).statusCode, 201);
  await s.call('PUT', '/v1/producer-groups/g', { topics: ['trans*'] });
  const outside = isProblem(t, await prepare({ topic: 'audit', payload: '' }), 'TOPIC_NOT_ALLOWED');
  t.equal(outside.errors?.[0]?.pointer, '/messages/1/topic');
});

t.test('bytes come back as they were given (V15)', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const binary = { base64: 'AAEC/w==' };
  const messages = [
    { topic: 'transfers', key: binary, payload: binary, headers: { bin: binary, empty: '', ['__proto__']: 'x' } },
    { topic: 'transfers', key: '', payload: '' },
    { topic: 'transfers', payload: null, contentType: 'text/plain; charset=utf-8', type: 'ünïcode ☃' },
    { topic: 'transfers', key: { base64: '' }, payload: { base64: 'w6k=' }, partition: 2 },
  ];
  await s.prepare('t1', { messages });
  const detail = (await s.call('GET', '/v1/transactions/t1?payload=true')).json();
  t.strictSame(
    detail.messages.map(({ id, key, payload, headers, contentType, type, partition, payloadBytes }: never) => [
      id,
      key,
      payload,
      Object.entries(headers),
      contentType,
      type,
      partition,
      payloadBytes,
    ]),
    [
      [
        't1.0',
        binary,
        binary,
        [
          ['bin', binary],
          ['empty', ''],
          ['__proto__', 'x'],
        ],
        'application/octet-stream',
        'transfers',
        null,
        4,
      ],
      ['t1.1', '', '', [], 'application/octet-stream', 'transfers', null, 0],
      ['t1.2', null, null, [], 'text/plain; charset=utf-8', 'ünïcode ☃', null, 0],
      ['t1.3', '', 'é', [], 'application/octet-stream', 'transfers', 2, 2],
    ],
  );
  const plain = (await s.call('GET', '/v1/transactions/t1')).json();
  t.notOk('payload' in plain.messages[0] || 'headers' in plain.messages[0], 'only when asked for');
});

t.test('the broker makes a time-ordered id where none is given', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const { id: _id, ...anonymous } = transaction('');
  const ids = await Promise.all(
    Array.from({ length: 3 }, async () => (await s.call('POST', '/v1/transactions', anonymous)).json().id),
  );
  for (const id of ids) t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.equal(new Set(ids).size, 3);
});

t.test('the first check of this transaction alone', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { check: { afterMs: 2_000 } });
  await s.prepare('t1');
  await s.prepare('t2', { check: { afterMs: 600_000 } });
  const nextAt = async (id: string) => (await s.call('GET', `/v1/transactions/${id}`)).json().check.nextAt;
  t.equal(await nextAt('t1'), '2026-11-21T10:00:02.000Z');
  t.equal(await nextAt('t2'), '2026-11-21T10:10:00.000Z');
});

t.test('trace context is stored in its W3C form, and ignored in any other', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const cases: [what: string, headers: Record<string, string>, stored: [string | null, string | null]][] = [
    ['both', { traceparent: TRACEPARENT, tracestate: 'a=1,b=2' }, [TRACEPARENT, 'a=1,b=2']],
    ['alone', { traceparent: TRACEPARENT }, [TRACEPARENT, null]],
    ['state without parent', { tracestate: 'a=1' }, [null, null]],
    ['state too long', { traceparent: TRACEPARENT, tracestate: `a=${'x'.repeat(511)}` }, [TRACEPARENT, null]],
    ['upper case', { traceparent: TRACEPARENT.toUpperCase() }, [null, null]],
    ['version ff', { traceparent: TRACEPARENT.replace('00-', 'ff-') }, [null, null]],
    ['version 00 with more', { traceparent: `${TRACEPARENT}-x` }, [null, null]],
    [
      'a later version with more',
      { traceparent: `01${TRACEPARENT.slice(2)}-x` },
      [`01${TRACEPARENT.slice(2)}-x`, null],
    ],
    ['no trace id', { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }, [null, null]],
    ['no parent id', { traceparent: `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01` }, [null, null]],
    ['junk', { traceparent: 'junk' }, [null, null]],
  ];
  for (const [i, [what, headers, stored]] of cases.entries()) {
    const { statusCode } = await s.call('POST', '/v1/transactions', transaction(`t${i}`), headers);
    t.equal(statusCode, 201, what);
    const found = await s.store.transaction(`t${i}`);
    t.same([found?.traceparent, found?.tracestate], stored, what);
  }
});

const message = (more: object) => ({ messages: [{ topic: 'transfers', payload: 'x', ...more }] });
const headers = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, '']));

const ACCEPTED: [what: string, body: object][] = [
  ['the longest id', { id: 'a'.repeat(64) }],
  ['every letter of an id', { id: 'AZaz09_-' }],
  ['100 messages', { messages: Array(100).fill({ topic: 'transfers', payload: null }) }],
  ['the longest topic', message({ topic: 't'.repeat(249) })],
  ['three dots', message({ topic: '...' })],
  ['64 headers', message({ headers: headers(64) })],
  ['the longest header name', message({ headers: { [`${'é'.repeat(64)}`]: 'x' } })],
  ['an extension of CloudEvents', message({ headers: { ce_tenant: 'x', 'content-types': 'x' } })],
  ['the last partition', { ...message({ topic: UNKNOWN_TOPIC, partition: 2_147_483_647 }) }],
  ['partition -0', message({ partition: -0 })],
  ['the longest content type', message({ contentType: '☃'.repeat(256) })],
  ['a type beyond the first plane', message({ type: '😀'.repeat(256) })],
  ['the shortest check', { check: { afterMs: 100 } }],
  ['the longest check', { check: { afterMs: 2_592_000_000 } }],
];

const REFUSED: [what: string, body: unknown, pointer: string, sentence: RegExp][] = [
  ['no group', { group: undefined }, '/group', /must be there/],
  ['a number for an id', { id: 5 }, '/id', /1 to 64 letters/],
  ['null for an id', { id: null }, '/id', /1 to 64 letters/],
  ['the empty id', { id: '' }, '/id', /1 to 64 letters/],
  ['an id too long', { id: 'a'.repeat(65) }, '/id', /1 to 64 letters/],
  ['an id with a dot', { id: 'a.b' }, '/id', /1 to 64 letters/],
  ['an id with a newline', { id: 'a\n' }, '/id', /1 to 64 letters/],
  ['a group of another alphabet', { group: 'grüße' }, '/group', /1 to 64 letters/],
  ['an unknown member', { priority: 1 }, '/priority', /not known here/],
  ['no messages', { messages: [] }, '/messages', /at least 1 entry/],
  ['101 messages', { messages: Array(101).fill({ topic: 't', payload: '' }) }, '/messages', /at most 100 entries/],
  ['messages as an object', { messages: {} }, '/messages', /must be a list/],
  ['a message as a string', { messages: ['x'] }, '/messages/0', /must be an object/],
  ['an unknown member of a message', message({ value: 'x' }), '/messages/0/value', /not known here/],
  ['no payload', message({ payload: undefined }), '/messages/0/payload', /must be there/],
  ['a number as payload', message({ payload: 5 }), '/messages/0/payload', /a string .* or null/],
  ['an object as payload', message({ payload: { a: 1 } }), '/messages/0/payload', /a string .* or null/],
  ['base64 without padding', message({ payload: { base64: 'AAEC/w' } }), '/messages/0/payload/base64', /canonical/],
  ['base64url', message({ payload: { base64: 'AAEC_w==' } }), '/messages/0/payload/base64', /canonical/],
  ['base64 with bits to spare', message({ key: { base64: 'AAEC/x==' } }), '/messages/0/key/base64', /canonical/],
  ['base64 with a newline', message({ key: { base64: 'AAEC\n/w==' } }), '/messages/0/key/base64', /canonical/],
  ['base64 and more', message({ key: { base64: '', x: 1 } }), '/messages/0/key', /a string .* or null/],
  [
    'base64 in a header',
    message({ headers: { 'a/b': { base64: '!' } } }),
    '/messages/0/headers/a~1b/base64',
    /canonical/,
  ],
  ['no topic', message({ topic: undefined }), '/messages/0/topic', /must be there/],
  ['the empty topic', message({ topic: '' }), '/messages/0/topic', /a topic name/],
  ['topic "."', message({ topic: '.' }), '/messages/0/topic', /a topic name/],
  ['topic ".."', message({ topic: '..' }), '/messages/0/topic', /a topic name/],
  ['a topic too long', message({ topic: 't'.repeat(250) }), '/messages/0/topic', /a topic name/],
  ['a topic with a slash', message({ topic: 'a/b' }), '/messages/0/topic', /a topic name/],
  ['65 headers', message({ headers: headers(65) }), '/messages/0/headers', /at most 64 entries/],
  ['null headers', message({ headers: null }), '/messages/0/headers', /must be an object/],
  ['a null header', message({ headers: { a: null } }), '/messages/0/headers/a', /a string/],
  ['the empty header name', message({ headers: { '': 'x' } }), '/messages/0/headers/', /named by 1 to 128 bytes/],
  [
    'a header name too long',
    message({ headers: { [`${'é'.repeat(65)}`]: '' } }),
    `/messages/0/headers/${'é'.repeat(65)}`,
    /128 bytes/,
  ],
  ...[
    'content-type',
    'Content-Type',
    'TRACEPARENT',
    'tracestate',
    'ce_specversion',
    'CE_ID',
    'ce_source',
    'ce_type',
    'Ce_Time',
  ].map((name): [string, unknown, string, RegExp] => [
    `header ${name}`,
    message({ headers: { [name]: 'x' } }),
    `/messages/0/headers/${name}`,
    /not by a name the broker uses/,
  ]),
  ['the empty content type', message({ contentType: '' }), '/messages/0/contentType', /1 to 256 characters/],
  ['a content type too long', message({ contentType: 'x'.repeat(257) }), '/messages/0/contentType', /1 to 256/],
  ['a newline in a type', message({ type: 'a\nb' }), '/messages/0/type', /without control characters/],
  ['a C1 control in a type', message({ type: 'a\u0085b' }), '/messages/0/type', /without control characters/],
  ['a partition as a string', message({ partition: '1' }), '/messages/0/partition', /a whole number or null/],
  ['half a partition', message({ partition: 0.5 }), '/messages/0/partition', /a whole number or null/],
  ['a negative partition', message({ partition: -1 }), '/messages/0/partition', /at least 0/],
  ['a partition too large', message({ partition: 2_147_483_648 }), '/messages/0/partition', /at most 2147483647/],
  ['a check too soon', { check: { afterMs: 99 } }, '/check/afterMs', /at least 100/],
  ['a check too late', { check: { afterMs: 2_592_000_001 } }, '/check/afterMs', /at most 2592000000/],
  ['an empty check', { check: {} }, '/check/afterMs', /must be there/],
  ['more in a check', { check: { afterMs: 100, limit: 1 } }, '/check/limit', /not known here/],
];

t.test('what a schema takes and what not', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (const [what, body] of ACCEPTED) {
    const { statusCode, body: text } = await s.call('POST', '/v1/transactions', {
      group: 'g',
      ...message({}),
      ...body,
    });
    t.equal(statusCode, 201, `${what}: ${text}`);
  }
  const accepted = s.coordinator.counters().get('accepted');
  for (const [what, body, pointer, sentence] of REFUSED) {
    const answer = await s.call('POST', '/v1/transactions', { group: 'g', ...message({}), ...(body as object) });
    const problem = isProblem(t, answer, 'VALIDATION_FAILED', what);
    t.match(problem.errors, [{ pointer, detail: sentence }], what);
  }
  isProblem(t, await s.call('POST', '/v1/transactions'), 'VALIDATION_FAILED', 'no body');
  isProblem(t, await s.call('POST', '/v1/transactions?dry=1', transaction('x')), 'VALIDATION_FAILED', 'a parameter');
  t.equal(s.coordinator.counters().get('accepted'), accepted, 'nothing refused was stored');
});
