import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { decodeBytes } from '../../broker/protocol/bytes.ts';
import { MAX_OPERATION_BYTES, type MessageDraft, prepareText } from '../../producer-sdk/client/operation-text.ts';

const written = (message: MessageDraft) => {
  const { text, bytes } = prepareText({ messages: [message] }, 't1', 'g');
  t.equal(bytes, Buffer.byteLength(text));
  return JSON.parse(text).messages[0];
};
const refused = { name: 'InvalidCallError', code: 'INVALID_CALL', retryable: false };

t.test('bytes of any kind arrive as they are, in whatever form they travel', async t => {
  const content = fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(content, content, content, (key, payload, header) => {
      const message = written({ topic: 't', key, payload, headers: { h: header } });
      const same = (wire: Parameters<typeof decodeBytes>[0], given: string | Uint8Array): boolean =>
        decodeBytes(wire).equals(Buffer.from(given as string));
      return same(message.key, key) && same(message.payload, payload) && same(message.headers.h, header);
    }),
  );
  const inside = new Uint8Array(Buffer.from('-text-').buffer, 0, 0);
  t.equal(written({ topic: 't', payload: inside }).payload, '');
  t.equal(written({ topic: 't', payload: Buffer.from('\ufeffß') }).payload, '\ufeffß', 'text travels as text');
  t.same(written({ topic: 't', payload: Buffer.from([0xff]) }).payload, { base64: '/w==' });
});

t.test('what was not written is not added, what nobody knows is left to the broker', async t => {
  t.same(written({ topic: 't', payload: null }), { topic: 't', payload: null });
  t.same(written({ topic: 't', key: null, payload: '', partition: 3, size: 1 } as MessageDraft), {
    topic: 't',
    key: null,
    payload: '',
    partition: 3,
    size: 1,
  });
  const draft = { messages: [], check: { afterMs: 1 }, traceparent: '00-a', tracestate: 'b=c' };
  t.same(JSON.parse(prepareText(draft, 't1', 'g').text), { ...draft, op: 'prepare', id: 't1', group: 'g' });
});

t.test('what cannot be sent is refused at the call', async t => {
  for (const payload of [undefined, 5, {}, ['a']]) {
    t.throws(() => written({ topic: 't', payload } as MessageDraft), refused, String(payload));
  }
  t.throws(() => prepareText({} as never, 't1', 'g'), refused);
  t.throws(() => written({ topic: 't', payload: '', partition: 5n } as never), refused, 'a BigInt');
});

t.test('a lone surrogate is refused wherever it stands; what only looks like one passes', async t => {
  for (const lone of ['\ud800', 'a\udfffb', '\udc00\ud800', '\\\ud800']) {
    t.throws(() => written({ topic: 't', payload: lone }), refused);
    t.throws(() => written({ topic: 't', key: lone, payload: null }), refused);
    t.throws(() => written({ topic: lone, payload: null }), refused);
    t.throws(() => written({ topic: 't', payload: null, headers: { [lone]: '' } }), refused);
  }
  for (const whole of ['\u{1f600}', '\\ud800', '\\\\udfff', '\\u', 'ud800']) {
    t.equal(written({ topic: 't', payload: whole }).payload, whole);
  }
});

t.test('what text makes too long travels as base64; what is too long then is refused', async t => {
  const zeros = '\0'.repeat(3_000_000);
  const message = written({ topic: 't', payload: zeros });
  t.ok(decodeBytes(message.payload).equals(Buffer.alloc(3_000_000)));
  t.type(message.payload, 'object');
  t.throws(() => written({ topic: 't', payload: randomBytes(MAX_OPERATION_BYTES) }), refused);
});
