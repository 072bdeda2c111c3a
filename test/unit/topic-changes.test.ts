/** Messages whose partition is not known yet, and topics that get more partitions. */
import t from 'tap';
import { partitionFor } from '../../broker/transaction/partition.ts';
import { openForwarding } from '../support/forwarding.ts';
import { door, failure, PublisherDouble } from '../support/publisher-double.ts';
import { openStore } from '../support/store.ts';
import { until } from '../support/until.ts';

t.setTimeout(100_000);

const TEN_MINUTES = 600_000;
const keyed = (key: string, value: string, more = {}) => {
  return { key: Buffer.from(key), payload: Buffer.from(value), ...more };
};
const partitionOf = (key: string, partitions: number) => partitionFor(Buffer.from(key), partitions, 0);

t.test('messages of an unknown topic wait for its number, then go in commit order, before all others', async t => {
  const { publisher, commit, count, catalogue } = await openForwarding(t, { known: {} });
  publisher.topics.set('transfers', 'silent');
  const partition = partitionOf('a', 3);
  for (let i = 0; i < 700; i++) await commit(keyed('a', `a${i}`));
  await commit(keyed('a', 'explicit', { partition }));
  await commit(keyed('a', 'a700'));
  await until('Kafka was asked in vain', () => publisher.lookUps.length > 1);
  t.equal(publisher.sends.length, 0, 'nothing is sent to a partition that might need others before it');
  publisher.topics.delete('transfers');
  await until('all are marked', () => count('forwarded') === 702);
  const expected = [...Array.from({ length: 700 }, (_, i) => `a${i}`), 'explicit', 'a700'];
  t.same(publisher.written('transfers', partition), expected);
  t.same([...(await catalogue.inspect(['transfers'])).values()], [{ partitions: 3 }]);
});

t.test('one that comes in while a lane of its topic is busy is not overtaken', async t => {
  const { publisher, commit, count } = await openForwarding(t, { known: {} });
  const held = door();
  publisher.behave = () => held.wait;
  const partition = partitionOf('a', 3);
  await commit(keyed('b', 'first', { partition }));
  await until('it is in flight', () => publisher.sends.length === 1);
  await commit(keyed('a', 'unassigned'));
  await commit(keyed('a', 'last', { partition }));
  held.open();
  await until('all are marked', () => count('forwarded') === 3);
  t.same(publisher.written('transfers', partition), ['first', 'unassigned', 'last']);
});

t.test('nor by one that a slow store reads only later', async t => {
  const store = openStore(t);
  const slow = door();
  let reads = 0;
  const slowStore = {
    lanes: () => store.lanes(),
    readyMessages: async (...asked: Parameters<typeof store.readyMessages>) => {
      if (asked[0].partition !== null && reads++ === 0) await slow.wait;
      return store.readyMessages(...asked);
    },
  };
  const { publisher, commit, count } = await openForwarding(t, { store, known: {}, settings: { store: slowStore } });
  const partition = partitionOf('a', 3);
  await commit(keyed('a', 'first', { partition }));
  await until('the lane reads', () => reads === 1);
  publisher.topics.set('transfers', 'silent');
  await commit(keyed('a', 'unassigned'));
  await commit(keyed('a', 'last', { partition }));
  slow.open();
  publisher.topics.delete('transfers');
  await until('all are marked', () => count('forwarded') === 3);
  t.same(publisher.written('transfers', partition), ['first', 'unassigned', 'last']);
});

t.test('if there is no such topic they are parked, once that has lasted long enough', async t => {
  const { publisher, commit, count, skip, messages, forwarder } = await openForwarding(t, { known: {} });
  publisher.topics.set('transfers', { missing: true });
  const id = await commit(keyed('a', 'm0'), keyed('b', 'm1'));
  await until('it is known', () => forwarder.status().topics[0]?.trouble?.fault === 'topic');
  t.match(forwarder.status().topics[0], { unassigned: true, waitingLanes: 0 });
  t.equal(count('parked'), 0);
  // In short steps: the failure itself is noted a little after the question, and longer silences would be forgotten.
  for (const _ of [1, 2, 3, 4]) {
    const asked = publisher.lookUps.length;
    skip(TEN_MINUTES / 4);
    await until('Kafka is asked again', () => publisher.lookUps.length > asked);
  }
  await until('they are parked', () => count('parked') === 2);
  t.match((await messages(id))[0], { partition: null, lastError: 'There is no topic transfers in Kafka.' });
  t.equal(publisher.sends.length, 0);
});

t.test('while Kafka is silent they wait for ever', async t => {
  const { publisher, commit, count, skip } = await openForwarding(t, { known: {} });
  publisher.topics.set('transfers', 'silent');
  await commit(keyed('a', 'm0'));
  for (let i = 0; i < 5; i++) {
    const asked = publisher.lookUps.length;
    skip(TEN_MINUTES / 2);
    await until('Kafka is asked again', () => publisher.lookUps.length > asked);
  }
  t.equal(count('ready'), 1);
});

