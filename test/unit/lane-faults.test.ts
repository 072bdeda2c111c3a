/** What becomes of messages that Kafka refuses, or does not answer for. */
import t from 'tap';
import type { Forwarder } from '../../broker/forward/forwarder.ts';
import { openForwarding } from '../support/forwarding.ts';
import { door, failure, PublisherDouble } from '../support/publisher-double.ts';
import { openStore } from '../support/store.ts';
import { until } from '../support/until.ts';

t.setTimeout(100_000);

const TEN_MINUTES = 600_000;
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `m${from + i}`);
const inLane =
  (partition: number, topic = 'transfers') =>
  (payload: string) => {
    return { topic, partition, payload: Buffer.from(payload) };
  };

/** The failure is known to the forwarder, not only to the double: from here on time counts against it. */
const isTroubled = (forwarder: Forwarder): boolean => forwarder.status().topics.some(({ trouble }) => trouble !== null);

t.test('one record at fault in a batch is found, parked at once and alone; the others arrive in order', async t => {
  for (const culprits of [['m0'], ['m7'], ['m3', 'm4']]) {
    const { publisher, commit, count, messages } = await openForwarding(t);
    publisher.behave = ({ values }) => {
      if (culprits.some(culprit => values.includes(culprit))) throw failure('record');
    };
    const id = await commit(...numbered(8).map(inLane(0)));
    await until('all are done', () => count('forwarded') + count('parked') === 8);
    t.same(
      publisher.written('transfers', 0),
      numbered(8).filter(name => !culprits.includes(name)),
    );
    const parked = (await messages(id)).filter(({ state }) => state === 'parked');
    t.same(
      parked.map(({ index }) => `m${index}`),
      culprits,
    );
    t.match(parked[0], { attempts: 1, lastError: 'It failed by fault of: record.' });
    const alone = publisher.sends.filter(({ values }) => values.length === 1 && culprits.includes(values[0]!));
    t.equal(alone.length, culprits.length, 'each is refused alone once');
  }
});

t.test('where only the size of the batch is at fault, all arrive, and later batches are smaller', async t => {
  const { publisher, commit, count } = await openForwarding(t);
  publisher.behave = ({ values }) => {
    if (values.length > 3) throw failure('record');
  };
  await commit(...numbered(100).map(inLane(0)));
  await until('all are marked', () => count('forwarded') === 100);
  t.same(publisher.written('transfers', 0), numbered(100));
  const failed = publisher.sends.filter(({ values }) => values.length > 3).length;
  t.ok(failed < 15, `${failed} of ${publisher.sends.length} sends were refused`);
});

t.test('a message is parked durably before the next one goes', async t => {
  const { publisher, commit, count, disk } = await openForwarding(t);
  const held = door();
  publisher.behave = async ({ values }) => {
    if (!values.includes('m0')) return;
    await held.wait;
    throw failure('record');
  };
  await commit(inLane(0)('m0'));
  await until('it is in flight', () => publisher.sends.length === 1);
  await commit(inLane(0)('m1'));
  disk.full = true;
  held.open();
  await until('the disk has refused it twice', () => disk.refused >= 2);
  t.equal(publisher.written('transfers', 0).length, 0, 'nothing passes it');
  disk.full = false;
  await until('the other has arrived', () => count('forwarded') === 1);
  t.equal(count('parked'), 1);
});

t.test('after an unknown outcome the same is sent again, in order, one message first', async t => {
  const { publisher, commit, count } = await openForwarding(t);
  let failures = 3;
  publisher.behave = () => {
    if (failures-- > 0) throw failure('unknown');
  };
  await commit(...numbered(20).map(inLane(0)));
  await until('all are marked', () => count('forwarded') === 20);
  t.same(publisher.written('transfers', 0), numbered(20));
  t.same(
    publisher.sends.map(({ values }) => values.length),
    [20, 1, 1, 1, 19],
  );
});

t.test('an unknown outcome is never a reason to park', async t => {
  const { publisher, commit, count, skip } = await openForwarding(t);
  let answers = false;
  publisher.behave = () => {
    if (!answers) throw failure('unknown');
  };
  await commit(inLane(0)('m0'));
  for (let tries = 1; tries < 6; tries++) {
    await until('it is tried', () => publisher.sends.length >= tries);
    skip(TEN_MINUTES / 2);
  }
  await until('it is tried again', () => publisher.sends.length >= 6 || count('parked') > 0);
  t.equal(count('parked'), 0);
  answers = true;
  await until('it arrives', () => count('forwarded') === 1);
});

t.test("a topic's fault makes its messages wait, in order, and nobody else's", async t => {
  const { publisher, commit, count } = await openForwarding(t, { known: { transfers: 3, audit: 3 } });
  publisher.topics.set('transfers', { missing: true });
  await commit(...numbered(5).map(inLane(0)), ...numbered(5, 5).map(inLane(1)));
  await commit(...numbered(5).map(inLane(0, 'audit')));
  await until('the other topic is served', () => count('forwarded') === 5);
  await until('a second try has failed', () => publisher.sends.filter(({ topic }) => topic === 'transfers').length > 2);
  t.equal(count('ready'), 10);
  t.equal(count('parked'), 0);
  publisher.topics.delete('transfers');
  await until('all are marked', () => count('forwarded') === 15);
  t.same(publisher.written('transfers', 0), numbered(5));
  t.same(publisher.written('transfers', 1), numbered(5, 5));
});

