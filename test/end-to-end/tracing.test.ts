/**
 * One trace from the request that caused a message to the handler that consumed it: a real broker with the example's preload, a
 * real Kafka, both SDKs.
 */

import * as opentelemetry from '@opentelemetry/api';
import { trace } from '@opentelemetry/api';
import t from 'tap';
import type { ConsumedMessage } from '../../consumer-sdk/index.ts';
import type { CheckHandler } from '../../producer-sdk/index.ts';
import { eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { newGroup, openLedger, startConsumer } from '../support/consumer-bench.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { serve, startService, stateOf } from '../support/producer-world.ts';
import { inside, type RecordedSpan, recordSpans } from '../support/recorded-spans.ts';
import { startSpanCollector } from '../support/span-collector.ts';

const recorded = recordSpans();
const tracer = trace.getTracer('the services of this test');

/** What a web framework's instrumentation does for a request. */
const request = async <T>(name: string, work: () => Promise<T>): Promise<T> =>
  tracer.startActiveSpan(name, async span => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });

const KIND = ['internal', 'server', 'client', 'producer', 'consumer'];

/** The spans below one, each with its own: `name (kind)`. */
type Tree = { [span: string]: Tree };

/** Fails where a span's parent is not among the spans of its trace. */
const treeOf = (spans: readonly RecordedSpan[]): Tree => {
  const below = (parentId: string | null): Tree =>
    Object.fromEntries(
      spans
        .filter(span => span.parentId === parentId)
        .sort((a, b) => a.name.localeCompare(b.name) || a.kind - b.kind)
        .map(span => [`${span.name} (${KIND[span.kind]})`, below(span.spanId)]),
    );
  return below(null);
};

