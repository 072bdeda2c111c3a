/** The consumer SDK on a real Kafka: each effect once, in order, whatever comes twice. */
import t from 'tap';
import {
  cloudEvent,
  committed,
  type Ledger,
  newGroup,
  openLedger,
  publish,
  SOURCE,
  servedGroup,
  startConsumer,
} from '../support/consumer-bench.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { readTopic } from '../support/topics.ts';
import { until } from '../support/until.ts';

t.setTimeout(60_000);

t.test('records are handled in order, told to Kafka at the end, and not handled again', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka, { partitions: 3 });
  const ledger = await openLedger(t);
  const groupId = await servedGroup(kafka, topic);
  const records = Array.from({ length: 300 }, (_, index) =>
    cloudEvent(`t${index}.0`, '{"amount":2}', { partition: index % 3 }),
  );
  // Some come twice, as after a kill of whoever sent them.
  await publish(kafka, topic, [...records, ...records.slice(0, 30)]);
  const options = { groupId, topics: [topic], inbox: ledger.inbox };
  const first = startConsumer(t, kafka, options, ledger.credit);
  await until('all came', () => {
    const { handled, repeats } = first.consumer.health().counts;
    return handled === 300 && repeats === 30;
  });
  const health = first.consumer.health();
  const expected = { status: 'ok', reason: null, restarts: 0, counts: { deadLettered: 0, skipped: 0 } };
  t.match(health, expected, { log: first.log });
  t.same(
    health.partitions.map(({ partition, nextOffset, lag }) => [partition, nextOffset, lag]).sort(),
    [0, 1, 2].map(partition => [partition, '110', 0]),
  );
  await first.consumer.close();
  t.equal(await first.ended, null);
  t.equal(first.consumer.health().status, 'stopped');
  t.same(await committed(kafka, groupId, topic), [110, 110, 110]);
  t.equal(ledger.sum(), 600);
  t.equal(ledger.ids().length, 300);
  for (const partition of [0, 1, 2]) {
    const offsets = ledger
      .effects()
      .filter(effect => effect.partition === partition)
      .map(({ offset }) => offset);
    t.same(
      offsets,
      Array.from({ length: 100 }, (_, index) => index),
      'in order',
    );
  }

  await publish(kafka, topic, [cloudEvent('last.0', '{"amount":1}')]);
  const second = startConsumer(t, kafka, options, ledger.credit);
  await until('the new one came', () => second.consumer.health().counts.handled === 1);
  t.match(second.consumer.health().counts, { handled: 1, repeats: 0 }, 'begins where the first one ended');
  t.equal(ledger.sum(), 601);
});

t.test('any CloudEvents writer fits, and ids are told apart byte for byte', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const ledger = await openLedger(t);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const ids = ['order-a', 'ORDER-A', 'order-a ', ' order-a', 'order-ä', 'order-a%20', 'order-\0'];
  const other = { headers: { ce_source: 'urn:another writer', traceparent } };
  await publish(kafka, topic, [
    ...ids.map(id => cloudEvent(id, '{"amount":1}')),
    cloudEvent('order-a', '{"amount":1}', other),
    ...ids.map(id => cloudEvent(id, '{"amount":1}')),
  ]);
  const seen: unknown[] = [];
  const options = { groupId: newGroup(), topics: [topic], inbox: ledger.inbox };
  const { consumer } = startConsumer(t, kafka, options, (message, tx: Ledger['db']) => {
    seen.push([message.source, message.id, message.traceparent]);
    ledger.credit(message, tx);
  });
  await until('all came', () => consumer.health().counts.repeats === ids.length);
  t.same(seen, [...ids.map(id => [SOURCE, id, null]), ['urn:another writer', 'order-a', traceparent]]);
  t.equal(ledger.sum(), ids.length + 1);
});

t.test('records without an identity: by position, to the dead letters, or passed over', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const [topic, deadLetter] = [await newTopic(kafka), await newTopic(kafka)];
  const plain = { key: null, value: '{"amount":1}' };
  const tooLong = cloudEvent('x'.repeat(513), '{"amount":1}');
  await publish(kafka, topic, [plain, plain, cloudEvent('a', '{"amount":1}'), tooLong]);
  const ways = { position: [3, 1, 0], deadLetter: [1, 3, 0], skip: [1, 1, 2] } as const;
  for (const [unidentified, expected] of Object.entries(ways)) {
    const ledger = await openLedger(t);
    const options = { groupId: newGroup(), topics: [topic], inbox: ledger.inbox, deadLetter: { topic: deadLetter } };
    const way = { unidentified: unidentified as keyof typeof ways };
    const run = () => startConsumer(t, kafka, { ...options, ...way, commitIntervalMs: 600_000 }, ledger.credit);
    const { consumer } = run();
    const done = () => {
      const { handled, deadLettered, skipped } = consumer.health().counts;
      return [handled, deadLettered, skipped].join() === expected.join();
    };
    await until(`all came with ${unidentified}`, done);
    t.equal(ledger.sum(), expected[0]);
    await consumer.close();
  }
  const letters = await readTopic(kafka, deadLetter);
  t.match(letters[0]!.headers, {
    escrow_dlt_cause: Buffer.from('PoisonError: The record cannot be remembered: its id is longer than 512 bytes.'),
  });
  t.match(
    String(letters[1]!.headers.escrow_dlt_id),
    /^0-\d+-/,
    'where it lay: it stays that message when it comes back',
  );
});
