import t from 'tap';
import type { Outcome } from '../../broker/coordinator/commands.ts';
import { recordBytes } from '../../broker/forward/cloud-event.ts';
import { ForwardMarks } from '../../broker/forward/forward-marks.ts';
import { BATCH_BYTES } from '../../broker/forward/lane.ts';
import { type ReadyMessage, StorageFullError } from '../../broker/store/store.ts';
import { GROUP, openForwarding } from '../support/forwarding.ts';
import { door, PublisherDouble } from '../support/publisher-double.ts';
import { halfMessage, openStore, prepareCommand, resolveCommand } from '../support/store.ts';
import { until } from '../support/until.ts';

/** Lets everything run that can run now. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
};

t.test('messages go in commit order, one send at a time per lane, and are marked with their offset', async t => {
  const { publisher, commit, count, messages, fatal } = await openForwarding(t);
  const ids: string[] = [];
  for (let i = 0; i < 60; i++) ids.push(await commit({ payload: Buffer.from(`m${i}`), key: Buffer.from(`k${i % 7}`) }));
  await until('all are marked', () => count('forwarded') === 60);
  const placed = await Promise.all(ids.map(async id => (await messages(id))[0]!));
  for (const partition of [0, 1, 2]) {
    const expected = placed
      .map((message, i) => ({ ...message, value: `m${i}` }))
      .filter(m => m.partition === partition);
    t.same(
      publisher.written('transfers', partition),
      expected.map(({ value }) => value),
    );
    t.same(
      expected.map(({ offset }) => offset),
      expected.map((_, i) => i),
    );
    t.ok(expected.length > 0, 'every lane was used');
  }
  t.equal(publisher.mostInFlight, 1);
  t.same(fatal, []);
});

t.test('a record is a CloudEvent: key and payload as given, the rest in headers', async t => {
  const { publisher, coordinator, submit } = await openForwarding(t);
  const message = halfMessage({
    payload: Buffer.from('ff00', 'hex'),
    key: Buffer.alloc(0),
    headers: [['tenant', Buffer.from('de')]],
    partition: 1,
  });
  const traced = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=b' };
  await submit(prepareCommand('t1', 'bank-a', [message, { ...message, payload: null, key: null }], traced));
  await submit(resolveCommand('t1'));
  await until('both are marked', () => coordinator.counters().get('messages.forwarded') === 2);
  const [first, second] = publisher.log.get('transfers/1')!;
  const { resolvedAt } = (await coordinator.submit([resolveCommand('t1')])).map(outcome =>
    outcome.kind === 'done' ? outcome.transaction! : t.fail('refused'),
  )[0] as { resolvedAt: number };
  t.same(first!.key, Buffer.alloc(0));
  t.same(first!.value, Buffer.from('ff00', 'hex'));
  t.strictSame(Object.fromEntries(first!.headers.map(([name, value]) => [name, value.toString()])), {
    tenant: 'de',
    ce_specversion: '1.0',
    ce_id: 't1.0',
    ce_source: '/test/producer-groups/bank-a',
    ce_type: 'transfer.made',
    ce_time: new Date(resolvedAt).toISOString(),
    'content-type': 'application/json',
    traceparent: traced.traceparent,
    tracestate: 'a=b',
  });
  t.equal(second!.value, null, 'a tombstone');
  t.equal(second!.key, null);
});

t.test('what comes in while a send is in flight shares the next one', async t => {
  const { publisher, commit, count } = await openForwarding(t);
  const first = door();
  publisher.behave = () => (publisher.sends.length === 1 ? first.wait : undefined);
  await commit({ payload: Buffer.from('m0'), partition: 0 });
  await until('the first send is in flight', () => publisher.sends.length === 1);
  for (let i = 1; i < 100; i++) await commit({ payload: Buffer.from(`m${i}`), partition: 0 });
  first.open();
  await until('all are marked', () => count('forwarded') === 100);
  t.same(
    publisher.sends.map(({ values }) => values.length),
    [1, 99],
  );
  t.equal(publisher.written('transfers', 0)[99], 'm99');
});

t.test('one clock for all lanes: an idle forwarder starts at once, the next tick starts all that wait', async t => {
  const { publisher, commit, shift, forwarder } = await openForwarding(t, { settings: { paceMs: 1_000_000 } });
  const held = door();
  publisher.behave = () => held.wait;
  await commit({ payload: Buffer.from('m0'), partition: 0 });
  await until('the first goes at once', () => publisher.sends.length === 1);
  await commit({ payload: Buffer.from('m1'), partition: 1 });
  await turns();
  t.equal(publisher.sends.length, 1, 'the pace is not over');
  shift.ms += 1_000_000;
  forwarder.onReady('transfers', 2);
  await commit({ payload: Buffer.from('m2'), partition: 2 });
  await until('both lanes have begun', () => publisher.sends.length >= 2);
  t.equal(publisher.sends[1]!.partition, 1);
  held.open();
});

t.test('a send holds up to 900 kB; a larger record goes alone', async t => {
  const { publisher, commit, count } = await openForwarding(t);
  const first = door();
  publisher.behave = () => (publisher.sends.length === 1 ? first.wait : undefined);
  const sizes = [1, 400_000, 400_000, 400_000, 1_000_000, 10];
  await commit({ payload: Buffer.alloc(1), partition: 0 });
  await until('the first send is in flight', () => publisher.sends.length === 1);
  for (const size of sizes.slice(1)) await commit({ payload: Buffer.alloc(size), partition: 0 });
  first.open();
  await until('all are marked', () => count('forwarded') === sizes.length);
  t.same(
    publisher.sends.map(({ records }) => records.map(({ value }) => value!.length)),
    [[1], [400_000, 400_000], [400_000], [1_000_000], [10]],
  );
});

t.test('the headers that are added count too: 200 small messages never make a batch that Kafka refuses', async t => {
  const { publisher, commit, count } = await openForwarding(t);
  const first = door();
  publisher.behave = () => (publisher.sends.length === 1 ? first.wait : undefined);
  await commit({ payload: Buffer.alloc(1), partition: 0 });
  await until('the first send is in flight', () => publisher.sends.length === 1);
  const messages = Array.from({ length: 100 }, () => ({ payload: Buffer.alloc(4_400), partition: 0 }));
  for (let i = 0; i < 6; i++) await commit(...messages);
  first.open();
  await until('all are marked', () => count('forwarded') === 601);
  for (const { records } of publisher.sends) {
    t.ok(records.reduce((sum, record) => sum + recordBytes(record), 0) <= BATCH_BYTES, `${records.length} records`);
  }
});

t.test('many lanes send at the same time', async t => {
  const { publisher, commit, count } = await openForwarding(t, { known: { wide: 200 } });
  const held = door();
  publisher.topics.set('wide', { partitions: 200 });
  publisher.behave = () => held.wait;
  const all = Array.from({ length: 200 }, (_, partition) => ({ topic: 'wide', partition, payload: Buffer.from('x') }));
  await commit(...all.slice(0, 100));
  await commit(...all.slice(100));
  await until('all are in flight', () => publisher.sends.length === 200);
  t.equal(publisher.mostInFlight, 1, 'one of each lane');
  held.open();
  await until('all are marked', () => count('forwarded') === 200);
});

t.test('a lost wake-up only delays: the store is asked for lanes again and again', async t => {
  const { commit, count, forwarder, skip } = await openForwarding(t);
  const onReady = forwarder.onReady.bind(forwarder);
  forwarder.onReady = (topic, partition) => {
    if (topic !== 'transfers') onReady(topic, partition);
  };
  await commit('m');
  await turns();
  t.equal(count('forwarded'), 0);
  skip(30_000);
  await until('it arrives', () => count('forwarded') === 1);
});

t.test('marks that the full disk refuses are kept; nothing is sent twice meanwhile', async t => {
  const { publisher, commit, count, disk, fatal } = await openForwarding(t);
  const held = door();
  publisher.behave = () => held.wait;
  for (let i = 0; i < 5; i++) await commit({ payload: Buffer.from(`m${i}`), partition: 0 });
  await until('a send is in flight', () => publisher.sends.length === 1);
  disk.full = true;
  held.open();
  await until('all are written', () => publisher.written('transfers', 0).length === 5);
  await until('the disk has refused the marks twice', () => disk.refused >= 2);
  t.equal(count('forwarded'), 0);
  disk.full = false;
  await until('all are marked', () => count('forwarded') === 5);
  t.same(publisher.written('transfers', 0), ['m0', 'm1', 'm2', 'm3', 'm4'], 'each once');
  t.same(fatal, []);
});

t.test('a mark for a message that the store does not know stops the process, unless it is a repeat', async t => {
  const fatal: Error[] = [];
  const answers: (() => Outcome[])[] = [];
  const submitLazily = async (): Promise<Outcome[]> => answers.shift()!();
  const marks = new ForwardMarks({
    coordinator: { submitLazily },
    onRoom: () => {},
    onFatal: error => fatal.push(error),
  });
  const message = { transactionId: 't1', index: 0 } as ReadyMessage;
  const unknown = (): Outcome[] => [{ kind: 'refused', refused: { code: 'MESSAGE_NOT_FOUND', detail: '' } }];
  const full = (): Outcome[] => {
    throw new StorageFullError();
  };
  answers.push(full, unknown);
  await new Promise<void>(onDurable => marks.add([message], 7, onDurable));
  t.same(fatal, [], 'some of a repeat may be marked already, and forgotten');
  answers.push(unknown);
  marks.add([message], 7, () => t.fail('it was not marked'));
  await until('it is fatal', () => fatal.length > 0);
  t.match(fatal[0]!.message, 't1.0');
});

t.test('a store that cannot be read stops the process', async t => {
  const readyMessages = () => Promise.reject(new Error('disk I/O error'));
  const store = { lanes: async () => [], readyMessages };
  const { commit, fatal } = await openForwarding(t, { settings: { store } });
  await commit('m');
  await until('it is fatal', () => fatal.length > 0);
  t.equal(fatal[0]!.message, 'disk I/O error');
});

t.test('a stop waits for what is in flight and for its marks, and starts nothing new', async t => {
  const { publisher, commit, count, stop } = await openForwarding(t);
  const held = door();
  publisher.behave = () => held.wait;
  await commit({ payload: Buffer.from('m0'), partition: 0 });
  await until('a send is in flight', () => publisher.sends.length === 1);
  const stopped = stop();
  await commit({ payload: Buffer.from('m1'), partition: 0 });
  await commit({ payload: Buffer.from('m2'), partition: 1 });
  held.open();
  await stopped;
  t.equal(count('forwarded'), 1);
  t.equal(count('ready'), 2);
  t.equal(publisher.sends.length, 1);
});

t.test('a stop does not wait for ever; what it left is sent by the next start, and nothing is lost', async t => {
  const store = openStore(t);
  const publisher = new PublisherDouble();
  const first = await openForwarding(t, { store, publisher });
  const held = door();
  publisher.behave = () => held.wait;
  await first.commit({ payload: Buffer.from('m0'), partition: 0 });
  await until('a send is in flight', () => publisher.sends.length === 1);
  await first.stop(20);
  publisher.behave = () => {};
  held.open();
  await turns();
  await first.coordinator.drain();
  t.equal(first.count('forwarded'), 0, 'its outcome is not believed any more');
  const second = await openForwarding(t, { store, publisher });
  await until('it is marked', () => second.count('forwarded') === 1);
  t.same(publisher.written('transfers', 0), ['m0', 'm0'], 'at least once');
  t.same([...first.fatal, ...second.fatal], []);
});

t.test('its state tells what waits and why', async t => {
  const { publisher, commit, forwarder, count } = await openForwarding(t);
  publisher.topics.set('transfers', { missing: true });
  await commit({ payload: Buffer.from('m0'), partition: 0 });
  await until('the send has failed', () => forwarder.status().topics[0]?.trouble != null);
  t.match(forwarder.status(), {
    kafka: { status: 'up' },
    topics: [{ topic: 'transfers', waitingLanes: 1, unassigned: false, trouble: { fault: 'topic', since: Number } }],
  });
  publisher.topics.delete('transfers');
  await until('it is marked', () => count('forwarded') === 1);
  await until('nothing is remembered', () => forwarder.status().topics.length === 0);
});

t.test('where there is not room for all, topics have their turn', async t => {
  const names = Array.from({ length: 84 }, (_, i) => `topic-${i}`);
  const known = Object.fromEntries(names.map(name => [name, 1]));
  const { publisher, submit, count } = await openForwarding(t, { known });
  const sending = Promise.withResolvers<void>();
  publisher.behave = () => sending.promise;
  // So large that each goes alone, and not all of them fit into the memory at once.
  const payload = Buffer.alloc(BATCH_BYTES);
  for (const topic of names) {
    const messages = Array.from({ length: 3 }, () => halfMessage({ topic, partition: 0, payload }));
    await submit(prepareCommand(topic, GROUP, messages), resolveCommand(topic));
  }
  await until('many are in flight', () => publisher.sends.length >= 50);
  t.ok(publisher.sends.length < names.length);
  sending.resolve();
  await until('all are marked', () => count('forwarded') === 3 * names.length);
  const order = publisher.sends.map(({ topic }) => topic);
  const lastFirst = Math.max(...names.map(name => order.indexOf(name)));
  const firstLast = Math.min(...names.map(name => order.lastIndexOf(name)));
  t.ok(
    lastFirst < firstLast,
    `the first send of a topic was number ${lastFirst}, the third one of another ${firstLast}`,
  );
});