t.test('from the request to the handler', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka, { partitions: 1 });
  const deadLetters = await newTopic(kafka, { partitions: 1 });
  const collector = await startSpanCollector(t);
  const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka), env: collector.env });
  let handler: CheckHandler | null = null;
  const checkUrl = await serve(t, (...given) => handler!(...given));
  const service = await startService(t, { url: broker.url, checkUrl, opentelemetry });
  const { producer, db, fence, debit } = service;
  handler = producer.checkHandler();
  const ledger = await openLedger(t);
  let failures = 1;
  /** What the records carried, by message. */
  const carried = new Map<string, string | null>();
  const credit = (message: ConsumedMessage, tx: typeof db): void => {
    carried.set(message.id, message.traceparent);
    if (message.key?.toString() === 'poison') throw new TypeError('no such account');
    if (message.key?.toString() === 'late' && failures-- > 0) throw new Error('not yet');
    tracer.startSpan('insert').end();
    ledger.credit(message, tx);
  };
  startConsumer(
    t,
    kafka,
    {
      ...{ groupId: newGroup(), topics: [topic], inbox: ledger.inbox, opentelemetry },
      ...{ deadLetter: { topic: deadLetters }, retry: { attempts: 2, initialMs: 1, maxMs: 2 } },
    },
    credit,
  );
  const message = (key: string) => [{ topic, key, payload: '{"amount":100}' }];
  const all = (): RecordedSpan[] => [...recorded.all(), ...collector.spans];
  /** The spans of the trace that has a span of the name, once all that is waited for are there. */
  const traceOf = (root: string, count: number): Promise<RecordedSpan[]> =>
    eventually(`${count} spans of ${root}`, async () => {
      const traceId = all().find(({ name }) => name === root)?.traceId;
      const found = all().filter(span => span.traceId === traceId);
      return found.length >= count && found;
    });

  await t.test('committed by the producer', async t => {
    const { id } = await request('POST /transfers', () =>
      producer.transaction({ messages: message('bob') }, tx => {
        tracer.startSpan('update').end();
        debit(tx);
      }),
    );
    const spans = await traceOf('POST /transfers', 8);
    t.same(treeOf(spans), {
      'POST /transfers (internal)': {
        'transaction (producer)': {
          'commit (server)': {},
          [`forward ${topic} (client)`]: {},
          'prepare (server)': {},
          [`process ${topic} (consumer)`]: { 'insert (internal)': {} },
          'update (internal)': {},
        },
      },
    });
    const named = (name: string) => spans.find(span => span.name === name)!.attributes;
    t.match(named('transaction'), {
      'messaging.system': 'escrowmq',
      'escrowmq.transaction.id': id,
      'escrowmq.group': 'bank-a',
      'escrowmq.delivery': 'acknowledged',
    });
    t.match(named('prepare'), { 'escrowmq.transaction.id': id, 'messaging.batch.message_count': 1 });
    t.match(named('commit'), { 'escrowmq.transaction.id': id, 'escrowmq.resolved_by': 'producer' });
    t.match(named(`forward ${topic}`), { 'messaging.message.id': `${id}.0`, 'messaging.kafka.offset': 0 });
    t.match(named(`process ${topic}`), {
      'messaging.system': 'kafka',
      'messaging.operation.type': 'process',
      'messaging.destination.name': topic,
      'messaging.destination.partition.id': '0',
      'messaging.kafka.offset': 0,
      'messaging.message.id': `${id}.0`,
      'escrowmq.source': '/escrowmq/producer-groups/bank-a',
      'escrowmq.outcome': 'handled',
    });
    t.same(
      spans.filter(({ failure }) => failure !== null),
      [],
    );
  });

  await t.test('committed by a check-back, handled at the second try', async t => {
    const { id } = await request('POST /late', async () => {
      const prepared = await producer.prepare({ messages: message('late'), check: { afterMs: 100 } });
      db.exec('pragma synchronous = full; begin immediate');
      const claim = await fence.claim(db, prepared.id);
      debit(db);
      await claim.verify();
      db.exec('commit');
      return prepared;
    });
    const spans = await traceOf('POST /late', 8);
    t.equal(await stateOf(broker, id), 'committed');
    // A check may come while the transaction is open, and is then answered `unknown`.
    const checks = spans.filter(({ name, kind }) => name === 'check' && KIND[kind] === 'client');
    t.match(checks.at(-1)!.attributes, { 'escrowmq.transaction.id': id, 'escrowmq.check.answer': 'commit' });
    t.match(treeOf(spans), {
      'POST /late (internal)': {
        'check (client)': { 'check (server)': {} },
        [`forward ${topic} (client)`]: {},
        'prepare (server)': {},
        [`process ${topic} (consumer)`]: {},
      },
    });
    const tries = spans.filter(({ name }) => name.startsWith('process'));
    t.match(
      tries.map(({ failure, attributes, events }) => [
        failure,
        attributes['escrowmq.outcome'],
        events.map(({ name }) => name),
      ]),
      [
        ['not yet', 'failed', ['retry']],
        [null, 'handled', []],
      ],
    );
    t.equal(tries[0]!.events[0]!.attributes['escrowmq.attempts'], 1);
    t.match(spans.find(({ name }) => name === 'insert')!.parentId, tries[1]!.spanId);
  });

  await t.test('a message that is given up', async t => {
    await request('POST /poison', () => producer.transaction({ messages: message('poison') }, debit));
    const spans = await traceOf('POST /poison', 7);
    const last = spans.filter(({ name }) => name.startsWith('process')).at(-1)!;
    t.match(last, {
      failure: 'no such account',
      attributes: { 'error.type': 'TypeError' },
      events: [
        { name: 'dead_letter', attributes: { 'messaging.destination.name': deadLetters, 'escrowmq.attempts': 2 } },
      ],
    });
  });

  await t.test('what fails in the service fails its span, and rolls back', async t => {
    const failing = request('POST /broke', () =>
      producer.transaction({ messages: message('bob') }, () => {
        throw new RangeError('not enough money');
      }),
    );
    await t.rejects(failing, { message: 'not enough money' });
    const spans = await traceOf('POST /broke', 4);
    t.same(treeOf(spans), {
      'POST /broke (internal)': { 'transaction (producer)': { 'prepare (server)': {}, 'rollback (server)': {} } },
    });
    t.match(
      spans.find(({ name }) => name === 'transaction'),
      { failure: 'not enough money', attributes: { 'error.type': 'RangeError' } },
    );
  });

  await t.test('a trace that is not sampled is carried on, and seen nowhere', async t => {
    const unsampled = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', traceFlags: 0 };
    const { id } = await inside(unsampled, () => producer.transaction({ messages: message('bob') }, debit));
    await eventually('the message is handled', async () => ledger.ids().includes(`${id}.0`));
    t.match(carried.get(`${id}.0`), new RegExp(`^00-${unsampled.traceId}-[0-9a-f]{16}-00$`));
    // What came before it has been sent, so whatever were recorded of it would have been, too.
    const { id: next } = await request('POST /next', () => producer.transaction({ messages: message('bob') }, debit));
    await traceOf('POST /next', 7);
    const about = (one: string) => all().filter(({ attributes }) => attributes['escrowmq.transaction.id'] === one);
    t.same(about(id), []);
    t.not(about(next).length, 0);
    t.same(
      all().filter(({ traceId }) => traceId === unsampled.traceId),
      [],
    );
  });

  await t.test('the trace that a caller names itself is left as it is', async t => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { id } = await request('POST /named', () =>
      producer.transaction({ messages: message('bob'), traceparent, tracestate: 'a=1' }, debit),
    );
    const found = await eventually('the spans of the broker', async () => {
      const spans = collector.spans.filter(({ traceId }) => traceId === traceparent.slice(3, 35));
      return spans.length === 3 && spans;
    });
    t.same(
      found.map(({ parentId, attributes }) => [parentId, attributes['escrowmq.transaction.id']]),
      found.map(() => [traceparent.slice(36, 52), id]),
    );
  });

  await t.test('what was recorded goes out before the broker ends', async t => {
    const { id } = await request('POST /last', () => producer.transaction({ messages: message('bob') }, debit));
    await eventually('the message is handled', async () => ledger.ids().includes(`${id}.0`));
    t.equal(await broker.stop(), 0);
    await traceOf('POST /last', 7);
    t.notMatch(JSON.stringify(all()), /bob|amount/, 'and no key or payload was in any span');
  });
});
