/** What stays in memory until it is forwarded keeps nothing else alive: Node's pages of small buffers are shared. */
import t from 'tap';
import { draftPrepare } from '../../broker/api/prepare-command.ts';
import { DEFAULT_LIMITS } from '../../broker/api/surroundings.ts';

const TRACE = { traceparent: null, tracestate: null };

t.test('the bytes of a message lie in memory of their own', async t => {
  const base64 = Buffer.from([0, 1, 255]).toString('base64');
  const draft = draftPrepare(
    {
      group: 'bank',
      messages: [
        { topic: 'transfers', key: 'k', payload: 'small', headers: { text: 'é', bytes: { base64 } } },
        { topic: 'transfers', key: { base64 }, payload: 'x'.repeat(10_000) },
        { topic: 'transfers', key: '', payload: null },
      ],
    },
    TRACE,
    DEFAULT_LIMITS,
  );
  if (!('messages' in draft)) throw new Error(draft.detail);
  const kept = draft.messages.flatMap(({ key, payload, headers }) => [
    key,
    payload,
    ...headers.map(([, value]) => value),
  ]);
  const bytes = kept.filter(one => one !== null);
  t.equal(bytes.length, 7);
  for (const one of bytes)
    t.equal(one.buffer.byteLength, one.length, `${one.length} bytes keep no more than themselves`);
  t.same(draft.messages[0]!.payload, Buffer.from('small'));
  t.same(draft.messages[0]!.headers[1]![1], Buffer.from([0, 1, 255]));
});
