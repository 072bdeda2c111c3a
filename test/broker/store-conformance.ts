/** What every store must do; run against each of them. */
import type { Test } from 'tap';
import type { Command } from '../../broker/coordinator/commands.ts';
import type { Store } from '../../broker/store/store.ts';
import { halfMessage, openCoordinator, prepareCommand, resolveCommand } from '../support/store.ts';
import { operatorConformance } from './operator-conformance.ts';
import { type OpenStore, one, startStore } from './started-store.ts';

const ALL = Number.MAX_SAFE_INTEGER;

export const storeConformance = (t: Test, open: OpenStore): void => {
  const start = (t: Test) => startStore(t, open);
  operatorConformance(t, open);

  t.test('everything of a transaction comes back as it was stored, also after reopening', async t => {
    const { under, coordinator } = await start(t);
    const messages = [
      halfMessage({ key: null, payload: null }),
      halfMessage({ key: Buffer.alloc(0), payload: Buffer.alloc(0), partition: 2 }),
      halfMessage({
        key: Buffer.from([0, 255, 128]),
        payload: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        headers: [
          ['tenant', Buffer.from('de')],
          ['binär', Buffer.from([0, 1, 254, 255])],
          ['empty', Buffer.alloc(0)],
        ],
      }),
    ];
    const command = prepareCommand('t1', 'bank-a', messages, {
      traceparent: '00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01',
      afterMs: 1_234,
    });
    await coordinator.submit([command]);
    const before = await under.store.transaction('t1');
    const store = await under.reopen();
    const transaction = await store.transaction('t1');
    t.same(transaction, before);
    t.match(transaction, { id: 't1', group: 'bank-a', state: 'prepared', traceparent: command.traceparent });
    t.equal(transaction!.nextCheckAt, transaction!.preparedAt + 1_234);
    t.same(
      transaction!.messages.map(m => [m.key, m.partition, m.state, m.payloadBytes]),
      [
        [null, null, 'held', 0],
        [Buffer.alloc(0), 2, 'held', 0],
        [Buffer.from([0, 255, 128]), null, 'held', 256],
      ],
    );
    t.same(
      await store.contents('t1'),
      messages.map(({ payload, headers, contentType, type }) => ({ payload, headers, contentType, type })),
    );
    t.equal(await store.transaction('t2'), null);
    t.same(await store.contents('t2'), []);
    t.same((await store.groups()).find(g => g.name === 'bank-b')?.topics, ['audit.*']);
    t.same(await store.topics(), [{ name: 'transfers', partitions: 3, barrier: null }]);
  });

  t.test('keys, and which group sent to which topic, come back after reopening', async t => {
    const { under, coordinator } = await start(t);
    const key = { prefix: 'emq_0123456789ab', role: 'producer', group: 'bank-c', hash: Buffer.alloc(32, 7) } as const;
    const more = { createdBy: 'operator', reason: null, expiresAt: 1 };
    await one(coordinator, { type: 'create_key', key: { ...key, ...more }, isFromAnybody: false });
    const messages = [halfMessage(), halfMessage({ topic: 'audit.x' }), halfMessage()];
    for (const id of ['a', 'b']) await one(coordinator, prepareCommand(id, 'bank-a', messages));
    await one(coordinator, prepareCommand('c', 'bank-b', [halfMessage({ topic: 'audit.x' })]));
    await one(coordinator, { type: 'revoke_key', prefix: key.prefix, who: 'operator', reason: 'lost' });
    const store = await under.reopen();
    t.match(await store.keys(), [{ ...key, ...more, revokedBy: 'operator', revokedReason: 'lost' }]);
    t.type((await store.keys())[0]!.revokedAt, 'number');
    const pairs = (await store.groupTopics()).map(({ group, topic }) => `${group} ${topic}`);
    t.same(pairs.sort(), ['bank-a audit.x', 'bank-a transfers', 'bank-b audit.x']);
    const reopened = await openCoordinator(store);
    t.ok(reopened.hasSentTo('bank-b', 'audit.x'));
    t.notOk(reopened.hasSentTo('bank-b', 'transfers'));
    t.equal(reopened.key(key.prefix)?.group, 'bank-c');
    t.ok(reopened.group('bank-c'));
  });

  t.test('ready messages come in commit order, bounded by place, number and bytes', async t => {
    const { store, coordinator } = await start(t);
    const big = halfMessage({ partition: 1, payload: Buffer.alloc(1_000) });
    await coordinator.submit(['a', 'b', 'c', 'd'].map(id => prepareCommand(id, 'bank-a', [big, big])));
    await coordinator.submit(['c', 'a', 'd'].map(id => resolveCommand(id)));
    const lane = { topic: 'transfers', partition: 1 };
    const ids = async (...bounds: [number, number, number, number]): Promise<string[]> =>
      (await store.readyMessages(lane, ...bounds)).map(m => `${m.transactionId}.${m.index}`);
    t.same(await ids(0, ALL, 100, ALL), ['c.0', 'c.1', 'a.0', 'a.1', 'd.0', 'd.1']);
    t.same(await ids(2, ALL, 100, ALL), ['a.0', 'a.1', 'd.0', 'd.1']);
    t.same(await ids(2, 4, 100, ALL), ['a.0', 'a.1']);
    t.same(await ids(0, ALL, 3, ALL), ['c.0', 'c.1', 'a.0']);
    t.equal((await ids(0, ALL, 100, 2_500)).length, 2);
    t.same(await ids(0, ALL, 100, 10), ['c.0'], 'the first always goes');
    t.same(await store.lanes(), [lane]);
    await coordinator.submit(
      ['a', 'c', 'd'].flatMap(transactionId =>
        [0, 1].map(index => ({ type: 'forwarded' as const, transactionId, index, offset: 7 })),
      ),
    );
    t.same(await store.lanes(), []);
    t.match(await store.transaction('a'), { messages: [{ state: 'forwarded', offset: 7 }, { state: 'forwarded' }] });
  });

  t.test('messages of an unknown topic have no partition until it is assigned, in commit order', async t => {
    const { store, coordinator } = await start(t);
    const message = halfMessage({ topic: 'later', key: null });
    await coordinator.submit(['a', 'b'].map(id => prepareCommand(id, 'bank-a', [message])));
    await coordinator.submit(['b', 'a'].map(id => resolveCommand(id)));
    t.same(await store.lanes(), [{ topic: 'later', partition: null }]);
    await coordinator.submit([{ type: 'topic_seen', topic: 'later', partitions: 1 }]);
    const unassigned = await store.readyMessages({ topic: 'later', partition: null }, 0, ALL, 10, ALL);
    t.same(
      unassigned.map(m => m.transactionId),
      ['b', 'a'],
    );
    await coordinator.submit(unassigned.map(m => ({ type: 'assign', transactionId: m.transactionId, index: m.index })));
    t.same(await store.lanes(), [{ topic: 'later', partition: 0 }]);
  });

  t.test('due checks per group, the longest due first', async t => {
    const { store, coordinator } = await start(t);
    const at = (id: string, afterMs: number, group = 'bank-a'): Command =>
      prepareCommand(id, group, [halfMessage({ topic: 'audit.x' })], { afterMs });
    await coordinator.submit([at('late', 60_000), at('soon', 100), at('sooner', 50), at('other', 10, 'bank-b')]);
    const { preparedAt } = (await store.transaction('soon'))!;
    t.equal(await store.nextCheckAt('bank-a'), preparedAt + 50);
    t.equal(await store.nextCheckAt('nobody'), null);
    const due = await store.dueChecks('bank-a', preparedAt + 1_000, 10);
    t.same(
      due.map(check => check.transactionId),
      ['sooner', 'soon'],
    );
    t.same(
      (await store.dueChecks('bank-a', preparedAt + 1_000, 1)).map(check => check.transactionId),
      ['sooner'],
    );
    t.same(
      (await store.dueChecks('bank-b', preparedAt + 1_000, 9)).map(check => check.transactionId),
      ['other'],
    );
    await coordinator.submit(['soon', 'sooner', 'late'].map(id => resolveCommand(id, 'rollback')));
    t.equal(await store.nextCheckAt('bank-a'), null, 'resolved ones are never asked about');
  });

  t.test('counters equal a count, also after double calls and reopening', async t => {
    const { under, coordinator } = await start(t);
    const ids = Array.from({ length: 20 }, (_, i) => `t${i}`);
    for (const _ of [1, 2]) {
      await coordinator.submit(ids.map(id => prepareCommand(id, 'bank-a', [halfMessage(), halfMessage()])));
      await coordinator.submit(ids.slice(0, 8).map(id => resolveCommand(id)));
      await coordinator.submit(ids.slice(8, 12).map(id => resolveCommand(id, 'rollback')));
      await coordinator.submit(ids.slice(0, 3).map(id => resolveCommand(id, 'rollback')));
      await coordinator.submit(ids.slice(12, 14).map(id => ({ type: 'answer', id, answer: 'nobody', error: null })));
      await coordinator.submit(ids.slice(14, 15).map(id => ({ type: 'answer', id, answer: 'none', error: 'away' })));
      await coordinator.submit([
        { type: 'forwarded', transactionId: 't0', index: 0, offset: 1 },
        { type: 'park', transactionId: 't0', index: 1, error: 'too large' },
        { type: 'park', transactionId: 't1', index: 1, error: 'too large' },
      ]);
    }
    await one(coordinator, { type: 'discard', messageId: 't1.1', reason: 'given up' });
    const store = await under.reopen();
    const counters = await store.counters();
    const counted = new Map<string, number>();
    const add = (name: string): void => void counted.set(name, (counted.get(name) ?? 0) + 1);
    for (const id of ids) {
      const transaction = (await store.transaction(id))!;
      add(`transactions.${transaction.state}`);
      for (const message of transaction.messages) {
        add(`messages.${message.state}`);
        if (message.state === 'ready' || message.state === 'parked') add(`${message.state}:${message.topic}`);
      }
      if (transaction.unresolved) add('unresolved');
      if (transaction.contradicted) add('contradicted');
      if (transaction.state === 'prepared' && transaction.checkFailures > 0) add('overdue:bank-a');
    }
    t.same(counted.get('unresolved'), 2);
    t.same(counted.get('contradicted'), 3);
    for (const [name, value] of counted) t.equal(counters.get(name), value, name);
    const states = ['held', 'ready', 'forwarded', 'parked', 'discarded', 'dropped'];
    const sum = states.reduce((total, state) => total + (counters.get(`messages.${state}`) ?? 0), 0);
    t.equal(sum + (counters.get('purged') ?? 0), counters.get('accepted'));
  });

  t.test('lists: newest first, every filter, in steps', async t => {
    const { store, coordinator } = await start(t);
    await coordinator.submit([
      prepareCommand('old', 'bank-a'),
      prepareCommand('other', 'bank-b', [halfMessage({ topic: 'audit.x', key: Buffer.from('k2') })]),
      prepareCommand('stuck', 'bank-a'),
      prepareCommand('new', 'bank-a', [halfMessage(), halfMessage({ key: null })]),
    ]);
    await coordinator.submit([resolveCommand('old'), resolveCommand('new')]);
    await coordinator.submit([
      resolveCommand('old', 'rollback'),
      { type: 'answer', id: 'stuck', answer: 'nobody', error: null },
      { type: 'park', transactionId: 'new', index: 1, error: 'too large' },
      { type: 'park', transactionId: 'old', index: 0, error: 'too large' },
    ]);
    await one(coordinator, { type: 'discard', messageId: 'old.0', reason: 'given up' });
    const list = async (filter: Parameters<Store['list']>[0], limit = 10): Promise<string[]> => {
      const found: string[] = [];
      let before: number | null = null;
      do {
        const step: Awaited<ReturnType<Store['list']>> = await store.list(filter, limit, before);
        found.push(...step.items.map(x => x.id));
        before = step.next;
      } while (before !== null);
      return found;
    };
    t.same(await list({}), ['new', 'stuck', 'other', 'old']);
    t.same(await list({}, 1), ['new', 'stuck', 'other', 'old'], 'page by page');
    t.same(await list({ state: 'prepared' }), ['stuck', 'other']);
    t.same(await list({ unresolved: true }), ['stuck']);
    t.same(await list({ unresolved: false, group: 'bank-a' }), ['new', 'old']);
    t.same(await list({ parked: true }), ['new']);
    t.same(await list({ discarded: true }), ['old']);
    t.same(await list({ contradicted: true }), ['old']);
    t.same(await list({ topic: 'audit.x' }), ['other']);
    t.same(await list({ topic: 'nothing' }), []);
    t.same(await list({ group: 'nobody' }), []);
    t.same(await list({ key: Buffer.from('k2') }), ['other']);
    t.same(await list({ key: Buffer.from('k2'), topic: 'transfers' }), []);
    const { preparedAt } = (await store.transaction('old'))!;
    t.same((await list({ since: preparedAt })).length, 4, 'since is inclusive');
    t.same(await list({ until: preparedAt }), [], 'until is exclusive');
  });

  t.test('history: lines in order, what repeats for ever is counted on one line', async t => {
    const { store, coordinator } = await start(t);
    await coordinator.submit([prepareCommand('t1', 'bank-a')]);
    for (let i = 0; i < 5; i++) await one(coordinator, { type: 'answer', id: 't1', answer: 'none', error: 'refused' });
    await one(coordinator, { type: 'answer', id: 't1', answer: 'unknown', error: null });
    await one(coordinator, { type: 'answer', id: 't1', answer: 'commit', error: null });
    for (let i = 0; i < 3; i++) await one(coordinator, resolveCommand('t1', 'rollback'));
    t.same(
      (await store.history('t1')).map(({ event, by, detail, times }) => ({ event, by, detail, times })),
      [
        { event: 'check_no_answer', by: 'check', detail: 'refused', times: 5 },
        { event: 'check_unknown', by: 'check', detail: null, times: 1 },
        { event: 'committed', by: 'check', detail: null, times: 1 },
        { event: 'contradicted', by: 'producer', detail: 'rollback came after committed', times: 3 },
      ],
    );
  });

  t.test('ended transactions are found and purged whole; open ones never', async t => {
    const { store, coordinator } = await start(t);
    const ids = ['rolled', 'ready', 'parked', 'prepared', 'gone'];
    await coordinator.submit(ids.map(id => prepareCommand(id, 'bank-a')));
    await coordinator.submit(['ready', 'parked', 'gone'].map(id => resolveCommand(id)));
    await coordinator.submit([
      resolveCommand('rolled', 'rollback'),
      { type: 'park', transactionId: 'parked', index: 0, error: 'too large' },
      { type: 'forwarded', transactionId: 'gone', index: 0, offset: 1 },
    ]);
    const later = Date.now() + 10_000;
    t.same((await store.ended(0, 0)).ids, []);
    const { ids: ended, next } = await store.ended(later, 0);
    t.same(ended, ['rolled', 'gone']);
    t.equal(next, null);
    await coordinator.submit(ended.map(id => ({ type: 'purge', id, endedBefore: later })));
    t.equal(await store.transaction('gone'), null);
    t.same(await store.contents('gone'), []);
    t.same(await store.history('gone'), []);
    t.match(await store.transaction('ready'), { state: 'committed' });
    t.equal((await store.counters()).get('purged'), 2);
    await store.shrink();
  });

  t.test('space is told in whole bytes', async t => {
    const { store } = await start(t);
    const { freeBytes, reserveBytes, databaseBytes, walBytes } = await store.space();
    for (const bytes of [freeBytes, reserveBytes, databaseBytes, walBytes]) {
      t.ok(Number.isSafeInteger(bytes) && bytes >= 0, String(bytes));
    }
  });

  t.test('oldest of each kind', async t => {
    const { store, coordinator } = await start(t);
    t.same(await store.oldest(), { prepared: null, ready: null, parked: null });
    await coordinator.submit([
      prepareCommand('a', 'bank-a'),
      prepareCommand('b', 'bank-a'),
      prepareCommand('c', 'bank-a'),
    ]);
    await coordinator.submit([resolveCommand('a'), resolveCommand('b')]);
    await coordinator.submit([{ type: 'park', transactionId: 'a', index: 0, error: 'too large' }]);
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(id => store.transaction(id)));
    t.same(await store.oldest(), { prepared: c!.preparedAt, ready: b!.resolvedAt, parked: a!.resolvedAt });
  });
};
