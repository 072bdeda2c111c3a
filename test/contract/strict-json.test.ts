/** Bodies as JSON, strictly: whatever two readers could understand differently is refused, with a sentence. */
import fc from 'fast-check';
import t from 'tap';
import { MAX_DEPTH, parseStrictJson } from '../../broker/api/strict-json.ts';
import { isProblem, startServer, transaction } from '../support/http-server.ts';

const message = (member: string): string =>
  `{"id":"t1","group":"g","messages":[{"topic":"transfers","payload":"x"${member}}]}`;

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** A valid body with some bytes put in the place of `#`. */
const withBytes = (...bytes: number[]): Buffer => {
  const [before = '', after = ''] = message(',"key":"#"').split('#');
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
};

const HOSTILE: [what: string, body: string | Buffer, sentence: RegExp, pointer?: string][] = [
  ['a member twice', message(',"payload":"y"'), /has the member .* twice/, '/messages/0/payload'],
  ['the id twice', '{"id":"a","group":"g","id":"b","messages":[]}', /twice/, '/id'],
  ['twice, once escaped', message(',"p\\u0061yload":"y"'), /twice/, '/messages/0/payload'],
  ['a header twice', message(',"headers":{"a":"1","a":"2"}'), /twice/, '/messages/0/headers/a'],
  ['a pointer that needs escapes', message(',"headers":{"a/~":"1","a/~":"2"}'), /twice/, '/messages/0/headers/a~1~0'],
  ['__proto__ twice', message(',"__proto__":1,"__proto__":1'), /twice/, '/messages/0/__proto__'],
  ['__proto__ once', message(',"__proto__":{"key":"k"}'), /not known here/, '/messages/0/__proto__'],
  ['constructor', '{"constructor":{"prototype":{}},"group":"g","messages":[]}', /not known here/, '/constructor'],
  ['the empty name twice', '{"":1,"":2}', /twice/, '/'],
  ['in the second message', '{"messages":[{"a":1},{"b":1,"b":2}]}', /twice/, '/messages/1/b'],
  ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(message(''))]), /byte order mark/],
  ['UTF-16', Buffer.from(message(''), 'utf16le'), /./],
  ['a lone byte', withBytes(0xff), /not valid UTF-8/],
  ['a start without its end', withBytes(0xe2, 0x82), /not valid UTF-8/],
  ['a longer form than needed', withBytes(0xc0, 0xaf), /not valid UTF-8/],
  ['a surrogate in UTF-8', withBytes(0xed, 0xa0, 0x80), /not valid UTF-8/],
  ['beyond Unicode', withBytes(0xf4, 0x90, 0x80, 0x80), /not valid UTF-8/],
  ['half a pair, high', message(',"key":"\\ud83d"'), /half of a surrogate pair at byte/],
  ['half a pair, low', message(',"key":"\\udE00"'), /half of a surrogate pair/],
  ['a pair the wrong way round', message(',"key":"\\ude00\\ud83d"'), /half of a surrogate pair/],
  ['two high halves', message(',"key":"\\ud83d\\ud83d\\ude00"'), /half of a surrogate pair/],
  ['half a pair before a letter', message(',"key":"\\uD83Dx"'), /half of a surrogate pair/],
  ['half a pair in a name', message(',"headers":{"\\udc00":"x"}'), /half of a surrogate pair/],
  ['half a pair at the end', '{"a":"\\ud83d', /half of a surrogate pair/],
  ['too deep in lists', `{"a":${nested(MAX_DEPTH)}}`, /deeper than 32 levels/],
  ['too deep in objects', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, /deeper than 32 levels/],
  ['endless depth', '['.repeat(1_000_000), /deeper than 32 levels/],
  ['something after it', `${message('')} x`, /wrong at character/],
  ['a second value', `${message('')}${message('')}`, /wrong at character/],
  ['nothing but space', '  \n ', /not valid JSON/],
  ['a word', 'prepare', /not valid JSON/],
  ['an early end', message('').slice(0, -1), /not valid JSON/],
  ['an early end in a string', '{"id":"t', /not valid JSON/],
  ['an early end in an escape', '{"id":"\\', /not valid JSON/],
  ['an early end in a \\u', '{"id":"\\u12', /not valid JSON/],
  ['a comma too many', message(','), /not valid JSON/],
  ['a comment', message('/* hello */'), /not valid JSON/],
  ['single quotes', "{'id':'t1'}", /not valid JSON/],
  ['names without quotes', '{id:"t1"}', /not valid JSON/],
  ['a raw newline in a string', message(',"key":"a\nb"'), /not valid JSON/],
  ['a raw NUL in a string', withBytes(0), /not valid JSON/],
  ['an unknown escape', message(',"key":"\\x41"'), /not valid JSON/],
  ['NaN', message(',"partition":NaN'), /not valid JSON/],
  ['Infinity', message(',"partition":Infinity'), /not valid JSON/],
  ['a leading zero', message(',"partition":01'), /not valid JSON/],
  ['a hexadecimal', message(',"partition":0x1'), /not valid JSON/],
  ['a number too large', message(',"partition":1e999'), /./, '/messages/0/partition'],
  ['True', message(',"partition":True'), /not valid JSON/],
  ['closed wrongly', '{"messages":[}', /not valid JSON/],
  ['a list', '[]', /must be a JSON object/],
  ['a string', '"prepare"', /must be a JSON object/],
  ['null', 'null', /must be a JSON object/],
  ['a number', '5', /must be a JSON object/],
];

