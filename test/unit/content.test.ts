import fc from 'fast-check';
import t from 'tap';
import { topicAllowed } from '../../broker/transaction/allow-list.ts';
import { contentDigest, type DigestedMessage } from '../../broker/transaction/content.ts';
import { parseMessageId } from '../../broker/transaction/transaction.ts';

const base: DigestedMessage = {
  topic: 't',
  key: Buffer.from('k'),
  payload: Buffer.from('p'),
  headers: [
    ['a', Buffer.from('1')],
    ['b', Buffer.from('2')],
  ],
  contentType: 'text/plain',
  type: 't',
  partition: null,
};

t.test('the order of headers does not count', async t => {
  const turned = { ...base, headers: [...base.headers].reverse() };
  t.ok(contentDigest('g', [base]).equals(contentDigest('g', [turned])));
});

t.test('every member counts', async t => {
  const others: DigestedMessage[] = [
    { ...base, topic: 'u' },
    { ...base, key: null },
    { ...base, key: Buffer.alloc(0) },
    { ...base, payload: null },
    { ...base, payload: Buffer.alloc(0) },
    { ...base, headers: [] },
    { ...base, headers: [['a', Buffer.from('12')]] },
    { ...base, contentType: 'text/html' },
    { ...base, type: 'other' },
    { ...base, partition: 0 },
  ];
  const digests = [base, ...others].map(message => contentDigest('g', [message]).toString('hex'));
  digests.push(contentDigest('h', [base]).toString('hex'), contentDigest('g', [base, base]).toString('hex'));
  t.equal(new Set(digests).size, digests.length);
});

t.test('no shift of bytes between fields goes unseen', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(11), (bytes, cut) => {
      const all = Buffer.from(bytes);
      const at = cut % all.length;
      const one = { ...base, key: all.subarray(0, at), payload: all.subarray(at) };
      const other = { ...base, key: all.subarray(0, at + 1), payload: all.subarray(at + 1) };
      return !contentDigest('g', [one]).equals(contentDigest('g', [other]));
    }),
  );
  t.pass('100 cases');
});

t.test('allow-lists', async t => {
  t.ok(topicAllowed(null, 'anything'));
  t.notOk(topicAllowed([], 'anything'));
  const cases: [string, string, boolean][] = [
    ['transfers', 'transfers', true],
    ['transfers', 'transfers2', false],
    ['audit.*', 'audit.log', true],
    ['audit.*', 'audit.', true],
    ['audit.*', 'auditXlog', false],
    ['*', '', true],
    ['*.log', 'a.log', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['aa*aa', 'aaa', false],
    ['*a*', 'bab', true],
    ['.*', 'x', false],
  ];
  for (const [pattern, topic, allowed] of cases)
    t.equal(topicAllowed([pattern], topic), allowed, `${pattern} ${topic}`);
});

t.test('message ids', async t => {
  t.same(parseMessageId('t-1.0'), { transactionId: 't-1', index: 0 });
  t.same(parseMessageId('t-1.99'), { transactionId: 't-1', index: 99 });
  for (const wrong of ['t-1', 't-1.', 't-1.00', 't-1.100', 't-1.-1', 't.1.0', '.0', 't-1.0 ']) {
    t.equal(parseMessageId(wrong), null, wrong);
  }
});
