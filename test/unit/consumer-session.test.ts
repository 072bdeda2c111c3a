/** What the SDK makes of kafkajs's consumer: positions, pauses, revocations, ends. */
import t, { type Test } from 'tap';
import { type ConsumerOptions, createConsumer, type Handler } from '../../consumer-sdk/index.ts';
import { type ConsumerDouble, KafkaDouble, memoryInbox } from '../support/consumer-double.ts';
import { until } from '../support/until.ts';

/** A handler whose calls the test lets go one by one. */
class Gate {
  readonly #waiting = new Map<string, () => void>();
  readonly seen: string[] = [];
  isOpen = false;

  readonly handler: Handler<null> = async message => {
    this.seen.push(message.id);
    if (!this.isOpen) await new Promise<void>(resolve => this.#waiting.set(message.id, resolve));
  };

  async release(id: string): Promise<void> {
    await until(`${id} is being handled`, () => this.#waiting.has(id));
    this.#waiting.get(id)!();
    this.#waiting.delete(id);
  }
}

const start = async (t: Test, options: Partial<ConsumerOptions<null>> = {}) => {
  const kafka = new KafkaDouble();
  const { inbox, rows } = memoryInbox();
  const gate = new Gate();
  const consumer = createConsumer({
    ...{ kafka: kafka.client, groupId: 'g', topics: ['t'], inbox, commitIntervalMs: 1 },
    ...{ retry: { attempts: 2, initialMs: 1, maxMs: 1 } },
    ...options,
  });
  let failure: unknown = null;
  const run = consumer.run(gate.handler).catch(error => {
    failure = error;
  });
  t.teardown(() => {
    gate.isOpen = true;
    return consumer.close();
  });
  await until('it runs', () => kafka.consumers.length === 1 && kafka.last.isRunning);
  return { kafka, double: kafka.last, consumer, gate, rows, run, failure: () => failure };
};

const offsets = ({ commits }: ConsumerDouble, partition: number): string[] =>
  commits.filter(commit => commit.partition === partition).map(({ offset }) => offset);

t.test('kafkajs neither restarts by itself nor commits by itself, nor makes topics', async t => {
  const { kafka } = await start(t);
  const [options] = kafka.options as [
    { retry: { restartOnFailure(): Promise<boolean> }; allowAutoTopicCreation: boolean },
  ];
  t.equal(await options.retry.restartOnFailure(), false);
  t.equal(options.allowAutoTopicCreation, false);
});

t.test('a batch that is quickly done moves on kafkajs’s position, and is committed', async t => {
  const { double, gate, consumer } = await start(t);
  gate.isOpen = true;
  t.equal(consumer.health().status, 'starting');
  double.join({ t: [0, 1] });
  t.same(await double.deliver(0, ['a', 'b'], { from: 5 }), ['6']);
  await until('it is committed', () => offsets(double, 0).includes('7'));
  t.match(consumer.health(), { status: 'ok', counts: { handled: 2 } });
  t.same(double.calls, []);
});

t.test('a batch that takes long goes on by itself, its partition paused, others not', async t => {
  const { double, gate, consumer } = await start(t);
  double.join({ t: [0, 1] });
  const resolved = await double.deliver(0, ['a', 'b']);
  t.same(resolved, [], 'fetching goes on, and the position stays');
  t.same(double.calls, ['pause [{"topic":"t","partitions":[0]}]']);
  t.match(consumer.health().partitions, [
    { partition: 0, paused: true },
    { partition: 1, paused: false },
  ]);
  const other = double.deliver(1, ['c']);
  await gate.release('c');
  t.same(await other, ['0']);
  await gate.release('a');
  await gate.release('b');
  await until('it is resumed', () => double.calls.length === 2);
  t.equal(
    double.calls[1],
    'resume [{"topic":"t","partitions":[0]}]',
    'without a seek, which would survive a rebalance',
  );
  t.same(resolved, ['1'], 'from behind what is handled');
  await until('it is committed', () => offsets(double, 0).includes('2'));
});

t.test('a batch for a partition that is busy, stale or not ours is left alone', async t => {
  const { double, gate } = await start(t);
  double.join({ t: [0] });
  await double.deliver(0, ['a']);
  t.same(await double.deliver(0, ['b'], { from: 1 }), []);
  t.same(await double.deliver(3, ['c']), []);
  await gate.release('a');
  await until('it is resumed', () => double.calls.length === 2);
  t.same(await double.deliver(0, ['d'], { from: 9, isStale: true }), []);
  t.same(gate.seen, ['a']);
});

t.test('a partition that was taken away: what is in hand ends, nothing else is begun or committed', async t => {
  const { double, gate, rows } = await start(t);
  double.join({ t: [0, 1] });
  const resolved = await double.deliver(0, ['a', 'b']);
  await double.deliver(1, ['c', 'd']);
  double.emit('rebalancing');
  double.join({ t: [1] });
  await gate.release('a');
  await gate.release('c');
  await gate.release('d');
  await until('the other one is committed', () => offsets(double, 1).includes('2'));
  t.same(offsets(double, 0), []);
  t.same(gate.seen, ['a', 'c', 'd'], 'one that is kept goes on');
  t.ok(rows.has('a'), 'with its row: whoever has it now finds it');
  t.same(resolved, []);
  t.ok(double.calls.includes('resume [{"topic":"t","partitions":[0]}]'), 'or it would stay paused for ever');
});

t.test('under a new member id nothing of before counts', async t => {
  const { double, gate } = await start(t);
  double.join({ t: [0] });
  const resolved = await double.deliver(0, ['a', 'b']);
  double.join({ t: [0] }, 'member-2');
  await gate.release('a');
  await until('it is resumed', () => double.calls.at(-1)!.startsWith('resume'));
  t.same(gate.seen, ['a']);
  t.same(offsets(double, 0), []);
  t.same(resolved, [], 'from where Kafka has it');
});

t.test('before a rebalance Kafka is told what is handled', async t => {
  const { double, gate } = await start(t, { commitIntervalMs: 1_000_000 });
  gate.isOpen = true;
  double.join({ t: [0] });
  await double.deliver(0, ['a', 'b']);
  t.same(offsets(double, 0), []);
  double.emit('rebalancing');
  t.same(offsets(double, 0), ['2']);
});

t.test('what was not told to Kafka before a partition was taken away is never told', async t => {
  const { double, gate } = await start(t);
  gate.isOpen = true;
  double.join({ t: [0, 1] });
  double.commitErrors.push(...Array.from({ length: 10_000 }, () => new Error('REBALANCE_IN_PROGRESS')));
  await double.deliver(0, ['a']);
  await until('it has failed', () => double.commitErrors.length < 10_000);
  double.join({ t: [1] });
  double.commitErrors.length = 0;
  await double.deliver(1, ['b']);
  await until('the other one is committed', () => offsets(double, 1).includes('1'));
  t.same(offsets(double, 0), []);
});

t.test('a commit that fails is repeated, and never makes a message fail', async t => {
  const { double, gate, consumer } = await start(t, { stuckAfterMs: 20 });
  gate.isOpen = true;
  double.join({ t: [0] });
  double.commitErrors.push(...Array.from({ length: 60 }, () => new Error('REBALANCE_IN_PROGRESS')));
  await double.deliver(0, ['a']);
  await until('health says so', () => {
    double.emit('heartbeat');
    return /cannot be committed: .*REBALANCE/.test(consumer.health().reason ?? '');
  });
  await until('it is committed', () => offsets(double, 0).includes('1'));
  t.equal(consumer.health().counts.handled, 1);
});

t.test('a crash of kafkajs is followed by a new consumer, whatever it says of restarting', async t => {
  const { kafka, double, gate, consumer } = await start(t);
  double.join({ t: [0] });
  await double.deliver(0, ['a', 'b']);
  double.emit('crash', { error: new Error('Connection timeout'), restart: false });
  await gate.release('a');
  await until('there is a new one', () => kafka.consumers.length === 2 && kafka.last.isRunning);
  t.ok(double.isDisconnected);
  t.same(gate.seen, ['a'], 'nothing of the old one is begun');
  t.match(consumer.health(), { restarts: 1, lastError: 'Error: Connection timeout' });
  gate.isOpen = true;
  kafka.last.join({ t: [0] });
  t.same(await kafka.last.deliver(0, ['a', 'b']), ['1']);
  t.match(consumer.health(), { status: 'ok', counts: { handled: 2, repeats: 1 } });
});

t.test('kafkajs’s refusals end run, as deep as they are wrapped', async t => {
  const refusal = Object.assign(new Error('Not authorized to access group'), { type: 'GROUP_AUTHORIZATION_FAILED' });
  const { run, failure, consumer, double } = await start(t);
  double.emit('crash', { error: Object.assign(new Error('wrapped'), { cause: refusal }), restart: false });
  await run;
  t.match(failure(), { name: 'ConsumerError', code: 'KAFKA_REFUSED', retryable: false });
  t.match(consumer.health(), { status: 'stopped', reason: /wrapped/ });
});

t.test('a Kafka that says nothing is left for a new connection', async t => {
  const { kafka, consumer } = await start(t, { silentAfterMs: 20, stuckAfterMs: 10 });
  await until('there is a new one', () => kafka.consumers.length === 2);
  t.match(consumer.health().lastError, /answered nothing/);
  await until('health says so', () => consumer.health().status === 'stuck');
});

t.test('a connect that hangs is given up, and one that fails is repeated', async t => {
  const kafka = new KafkaDouble();
  const { inbox } = memoryInbox();
  kafka.prepare = double => {
    double.isHanging = kafka.consumers.length === 0;
    double.connectError = kafka.consumers.length === 1 ? new Error('ECONNREFUSED') : null;
  };
  const consumer = createConsumer({ kafka: kafka.client, groupId: 'g', topics: ['t'], inbox, silentAfterMs: 50 });
  t.teardown(() => consumer.close());
  void consumer.run(() => {});
  await until('there is a third one', () => kafka.consumers.length === 3);
  t.match(consumer.health(), { restarts: 2, lastError: /ECONNREFUSED/ });
  t.ok(kafka.consumers[0]!.isDisconnected);
});

t.test('connections that keep ending are waited for longer and longer, and health says so', async t => {
  const waits: number[] = [];
  const warn = (fields: object): void => {
    waits.push((fields as { waitMs: number }).waitMs);
  };
  const logger = { info: () => {}, warn, error: () => {} };
  const { kafka, consumer, gate } = await start(t, { stuckAfterMs: 200, logger });
  gate.isOpen = true;
  const session = async (number: number): Promise<void> => {
    await until('it runs', () => kafka.consumers.length === number && kafka.last.isRunning);
    kafka.last.join({ t: [0] });
  };
  const crash = () => kafka.last.emit('crash', { error: new Error('not this topic'), restart: false });
  await session(1);
  crash();
  await session(2);
  t.equal(consumer.health().status, 'ok', 'one may happen to anybody');
  crash();
  await until('health says so', () => /have kept ending .*not this topic/.test(consumer.health().reason ?? ''));
  t.equal(consumer.health().status, 'stuck');
  await session(3);
  await kafka.last.deliver(0, ['a']);
  kafka.last.emit('heartbeat');
  t.equal(consumer.health().status, 'ok', 'once a record is passed');
  crash();
  t.not(consumer.health().status, 'stuck');
  await until('it waits', () => waits.length === 3);
  t.ok(waits[1]! >= 500, 'joining the group is no success by itself');
  t.ok(waits[2]! <= 500);
});

t.test('topics of other members that this one was given are said, until a join without them', async t => {
  const errors: unknown[] = [];
  const error = (fields: object): void => {
    errors.push(fields);
  };
  const logger = { info: () => {}, warn: () => {}, error };
  const { double, consumer } = await start(t, { logger });
  double.emit('unsubscribed', { topicsNotSubscribed: ['other'] });
  double.join({ t: [0] });
  t.match(consumer.health(), { status: 'stuck', reason: /different topics: nobody handles .* other$/ });
  t.same(errors, [{ topics: ['other'] }]);
  double.join({ t: [0] });
  t.equal(consumer.health().status, 'ok');
});

t.test('a group begins at the beginning: the end would be another one at each start', async t => {
  const { double } = await start(t);
  t.same(double.subscription, { topics: ['t'], fromBeginning: true });
});

t.test('close during a join leaves the group once it is joined', async t => {
  const kafka = new KafkaDouble();
  const { inbox } = memoryInbox();
  let join = () => {};
  kafka.prepare = double => {
    double.joining = new Promise(resolve => {
      join = resolve;
    });
  };
  const consumer = createConsumer({ kafka: kafka.client, groupId: 'g', topics: ['t'], inbox });
  const run = consumer.run(() => {});
  await until('it joins', () => kafka.consumers.length === 1 && kafka.last.isRunning);
  const closing = consumer.close();
  // Enough for everything that waits for nothing.
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.notOk(kafka.last.isDisconnected, 'kafkajs would leave its member behind');
  join();
  await Promise.all([closing, run]);
  t.ok(kafka.last.isDisconnected);
});

t.test('what cannot be said as text is an attempt like others', async t => {
  const kafka = new KafkaDouble();
  const { inbox } = memoryInbox();
  const consumer = createConsumer({
    ...{ kafka: kafka.client, groupId: 'g', topics: ['t'], inbox, commitIntervalMs: 1, deadLetter: { topic: 'd' } },
    retry: { attempts: 2, initialMs: 1, maxMs: 1 },
  });
  t.teardown(() => consumer.close());
  void consumer.run(() => {
    throw Object.create(null);
  });
  await until('it runs', () => kafka.consumers.length === 1 && kafka.last.isRunning);
  kafka.last.join({ t: [0] });
  await kafka.last.deliver(0, ['a']);
  await until('it is moved', () => kafka.sent.length === 1);
  t.match(kafka.sent[0]!.messages[0]!.headers, { escrow_dlt_attempts: '2', escrow_dlt_cause: /cannot be shown/ });
  t.equal(kafka.sent[0]!.compression, 1, 'GZIP: it may have come compressed, and be too large otherwise');
  t.equal(consumer.health().restarts, 0);
});

t.test('the program’s fault ends run, with everything handled before told to Kafka', async t => {
  const kafka = new KafkaDouble();
  const { inbox } = memoryInbox();
  const { misused } = await import('../../local-transaction/local-database.ts');
  const consumer = createConsumer({
    kafka: kafka.client,
    groupId: 'g',
    topics: ['t'],
    inbox,
    commitIntervalMs: 100_000,
  });
  const run = consumer.run(message => {
    if (message.id === 'b') throw misused('The function used COMMIT.');
  });
  run.catch(() => {});
  await until('it runs', () => kafka.consumers.length === 1 && kafka.last.isRunning);
  kafka.last.join({ t: [0] });
  t.same(await kafka.last.deliver(0, ['a', 'b', 'c']), []);
  await t.rejects(run, { code: 'HANDLER_MISUSED', message: /COMMIT/, cause: { code: 'MISUSED_TRANSACTION' } });
  t.same(offsets(kafka.last, 0), ['1']);
  t.ok(kafka.last.isDisconnected);
});

t.test('close lets handlers in hand finish, commits, and ends', async t => {
  const { double, gate, consumer, run } = await start(t, { commitIntervalMs: 100_000 });
  double.join({ t: [0, 1] });
  await double.deliver(0, ['a', 'b']);
  const closing = consumer.close();
  await gate.release('a');
  await closing;
  await run;
  const all = 'pause [{"topic":"t","partitions":[0]},{"topic":"t","partitions":[1]}]';
  t.equal(double.calls[1], all, 'nothing more is fetched meanwhile');
  t.same(gate.seen, ['a']);
  t.same(offsets(double, 0), ['1']);
  t.ok(double.isDisconnected);
});

t.test('close ends the transactions of handlers that do not finish', async t => {
  const { double, gate, consumer, rows } = await start(t, { closeTimeoutMs: 10 });
  double.join({ t: [0] });
  await double.deliver(0, ['a']);
  await consumer.close();
  t.same([...rows], []);
  t.same(offsets(double, 0), []);
  t.equal(gate.seen.length, 1);
});

t.test('poison is moved once Kafka has acknowledged it, and believed in nothing less', async t => {
  const kafka = new KafkaDouble();
  const { inbox } = memoryInbox();
  const answers = [
    [],
    [{ topicName: 'd', partition: 0, errorCode: 0 }],
    [{ topicName: 'd', partition: 0, errorCode: 0, baseOffset: '-1' }],
    [{ topicName: 'd', partition: 0, errorCode: 3, baseOffset: '1' }],
    [{ topicName: 'e', partition: 0, errorCode: 0, baseOffset: '1' }],
  ];
  for (const answer of answers) kafka.answers.push(() => answer);
  kafka.answers.push(() => {
    throw new Error('UNKNOWN_TOPIC_OR_PARTITION');
  });
  const consumer = createConsumer({
    ...{ kafka: kafka.client, groupId: 'g', topics: ['t'], inbox, commitIntervalMs: 1, deadLetter: { topic: 'd' } },
    retry: { attempts: 3, initialMs: 1, maxMs: 1 },
  });
  t.teardown(() => consumer.close());
  let tries = 0;
  void consumer.run(() => {
    tries += 1;
    throw new Error('no such account');
  });
  await until('it runs', () => kafka.consumers.length === 1 && kafka.last.isRunning);
  kafka.last.join({ t: [0] });
  await kafka.last.deliver(0, ['a']);
  await until('it is committed', () => offsets(kafka.last, 0).includes('1'));
  t.equal(tries, 3, 'the handler is not tried again for the dead-letter topic’s sake');
  t.equal(kafka.producers, answers.length + 2, 'a new producer after each failure');
  t.equal(kafka.sent.length, 1);
  t.match(kafka.sent[0]!.messages[0]!.headers, {
    ce_id: 'a',
    escrow_dlt_attempts: '3',
    escrow_dlt_cause: /no such account/,
  });
  t.equal(consumer.health().counts.deadLettered, 1);
});
