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
  t.same(await double.deliver(0, ['a', 'b']), [], 'fetching goes on, and the position stays');
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
  await until('it is resumed', () => double.calls.length === 3);
  t.same(
    double.calls.slice(1),
    ['seek t/0 2', 'resume [{"topic":"t","partitions":[0]}]'],
    'from behind what is handled',
  );
  await until('it is committed', () => offsets(double, 0).includes('2'));
});

t.test('a batch for a partition that is busy, stale or not ours is left alone', async t => {
  const { double, gate } = await start(t);
  double.join({ t: [0] });
  await double.deliver(0, ['a']);
  t.same(await double.deliver(0, ['b'], { from: 1 }), []);
  t.same(await double.deliver(3, ['c']), []);
  await gate.release('a');
  await until('it is resumed', () => double.calls.length === 3);
  t.same(await double.deliver(0, ['d'], { from: 9, isStale: true }), []);
  t.same(gate.seen, ['a']);
});

t.test('a partition that was taken away: what is in hand ends, nothing else is begun or committed', async t => {
  const { double, gate, rows } = await start(t);
  double.join({ t: [0, 1] });
  await double.deliver(0, ['a', 'b']);
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
  t.notOk(double.calls.some(call => call.startsWith('seek t/0')));
  t.ok(double.calls.includes('resume [{"topic":"t","partitions":[0]}]'), 'or it would stay paused for ever');
});

t.test('under a new member id nothing of before counts', async t => {
  const { double, gate } = await start(t);
  double.join({ t: [0] });
  await double.deliver(0, ['a', 'b']);
  double.join({ t: [0] }, 'member-2');
  await gate.release('a');
  await until('it is resumed', () => double.calls.at(-1)!.startsWith('resume'));
  t.same(gate.seen, ['a']);
  t.same(offsets(double, 0), []);
  t.notOk(
    double.calls.some(call => call.startsWith('seek')),
    'from where Kafka has it',
  );
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
  double.commitErrors.push(...Array.from({ length: 3 }, () => new Error('REBALANCE_IN_PROGRESS')));
  await double.deliver(0, ['a']);
  await until('it has failed', () => double.commitErrors.length < 3);
  double.join({ t: [1] });
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
