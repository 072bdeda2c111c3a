/** Records of the memory publisher, as a consumer would see them. */
import t from 'tap';
import { MemoryPublisher } from '../../broker/forward/memory-publisher.ts';
import { isProblem, startServer } from '../support/http-server.ts';

t.test('in the order of arrival, from a position on, of one topic or of all', async t => {
  const memory = new MemoryPublisher();
  const s = await startServer(t, { memory });
  const record = (text: string | null) => ({
    key: Buffer.from([0, 255]),
    value: text === null ? null : Buffer.from(text),
    headers: [['ce_id', Buffer.from('t1.0')]] as const,
  });
  await memory.send('a', 0, [record('1'), record(null)]);
  await memory.send('b', 2, [record('3')]);
  const read = async (query: string) => (await s.call('GET', `/v1/memory/records${query}`)).json();
  const all = await read('');
  t.match(all.items[0], {
    position: 1,
    topic: 'a',
    partition: 0,
    offset: 0,
    key: { base64: 'AP8=' },
    payload: '1',
    headers: { ce_id: 't1.0' },
    timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  });
  t.equal(all.items[1].payload, null);
  t.equal(all.next, 3);
  t.same(await read('?after=3'), { items: [], next: 3 }, 'nothing new');
  t.match(await read('?after=1&limit=1'), { items: [{ position: 2 }], next: 2 });
  t.match(await read('?topic=b'), { items: [{ topic: 'b', partition: 2 }], next: 3 });
  for (const query of ['?after=-1', '?after=x', '?after=01', '?limit=0', '?topic=..', '?from=1']) {
    isProblem(t, await s.call('GET', `/v1/memory/records${query}`), 'VALIDATION_FAILED', query);
  }
});

t.test('with Kafka there are none to see', async t => {
  const s = await startServer(t);
  isProblem(t, await s.call('GET', '/v1/memory/records'), 'NOT_FOUND');
});