t.test('once it has lasted long enough what waits is parked, and goes on being parked while it lasts', async t => {
  const parked: string[] = [];
  const hooks = { onParked: (topic: string, messages: number) => void parked.push(`${topic} ${messages}`) };
  const { publisher, commit, count, skip, messages, submit, forwarder } = await openForwarding(t, {
    settings: { hooks },
  });
  publisher.topics.set('transfers', { missing: true });
  const id = await commit(...numbered(30).map(inLane(0)));
  await until('it has failed', () => isTroubled(forwarder));
  // In short steps: the failure itself is noted a little after the send, and longer silences would be forgotten.
  for (const sends of [2, 3, 4]) {
    skip(TEN_MINUTES / 4);
    await until('it has failed again', () => publisher.sends.length >= sends);
  }
  t.equal(count('parked'), 0, 'not yet');
  skip(TEN_MINUTES / 4);
  await until('all are parked', () => count('parked') === 30);
  t.same(parked, ['transfers 30']);
  t.match((await messages(id))[29], { state: 'parked', attempts: 1, lastError: 'It failed by fault of: topic.' });
  await commit(inLane(1)('later'));
  await until('a later one is parked at its first failure', () => count('parked') === 31);
  publisher.topics.delete('transfers');
  await commit(inLane(0)('new'));
  skip(20_000);
  await until('the topic is back', () => publisher.written('transfers', 0).includes('new'));
  await submit({ type: 'retry', messageId: `${id}.3`, reason: 'the topic is back' });
  await until('the retried one arrives', () => count('forwarded') === 2);
  t.same(publisher.written('transfers', 0), ['new', 'm3'], 'behind what was forwarded meanwhile');
});

t.test('a success, or an outcome that nobody knows, begins the waiting anew', async t => {
  for (const interruption of ['success', 'unknown']) {
    const { publisher, commit, count, skip, forwarder } = await openForwarding(t);
    publisher.topics.set('transfers', { missing: true });
    await commit(inLane(0)('m0'), inLane(0)('m1'));
    await until('it has failed', () => isTroubled(forwarder));
    let tries = 0;
    publisher.behave = () => {
      if (tries++ > 0) publisher.topics.set('transfers', { missing: true });
      else if (interruption === 'unknown') throw failure('unknown');
      else publisher.topics.delete('transfers');
    };
    skip(TEN_MINUTES - 1_000);
    await until('it is interrupted', () => tries > 0);
    await until('it goes on', () => tries > 1 && forwarder.status().topics[0]?.trouble?.fault === 'topic');
    skip(TEN_MINUTES - 60_000);
    const before = tries;
    await until('it has failed again', () => tries > before);
    skip(20_000);
    await until('it goes on waiting', () => tries > before + 1 || count('parked') > 0);
    t.equal(count('parked'), 0, interruption);
  }
});

t.test('a partition that does not exist is the fault of its lane only', async t => {
  const { publisher, commit, count, skip, forwarder } = await openForwarding(t);
  await commit(inLane(7)('ghost'), ...numbered(5).map(inLane(0)));
  await until('the others are served', () => count('forwarded') === 5);
  const tries = () => publisher.sends.filter(({ partition }) => partition === 7).length;
  await until('it has failed', () => isTroubled(forwarder));
  for (const times of [2, 3, 4]) {
    skip(TEN_MINUTES / 4);
    await until('it has failed again', () => tries() >= times);
  }
  t.equal(count('parked'), 0);
  await commit(inLane(0)('m5'));
  skip(TEN_MINUTES / 4);
  await until('it is parked', () => count('parked') === 1);
  await until('the others go on', () => count('forwarded') === 6);
});

t.test('a parked message blocks nobody, and a retried one is sent behind what the lane has already read', async t => {
  const { publisher, commit, count, submit } = await openForwarding(t);
  let refused = true;
  publisher.behave = ({ values }) => {
    if (refused && values.includes('m1')) throw failure('record');
  };
  const id = await commit(...numbered(3).map(inLane(0)));
  await until('it is parked', () => count('parked') === 1 && count('forwarded') === 2);
  refused = false;
  const held = door();
  publisher.behave = () => held.wait;
  await commit(inLane(0)('m3'));
  await until('the next is in flight', () => publisher.sends.at(-1)!.values.includes('m3'));
  await submit({ type: 'retry', messageId: `${id}.1`, reason: 'mended' });
  await commit(inLane(0)('m4'));
  held.open();
  await until('all are marked', () => count('forwarded') === 5);
  t.same(publisher.written('transfers', 0), ['m0', 'm2', 'm3', 'm1', 'm4']);
});

t.test('sends that fail are counted by fault', async t => {
  const faults: string[] = [];
  const forwarded: [string, number, boolean][] = [];
  const hooks = {
    onSendFailed: (topic: string, fault: string) => void faults.push(`${topic} ${fault}`),
    onForwarded: (topic: string, messages: number, ageMs: number) => void forwarded.push([topic, messages, ageMs >= 0]),
  };
  const { publisher, commit, count } = await openForwarding(t, { settings: { hooks } });
  const next = ['unknown', 'topic', 'partition'] as const;
  publisher.behave = () => {
    const fault = next[faults.length];
    if (fault) throw failure(fault);
  };
  await commit(inLane(0)('m0'));
  await until('it arrives', () => count('forwarded') === 1);
  t.same(faults, ['transfers unknown', 'transfers topic', 'transfers partition']);
  t.same(forwarded, [['transfers', 1, true]]);
});

t.test('what waited when the broker ended is sent by the next one, in order', async t => {
  const store = openStore(t);
  const publisher = new PublisherDouble();
  publisher.topics.set('transfers', 'silent');
  const first = await openForwarding(t, { store, publisher });
  for (const name of numbered(10)) await first.commit(inLane(0)(name));
  await until('it was tried', () => publisher.sends.length > 0);
  await first.stop();
  publisher.topics.delete('transfers');
  const second = await openForwarding(t, { store, publisher });
  await until('all are marked', () => second.count('forwarded') === 10);
  t.same(publisher.written('transfers', 0), numbered(10));
});
