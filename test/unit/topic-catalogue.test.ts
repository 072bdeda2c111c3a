import t, { type Test } from 'tap';
import { TopicCatalogue } from '../../broker/forward/topic-catalogue.ts';
import { door, PublisherDouble } from '../support/publisher-double.ts';
import { openCoordinator, openStore } from '../support/store.ts';
import { until } from '../support/until.ts';

t.setTimeout(60_000);

const open = async (t: Test) => {
  const publisher = new PublisherDouble();
  const coordinator = await openCoordinator(openStore(t));
  const time = { now: 1_000 };
  const fatal: Error[] = [];
  const catalogue = new TopicCatalogue({
    publisher,
    coordinator,
    clock: { monotonic: () => time.now },
    onFatal: error => void fatal.push(error),
  });
  t.teardown(async () => {
    catalogue.stop();
    await coordinator.drain();
  });
  const ask = async (topic: string) => (await catalogue.inspect([topic])).get(topic)!;
  return { publisher, coordinator, catalogue, time, fatal, ask };
};

t.test('an answer younger than a second is used as it is, an older one is asked for again', async t => {
  const { publisher, time, ask } = await open(t);
  publisher.topics.set('none', { missing: true });
  publisher.topics.set('secret', { refused: 'no permission' });
  t.same(await ask('a'), { partitions: 3 });
  t.equal(await ask('none'), 'missing');
  t.equal(await ask('secret'), 'unknown');
  t.same(publisher.lookUps, ['a', 'none', 'secret']);
  time.now += 499;
  publisher.topics.delete('none');
  t.equal(await ask('none'), 'missing');
  t.equal(publisher.lookUps.length, 3);
  time.now += 501;
  t.same(await ask('none'), { partitions: 3 });
  t.equal(publisher.lookUps.length, 4);
});

t.test('an answer that grows old is renewed beside it, so that nobody waits', async t => {
  const { publisher, time, ask } = await open(t);
  await ask('a');
  time.now += 600;
  publisher.topics.set('a', { partitions: 6 });
  t.same(await ask('a'), { partitions: 3 });
  await until('it is asked again', () => publisher.lookUps.length === 2);
  await until('the new answer is there', async () => JSON.stringify(await ask('a')) === '{"partitions":6}');
});

t.test('questions about one topic share one look-up; several topics are asked at once', async t => {
  const { publisher, catalogue } = await open(t);
  const answers = await Promise.all(Array.from({ length: 50 }, () => catalogue.inspect(['a', 'b', 'a'])));
  t.same(publisher.lookUps, ['a', 'b']);
  for (const answer of answers) t.same([...answer.keys()], ['a', 'b']);
});

t.test('without an answer it is unknown after a second, and then at once, until Kafka answers', async t => {
  const { publisher, catalogue, time, ask } = await open(t);
  const held = door();
  const lookUp = publisher.lookUp.bind(publisher);
  publisher.lookUp = async topic => {
    await held.wait;
    return lookUp(topic);
  };
  t.equal(await ask('a'), 'unknown', 'waited for');
  let waited = 0;
  const slow = setInterval(() => waited++, 500);
  for (let i = 0; i < 20; i++) t.equal(await ask(`b${i}`), 'unknown');
  clearInterval(slow);
  t.ok(waited < 10, 'not waited for');
  held.open();
  catalogue.start();
  await until('it is asked in the background', async () => {
    time.now += 1_000;
    return (await ask('b0')) !== 'unknown';
  });
});

t.test('while Kafka is away the background asks one question at a time, not more than one a second', async t => {
  const { publisher, catalogue, time, ask } = await open(t);
  publisher.topics.set('a', 'silent');
  catalogue.start();
  t.equal(await ask('a'), 'unknown');
  const asked = publisher.lookUps.length;
  for (let i = 0; i < 100; i++) t.equal(await ask('a'), 'unknown');
  t.equal(publisher.lookUps.length, asked, 'callers ask nothing');
  time.now += 1_000;
  await until('the background does', () => publisher.lookUps.length === asked + 1);
});

t.test('a number that is new goes to the coordinator, once', async t => {
  const { publisher, coordinator, catalogue, time, ask } = await open(t);
  const commits: number[] = [];
  const submit = coordinator.submit.bind(coordinator);
  coordinator.submit = async commands => {
    commits.push(commands.length);
    return submit(commands);
  };
  t.same(await ask('a'), { partitions: 3 });
  t.equal(coordinator.topic('a')!.partitions, 3);
  time.now += 5_000;
  await ask('a');
  t.same(commits, [1]);
  catalogue.report.hold('a');
  publisher.topics.set('a', { partitions: 5 });
  await catalogue.refresh('a');
  t.equal(coordinator.topic('a')!.partitions, 3, 'a change is held');
  catalogue.report.release('a');
  await catalogue.refresh('a');
  t.equal(coordinator.topic('a')!.partitions, 5);
  catalogue.report.hold('b');
  await catalogue.refresh('b');
  t.equal(coordinator.topic('b')!.partitions, 3, 'a first number is not');
});

t.test('topics in use are refreshed in the background, and forgotten when they are not used', async t => {
  const { publisher, coordinator, catalogue, time, ask } = await open(t);
  await ask('a');
  catalogue.touch('b');
  catalogue.start();
  await until('a touched one is asked about', () => coordinator.topic('b') !== undefined);
  publisher.topics.set('a', { partitions: 4 });
  time.now += 5_000;
  await until('its new number is seen', () => coordinator.topic('a')!.partitions === 4);
  time.now += 301_000;
  const asked = publisher.lookUps.length;
  await until('only whether Kafka is there is asked', () => publisher.lookUps.length > asked);
  t.notOk(['a', 'b'].includes(publisher.lookUps.at(-1)!));
  time.now += 10_000;
  await until('it is asked again', () => publisher.lookUps.length > asked + 1);
  t.same(
    Array.from(coordinator.topics(), ({ name }) => name).toSorted(),
    ['a', 'b'],
    'what is asked about for that alone is no topic of anybody',
  );
});

t.test('one topic that gets no answer is not asked about without pause, and does not stop the others', async t => {
  const { publisher, catalogue, ask } = await open(t);
  const lookUp = publisher.lookUp.bind(publisher);
  publisher.lookUp = async topic => {
    const answer = lookUp(topic);
    if (topic === 'leaderless') throw new Error('LEADER_NOT_AVAILABLE');
    return answer;
  };
  t.equal(await ask('leaderless'), 'unknown');
  catalogue.start();
  t.same(await ask('a'), { partitions: 3 });
  t.ok(publisher.lookUps.length < 5);
});

t.test('more topics than it remembers, or asks about at one time, are asked about all the same', async t => {
  const { catalogue } = await open(t);
  for (let i = 0; i < 2_000; i++) catalogue.touch(`t${i}`);
  const names = Array.from({ length: 300 }, (_, i) => `more${i}`);
  const answers = [...(await catalogue.inspect(names)).values()];
  t.same(answers, Array(300).fill({ partitions: 3 }));
});
