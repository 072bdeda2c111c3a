import t from 'tap';
import type { Outcome } from '../../broker/coordinator/commands.ts';
import { StorageFullError, type Store } from '../../broker/store/store.ts';
import {
  halfMessage,
  openCoordinator,
  openStore,
  prepareCommand,
  producerGroup,
  resolveCommand,
} from '../support/store.ts';

const refusal = (outcome: Outcome | undefined): string | null =>
  outcome?.kind === 'refused' ? outcome.refused.code : null;

t.test('what waits at the same moment shares one commit', async t => {
  const commits: number[] = [];
  const coordinator = await openCoordinator(openStore(t), { onCommit: commands => commits.push(commands) });
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]);
  await Promise.all(Array.from({ length: 50 }, (_, i) => coordinator.submit([prepareCommand(`t${i}`, 'g')])));
  t.same(commits, [1, 50]);
  const lazy = [coordinator.submitLazily([resolveCommand('t0')]), coordinator.submitLazily([resolveCommand('t1')])];
  await coordinator.submit([resolveCommand('t2')]);
  t.same(commits, [1, 50, 1], 'who is in no hurry keeps nobody waiting');
  await Promise.all(lazy);
  t.same(commits, [1, 50, 1, 2], 'and shares a commit after a while');
  const many = Array.from({ length: 500 }, (_, i) => resolveCommand(`none${i}`));
  await Promise.all([coordinator.submitLazily(many), coordinator.submit([resolveCommand('t3')])]);
  t.same(commits, [1, 50, 1, 2, 501], 'many do not wait');
  const left = coordinator.submitLazily([resolveCommand('t4')]);
  await coordinator.drain();
  t.same(commits, [1, 50, 1, 2, 501, 1], 'nor does anybody at the end');
  await left;
});

t.test('commands take effect in the order given, also on the same id in one commit', async t => {
  const coordinator = await openCoordinator(openStore(t));
  const outcomes = await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    resolveCommand('t1'),
    prepareCommand('t1', 'g'),
    prepareCommand('t1', 'g'),
    prepareCommand('t1', 'g', [halfMessage({ payload: null })]),
    resolveCommand('t1'),
    resolveCommand('t1'),
    resolveCommand('t1', 'rollback'),
    prepareCommand('t1', 'g'),
  ]);
  t.equal(refusal(outcomes[1]), 'TRANSACTION_NOT_FOUND');
  t.match(outcomes[2], { kind: 'done', changed: true, transaction: { state: 'prepared' } });
  t.match(outcomes[3], { kind: 'done', changed: false, transaction: { state: 'prepared' } });
  t.equal(refusal(outcomes[4]), 'EXISTS_WITH_DIFFERENT_CONTENT');
  t.match(outcomes[5], { kind: 'done', changed: true, transaction: { state: 'committed' } });
  t.match(outcomes[6], { kind: 'done', changed: false, transaction: { state: 'committed' } });
  t.match(outcomes[7], { kind: 'refused', refused: { code: 'ALREADY_COMMITTED', state: 'committed' } });
  t.match(outcomes[8], { kind: 'done', changed: false, transaction: { state: 'committed', contradicted: true } });
});

t.test('an existing id is looked up before every refusal', async t => {
  const coordinator = await openCoordinator(openStore(t));
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    { type: 'put_group', group: producerGroup('h') },
  ]);
  await coordinator.submit([prepareCommand('t1', 'g')]);
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g', { topics: ['other'] }) }]);
  const circumstances = { refusal: { code: 'TOPIC_NOT_FOUND' as const, detail: 'no such topic' } };
  const [same, fresh, foreign, unknown] = await coordinator.submit([
    prepareCommand('t1', 'g', undefined, circumstances),
    prepareCommand('t2', 'g', undefined, circumstances),
    prepareCommand('t1', 'h'),
    prepareCommand('t3', 'nobody'),
  ]);
  t.match(same, { kind: 'done', changed: false });
  t.equal(refusal(fresh), 'TOPIC_NOT_ALLOWED');
  t.equal(refusal(foreign), 'ID_TAKEN');
  t.equal(refusal(unknown), 'PRODUCER_GROUP_NOT_FOUND');
});

