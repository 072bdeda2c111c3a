/** Options are judged before anything begins. */
import { Kafka } from 'kafkajs';
import t from 'tap';
import { backOffMs } from '../../consumer-sdk/back-off.ts';
import { consumerSettings } from '../../consumer-sdk/consumer-options.ts';
import { createConsumer } from '../../consumer-sdk/index.ts';
import { PartitionState } from '../../consumer-sdk/partition/partition-state.ts';
import { Turns } from '../../consumer-sdk/partition/turns.ts';

const kafka = new Kafka({ brokers: ['127.0.0.1:1'] });
const inbox = { claim: () => {} } as never;
const good = { kafka, groupId: 'g', topics: ['t'], inbox };

t.test('defaults', async t => {
  t.match(consumerSettings(good), {
    ...{ attempts: 10, backOff: { initialMs: 500, maxMs: 60_000 }, unidentified: 'position' },
    ...{ concurrency: 4, handlerTimeoutMs: 60_000, commitIntervalMs: 1_000, closeTimeoutMs: 30_000 },
    ...{ stuckAfterMs: 120_000, silentAfterMs: 150_000, deadLetterTopic: null },
  });
  t.match(consumerSettings({ ...good, handlerTimeoutMs: 600_000 }), { stuckAfterMs: 1_200_000 });
  const patient = { ...good, kafkaConsumer: { rebalanceTimeout: 300_000 } };
  t.match(consumerSettings(patient), { silentAfterMs: 630_000 }, 'a rebalance is no silence');
});

t.test('what cannot be used is refused with a sentence', async t => {
  const wrong: [object, RegExp][] = [
    [{ kafka: {} }, /kafka must be/],
    [{ inbox: {} }, /inbox must be/],
    [{ groupId: '' }, /groupId/],
    [{ groupId: 'g'.repeat(256) }, /groupId is longer/],
    [{ topics: [] }, /topics/],
    [{ topics: ['a b'] }, /topics must be a topic/],
    [{ deadLetter: { topic: 't' } }, /must not be one of topics/],
    [{ deadLetter: {} }, /deadLetter.topic/],
    [{ unidentified: 'deadLetter' }, /no deadLetter.topic/],
    [{ unidentified: 'lose' }, /one of position, deadLetter, skip/],
    [{ retry: { attempts: 0 } }, /retry.attempts/],
    [{ retry: { initialMs: 10, maxMs: 5 } }, /retry.maxMs/],
    [{ concurrency: 1.5 }, /concurrency/],
    [{ handlerTimeoutMs: 0 }, /handlerTimeoutMs/],
  ];
  for (const [change, message] of wrong) {
    const options = { ...good, ...change } as never;
    t.throws(() => createConsumer(options), { name: 'InvalidOptionError', code: 'INVALID_OPTION', message });
  }
});

t.test('a consumer runs once', async t => {
  const consumer = createConsumer(good);
  t.equal(consumer.health().status, 'stopped');
  await consumer.close();
  await consumer.close();
  await t.rejects(
    consumer.run(() => {}),
    { code: 'NOT_RUNNABLE', retryable: false },
  );
});

t.test('pauses double up to the longest, never all at once', async t => {
  for (const [failures, longest] of [
    [1, 100],
    [3, 400],
    [5, 1_000],
    [5_000, 1_000],
  ] as const) {
    const ms = backOffMs({ initialMs: 100, maxMs: 1_000 }, failures);
    t.ok(ms >= longest / 2 && ms <= longest, `${failures}: ${ms}`);
  }
});

t.test('what never waits leaves the event loop room all the same', async t => {
  const turns = new Turns(1);
  let beats = 0;
  const beat = () => {
    beats += 1;
    if (beats < 5) setImmediate(beat);
  };
  setImmediate(beat);
  for (let turn = 0; turn < 10; turn++) await turns.take(async () => {});
  t.equal(beats, 5);
});

t.test('failures are those of one record, also where it is delivered again', async t => {
  const state = new PartitionState('t', 0);
  state.begin('7');
  state.fail('7', new Error('once'), true);
  state.putDown();
  state.begin('7');
  t.match(state.fail('7', new Error('twice'), false), { attempts: 1, failures: 2, error: 'Error: twice' });
  state.begin('3');
  t.equal(state.setback, null);
});

t.test('turns are limited and in order', async t => {
  const turns = new Turns(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      turns.take(async () => {
        most = Math.max(most, ++running);
        order.push(index);
        await new Promise(setImmediate);
        running -= 1;
        if (index === 7) throw new Error('one fails');
      }),
    ).map(turn => turn.catch(() => {})),
  );
  t.equal(most, 2);
  t.same(
    order,
    Array.from({ length: 50 }, (_, index) => index),
  );
});
