/** Which deliveries are the same message. */
import fc from 'fast-check';
import t from 'tap';
import { LONGEST, objection, ownIdentity, positionIdentity, storedText } from '../../consumer-sdk/record/identity.ts';
import { messageOf } from '../../consumer-sdk/record/message.ts';

t.test('different bytes are stored as different visible ASCII', async t => {
  t.equal(storedText(Buffer.from('/escrowmq/producer-groups/bank-a')), '/escrowmq/producer-groups/bank-a');
  t.equal(storedText(Buffer.from('a b%ü\0')), 'a%20b%25%C3%BC%00');
  const bytes = fc.uint8Array({ maxLength: 12 });
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      const texts = [storedText(one), storedText(other)];
      return (
        texts.every(text => /^[\x21-\x7e]*$/.test(text)) && (texts[0] === texts[1]) === Buffer.from(one).equals(other)
      );
    }),
  );
});

t.test('a record says who it is, or nobody is believed', async t => {
  const headers = { ce_id: Buffer.from('1'), ce_source: Buffer.from('urn:x') };
  t.match(ownIdentity(headers), { id: '1', source: 'urn:x', isOwn: true });
  t.match(ownIdentity({ ce_id: '1', ce_source: 'urn:x' }), { id: '1' });
  for (const broken of [
    undefined,
    {},
    { ...headers, ce_id: undefined },
    { ...headers, ce_source: Buffer.alloc(0) },
    { ...headers, ce_id: [Buffer.from('1'), Buffer.from('2')] },
  ]) {
    t.equal(ownIdentity(broken), null);
  }
  t.match(ownIdentity({ ...headers, ce_id: [Object, Buffer.from('1')] as never }), { id: '1' }, 'as kafkajs gives it');
  t.match(
    ownIdentity({ escrow_dlt_source: Buffer.from('kafka:t/0'), escrow_dlt_id: Buffer.from('7-1-ab') }),
    { source: 'kafka:t/0', id: '7-1-ab' },
    'a dead letter that was put back is what it was',
  );
});

t.test('where a record lies and what it contains makes it another message', async t => {
  const record = { offset: '7', timestamp: '1000', key: null, value: Buffer.from('a') };
  const id = (more: object) => positionIdentity('t', 0, { ...record, ...more }).storedId;
  const ids = [{}, { offset: '8' }, { timestamp: '1001' }, { value: Buffer.from('b') }, { value: null }].map(id);
  t.equal(new Set(ids).size, ids.length);
  t.not(id({ key: Buffer.from('a'), value: null }), id({}));
  t.equal(id({}), id({}), 'the same when it is delivered again');
  t.not(positionIdentity('t', 1, record).source, positionIdentity('t', 0, record).source);
});

t.test('what does not fit is refused, not cut', async t => {
  const sized = (source: number, id: number) =>
    ownIdentity({ ce_source: Buffer.alloc(source, 'a'), ce_id: Buffer.alloc(id, 'a') })!;
  t.equal(objection(sized(LONGEST.source, LONGEST.id)), null);
  t.match(objection(sized(LONGEST.source + 1, 1)), /source is longer/);
  t.match(objection(sized(1, LONGEST.id + 1)), /id is longer/);
});

t.test('a message gives text and JSON, or says that it is poison', async t => {
  const identity = ownIdentity({ ce_id: '1', ce_source: 's' })!;
  const of = (value: Buffer | null, headers = {}) =>
    messageOf('t', 2, { offset: '9007199254740993', timestamp: '5', key: null, value, headers } as never, identity);
  t.same(of(Buffer.from('{"a":1}')).json(), { a: 1 });
  t.equal(of(Buffer.from('ä')).text(), 'ä');
  t.throws(() => of(null).text(), { code: 'POISON' });
  t.throws(() => of(Buffer.from([0xff])).text(), { code: 'POISON' });
  t.throws(() => of(Buffer.from('{')).json(), { code: 'POISON', cause: { name: 'SyntaxError' } });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  t.match(of(null, { traceparent: Buffer.from(traceparent) }), {
    ...{ topic: 't', partition: 2, offset: '9007199254740993', id: '1', source: 's' },
    ...{ traceparent, tracestate: null, type: null, time: null, contentType: null },
  });
});