t.test('partitions: as given, by key, or spread; fixed at commit', async t => {
  const store = openStore(t);
  const coordinator = await openCoordinator(store);
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    { type: 'topic_seen', topic: 'transfers', partitions: 3 },
    prepareCommand('t1', 'g', [
      halfMessage({ partition: 7 }),
      halfMessage(),
      halfMessage(),
      halfMessage({ key: null }),
    ]),
    resolveCommand('t1'),
  ]);
  const { messages } = (await store.transaction('t1'))!;
  t.equal(messages[0]!.partition, 7);
  t.equal(messages[1]!.partition, messages[2]!.partition);
  t.same(
    messages.map(m => m.commitOrder),
    [1, 2, 3, 4],
  );
});

t.test('a new number of partitions is fenced by a barrier, one change at a time', async t => {
  const store = openStore(t);
  const coordinator = await openCoordinator(store);
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    { type: 'topic_seen', topic: 'transfers', partitions: 1 },
    prepareCommand('t1', 'g', [halfMessage(), halfMessage()]),
    resolveCommand('t1'),
    { type: 'topic_seen', topic: 'transfers', partitions: 50 },
    { type: 'topic_seen', topic: 'transfers', partitions: 99 },
    prepareCommand('t2', 'g'),
    resolveCommand('t2'),
  ]);
  t.match(coordinator.topic('transfers'), { partitions: 50, barrier: 2 });
  t.not((await store.transaction('t2'))!.messages[0]!.partition, 0, 'the new number is used');
  await coordinator.submit([{ type: 'clear_barrier', topic: 'transfers' }]);
  t.match(coordinator.topic('transfers'), { partitions: 50, barrier: null });
});

t.test('a parked message leaves the order, a retried one comes last', async t => {
  const ready: string[] = [];
  const coordinator = await openCoordinator(openStore(t), {
    onReady: (topic, partition) => ready.push(`${topic}/${partition}`),
  });
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    { type: 'topic_seen', topic: 'transfers', partitions: 1 },
    prepareCommand('t1', 'g'),
    prepareCommand('t2', 'g'),
    resolveCommand('t1'),
    resolveCommand('t2'),
    { type: 'park', transactionId: 't1', index: 0, error: 'too large' },
  ]);
  t.same(ready, ['transfers/0'], 'one wake-up for what is ready in the end');
  const [early] = await coordinator.submit([{ type: 'retry', messageId: 't2.0', reason: 'again' }]);
  t.equal(refusal(early), 'NOT_PARKED');
  const [retried, twice, nothing] = await coordinator.submit([
    { type: 'retry', messageId: 't1.0', reason: 'again' },
    { type: 'discard', messageId: 't1.0', reason: 'never' },
    { type: 'discard', messageId: 't9.0', reason: 'never' },
  ]);
  t.match(retried, { kind: 'done', message: { state: 'ready', attempts: 1, commitOrder: 3, partition: 0 } });
  t.equal(refusal(twice), 'NOT_PARKED');
  t.equal(refusal(nothing), 'MESSAGE_NOT_FOUND');
  t.same(ready, ['transfers/0', 'transfers/0']);
});

t.test('a purge forgets what ended before, and nothing that another command of the commit is about', async t => {
  const store = openStore(t);
  let now = 1_000;
  const coordinator = await openCoordinator(store, { clock: { now: () => now, monotonic: () => 0 } });
  const ids = ['open', 'ended', 'young', 'again', 'contradicted'];
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    ...ids.map(id => prepareCommand(id, 'g')),
    ...['ended', 'again', 'contradicted'].map(id => resolveCommand(id, 'rollback')),
  ]);
  now = 2_000;
  await coordinator.submit([resolveCommand('young', 'rollback')]);
  const outcomes = await coordinator.submit([
    ...ids.map(id => ({ type: 'purge' as const, id, endedBefore: 2_000 })),
    prepareCommand('again', 'g'),
    resolveCommand('again'),
    resolveCommand('contradicted', 'commit'),
  ]);
  t.match(outcomes[5], { kind: 'done', changed: false, transaction: { state: 'rolled_back' } });
  t.equal(refusal(outcomes[6]), 'ALREADY_ROLLED_BACK');
  t.equal(await store.transaction('ended'), null);
  t.match(await store.transaction('open'), { state: 'prepared' });
  t.match(await store.transaction('young'), { state: 'rolled_back' });
  // Told to somebody in this commit, so they stay until the next round.
  t.match(await store.transaction('again'), { state: 'rolled_back', contradicted: true });
  t.match(await store.transaction('contradicted'), { state: 'rolled_back', contradicted: true });
  const counters = coordinator.counters();
  t.match(Object.fromEntries(counters), {
    'transactions.prepared': 1,
    'transactions.rolled_back': 3,
    'messages.held': 1,
    'messages.dropped': 3,
    accepted: 5,
    purged: 1,
    contradicted: 2,
  });
});