t.test('hostile bodies get a 400 that says what is wrong, and change nothing', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (const [what, body, sentence, pointer] of HOSTILE) {
    const problem = isProblem(t, await s.call('POST', '/v1/transactions', body), 'VALIDATION_FAILED', what);
    t.match(problem.detail, sentence, what);
    if (pointer !== undefined) t.equal(problem.errors?.[0]?.pointer, pointer, `${what}: pointer`);
  }
  t.equal(s.coordinator.counters().get('accepted') ?? 0, 0, 'nothing is stored');
  t.same(s.errors, []);
});

t.test('what only looks odd is taken as it is', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const payloads = [
    '"\\ud83d\\ude00"',
    '"\\\\ud800"',
    '"{\\"a\\":1,\\"a\\":2}"',
    '"[[[[{{::"',
    '"\\u0000"',
    '"\\uffff\\ufeff"',
  ];
  for (const [i, payload] of payloads.entries()) {
    const text = `\t{ "group" : "g",\r\n"id":"t${i}","messages":[{"topic":"transfers","payload":${payload}}]}\n`;
    t.equal((await s.call('POST', '/v1/transactions', text)).statusCode, 201, payload);
    const detail = (await s.call('GET', `/v1/transactions/t${i}?payload=true`)).json();
    t.equal(detail.messages[0].payload, JSON.parse(payload), `${payload} comes back`);
  }
});

t.test('content types', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const call = (id: string, type: string, more = {}) =>
    s.call('POST', '/v1/transactions', transaction(id), { 'content-type': type, ...more });
  const accepted = ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'];
  for (const [i, type] of accepted.entries()) t.equal((await call(`t${i}`, type)).statusCode, 201, type);
  const refused = [
    'text/plain',
    'application/json; charset=latin1',
    'application/json; version=1',
    'application/json; charset=utf-8; charset=utf-8',
    'application/jsonp',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'json',
  ];
  for (const type of refused) isProblem(t, await call('u1', type), 'UNSUPPORTED_MEDIA_TYPE', type);
  isProblem(t, await call('u1', 'application/json', { 'content-encoding': 'gzip' }), 'UNSUPPORTED_MEDIA_TYPE', 'gzip');
  const bare = await s.app.inject({ method: 'POST', url: '/v1/transactions', payload: Buffer.from('{}') });
  isProblem(t, bare, 'UNSUPPORTED_MEDIA_TYPE', 'no type at all');
});

t.test('a body that is too large is refused with its limit', async t => {
  const limits = { maxMessageBytes: 100, maxTransactionBytes: 200, maxBodyBytes: 2_000 };
  const s = await startServer(t, { limits });
  const answer = await s.call('POST', '/v1/batch', { operations: [{ op: 'commit', id: 'x'.repeat(2_000) }] });
  t.equal(isProblem(t, answer, 'BODY_TOO_LARGE').limitBytes, 2_000);
});

t.test('agrees with JSON.parse on everything that JSON.stringify writes', async t => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.nat({ max: 2 }), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      t.same(parseStrictJson(Buffer.from(text)), JSON.parse(text));
    }),
    { numRuns: 200 },
  );
});