t.test('a message that was parked without a partition gets one when it is tried again', async t => {
  const settings = { parkAfterMs: 0 };
  const { publisher, commit, count, skip, submit } = await openForwarding(t, { known: {}, settings });
  publisher.topics.set('transfers', { missing: true });
  const id = await commit(keyed('a', 'm0'));
  await until('it is parked', () => count('parked') === 1);
  publisher.topics.delete('transfers');
  await submit({ type: 'retry', messageId: `${id}.0`, reason: 'the topic is made' });
  skip(20_000);
  await until('it arrives', () => count('forwarded') === 1);
  t.same(publisher.written('transfers', partitionOf('a', 3)), ['m0']);
});

t.test('added partitions are used only when all earlier messages are in Kafka, so a key keeps its order', async t => {
  const { publisher, commit, count, coordinator, catalogue } = await openForwarding(t);
  // A key that moves when the topic grows.
  const key = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].find(name => partitionOf(name, 3) !== partitionOf(name, 6))!;
  const [before, after] = [partitionOf(key, 3), partitionOf(key, 6)];
  let stuck = true;
  publisher.behave = ({ partition }) => {
    if (stuck && partition === before) throw failure('unknown');
  };
  await commit(keyed(key, 'old'), keyed(key, 'old too'));
  await until('the old lane is stuck', () => publisher.sends.length > 0);
  publisher.topics.set('transfers', { partitions: 6 });
  await catalogue.refresh('transfers');
  t.match(coordinator.topic('transfers'), { partitions: 6, barrier: Number });
  await commit(keyed(key, 'new'), keyed('other', 'bystander', { partition: (after + 1) % 3 }));
  const tries = publisher.sends.length;
  await until('the old lane was tried again', () => publisher.sends.length > tries + 1);
  t.same(publisher.writtenTo('transfers'), [], 'nobody passes the barrier');
  stuck = false;
  await until('all are marked', () => count('forwarded') === 4);
  t.same(publisher.written('transfers', before).slice(0, 2), ['old', 'old too']);
  t.same(publisher.written('transfers', after), ['new']);
  const order = publisher.sends.flatMap(({ values }) => values);
  t.ok(order.lastIndexOf('old too') < order.indexOf('new'), 'sent after');
  t.equal(coordinator.topic('transfers')!.barrier, null);
});

t.test('parked messages do not hold the barrier, and an idle topic has none for long', async t => {
  const { publisher, commit, count, coordinator, catalogue } = await openForwarding(t);
  publisher.behave = ({ values }) => {
    if (values.includes('bad')) throw failure('record');
  };
  await commit(keyed('a', 'bad', { partition: 0 }));
  await until('it is parked', () => count('parked') === 1);
  publisher.topics.set('transfers', { partitions: 4 });
  await catalogue.refresh('transfers');
  await commit(keyed('a', 'good', { partition: 3 }));
  await until('it arrives', () => count('forwarded') === 1);
  t.equal(coordinator.topic('transfers')!.barrier, null);
});

t.test('the barrier survives a restart, also a second one in the middle of it', async t => {
  const store = openStore(t);
  const publisher = new PublisherDouble();
  const held = door();
  publisher.behave = ({ values }) => {
    if (values.includes('old')) return held.wait;
  };
  const first = await openForwarding(t, { store, publisher });
  await first.commit(keyed('a', 'old', { partition: 0 }));
  publisher.topics.set('transfers', { partitions: 6 });
  await first.catalogue.refresh('transfers');
  await first.commit(keyed('a', 'new', { partition: 5 }));
  await first.stop(0);
  const second = await openForwarding(t, { store, publisher, known: {} });
  await until('the old one is in flight again', () => publisher.sends.length >= 2);
  t.same(publisher.written('transfers', 5), []);
  held.open();
  await until('both are marked', () => second.count('forwarded') === 2);
  t.equal(second.coordinator.topic('transfers')!.barrier, null);
  t.same(publisher.written('transfers', 5), ['new']);
});

t.test('a new number is not taken over while messages have to be placed by the old one', async t => {
  const { publisher, commit, count, catalogue, coordinator, disk } = await openForwarding(t, { known: {} });
  publisher.topics.set('transfers', 'silent');
  await commit(keyed('a', 'm0'));
  await until('Kafka was asked', () => publisher.lookUps.length > 0);
  publisher.topics.delete('transfers');
  await catalogue.refresh('transfers');
  t.equal(coordinator.topic('transfers')!.partitions, 3);
  disk.full = true;
  await until('there is no room to place it', () => disk.refused > 0);
  disk.full = false;
  publisher.topics.set('transfers', { partitions: 6 });
  await catalogue.refresh('transfers');
  t.equal(coordinator.topic('transfers')!.partitions, 3, 'held');
  await until('it arrives', () => count('forwarded') === 1);
  t.same(publisher.written('transfers', partitionOf('a', 3)), ['m0']);
  await catalogue.refresh('transfers');
  t.equal(coordinator.topic('transfers')!.partitions, 6, 'taken over');
});