t.test('an operator’s reason is kept, also where nothing changes', async t => {
  const store = openStore(t);
  const coordinator = await openCoordinator(store);
  const act = (resolution: 'commit' | 'rollback', reason: string) => ({
    ...resolveCommand('t1', resolution),
    by: 'operator' as const,
    reason,
  });
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }, prepareCommand('t1', 'g')]);
  for (const command of [act('commit', 'asked the bank'), act('commit', 'again'), act('rollback', 'I want it gone')]) {
    await coordinator.submit([command]);
  }
  t.same(
    (await store.history('t1')).map(({ event, by, detail }) => [event, by, detail]),
    [
      ['committed', 'operator', 'asked the bank'],
      ['confirmed', 'operator', 'commit, as it was: again'],
      ['contradicted', 'operator', 'rollback came after committed: I want it gone'],
    ],
  );
});

t.test('a replaced secret goes on signing for 24 h', async t => {
  let now = 1_000_000;
  const coordinator = await openCoordinator(openStore(t), { clock: { now: () => now, monotonic: () => 0 } });
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g', { checkSecret: 'whsec_one' }) }]);
  t.match(coordinator.group('g'), { checkSecret: 'whsec_one', previousSecrets: [] });
  now += 5;
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g', { checkSecret: 'whsec_two' }) }]);
  t.match(coordinator.group('g'), {
    checkSecret: 'whsec_two',
    previousSecrets: [{ secret: 'whsec_one', until: now + 86_400_000 }],
  });
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g', { checkSecret: 'whsec_two', topics: [] }) },
  ]);
  const one = { secret: 'whsec_one', until: now + 86_400_000 };
  t.match(coordinator.group('g'), { previousSecrets: [one], topics: [] });
  now += 1_000;
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g', { checkSecret: 'whsec_three' }) }]);
  const two = { secret: 'whsec_two', until: now + 86_400_000 };
  t.same(coordinator.group('g')?.previousSecrets, [two, one], 'two changes in a day: all three sign');
  now = one.until;
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g', { checkSecret: 'whsec_three' }) }]);
  t.same(coordinator.group('g')?.previousSecrets, [two]);
});

t.test('a full disk refuses and changes nothing; what comes later is carried out', async t => {
  const store = openStore(t);
  let isFull = false;
  const bound = new Proxy(store, {
    get: (_, name) =>
      name === 'transact'
        ? async (...args: Parameters<Store['transact']>) => {
            if (isFull) throw new StorageFullError('full');
            return store.transact(...args);
          }
        : Reflect.get(store, name).bind(store),
  });
  const coordinator = await openCoordinator(bound);
  await coordinator.submit([{ type: 'put_group', group: producerGroup('g') }, prepareCommand('t1', 'g')]);
  isFull = true;
  await t.rejects(coordinator.submit([resolveCommand('t1')]), StorageFullError);
  isFull = false;
  t.match(await store.transaction('t1'), { state: 'prepared' });
  t.match(await coordinator.submit([resolveCommand('t1')]), [{ kind: 'done', changed: true }]);
});

t.test('a failed store stops the acknowledging for good', async t => {
  const store = openStore(t);
  const fatal: Error[] = [];
  const broken = new Proxy(store, {
    get: (_, name) =>
      name === 'transact'
        ? async () => {
            throw new Error('disk I/O error');
          }
        : Reflect.get(store, name).bind(store),
  });
  const coordinator = await openCoordinator(broken, { onFatal: error => fatal.push(error) });
  await t.rejects(coordinator.submit([{ type: 'put_group', group: producerGroup('g') }]), /disk I\/O/);
  await t.rejects(coordinator.submit([prepareCommand('t1', 'g')]), /disk I\/O/);
  t.equal(fatal.length, 1);
});
