/** What waits for each topic. */
import t from 'tap';
import { startServer, transaction } from '../support/http-server.ts';

t.test('topics tell what waits, since when, what is parked and what stands in the way', async t => {
  const trouble = (topic: string) => (topic === 'orders' ? 'There is no topic orders in Kafka.' : null);
  const s = await startServer(t, { forwarding: { trouble } });
  t.same((await s.call('GET', '/v1/topics')).json(), { items: [] });
  await s.createGroup('g');
  await s.coordinator.submit([{ type: 'topic_seen', topic: 'transfers', partitions: 3 }]);
  for (const [id, topic] of [
    ['a', 'transfers'],
    ['b', 'transfers'],
    ['c', 'orders'],
    ['d', 'orders'],
  ] as const) {
    t.equal((await s.call('POST', '/v1/transactions', transaction(id, { topic }))).statusCode, 201, id);
  }
  for (const id of ['a', 'b', 'c']) await s.call('POST', `/v1/transactions/${id}/commit`);
  await s.coordinator.submit([
    { type: 'forwarded', transactionId: 'a', index: 0, offset: 0 },
    { type: 'park', transactionId: 'b', index: 0, error: 'too large' },
  ]);
  s.time.now += 1_500;
  t.same((await s.call('GET', '/v1/topics')).json(), {
    items: [
      { topic: 'transfers', partitions: 3, waiting: 0, parked: 1, lagMs: 0, lastError: null },
      {
        topic: 'orders',
        partitions: null,
        waiting: 1,
        parked: 0,
        lagMs: 1_500,
        lastError: 'There is no topic orders in Kafka.',
      },
    ],
  });
  t.equal((await s.call('GET', '/v1/topics?x=1')).statusCode, 400);
});
