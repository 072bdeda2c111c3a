/** What every store must do for operators; a part of store-conformance.ts. */
import type { Test } from 'tap';
import type { Store } from '../../broker/store/store.ts';
import { halfMessage, prepareCommand, resolveCommand } from '../support/store.ts';
import { type OpenStore, one, startStore } from './started-store.ts';

export const operatorConformance = (t: Test, open: OpenStore): void => {
  const start = (t: Test) => startStore(t, open);

  t.test('what waits for a person: listed with every filter, in steps, and counted by what it failed with', async t => {
    const { store, coordinator } = await start(t);
    const audit = halfMessage({ topic: 'audit.x', key: null });
    await coordinator.submit([
      ...['a', 'b', 'c', 'd'].map(id => prepareCommand(id, 'bank-a', [halfMessage(), audit])),
      prepareCommand('e', 'bank-b', [audit]),
      prepareCommand('f', 'bank-a'),
    ]);
    await coordinator.submit([resolveCommand('b'), resolveCommand('a'), resolveCommand('e')]);
    const parked = [
      ['a', 0, 'too large'],
      ['b', 0, 'too large'],
      ['b', 1, 'refused'],
      ['e', 0, 'refused'],
      ['a', 1, 'refused'],
    ] as const;
    for (const [transactionId, index, error] of parked)
      await one(coordinator, { type: 'park', transactionId, index, error });
    await one(coordinator, { type: 'discard', messageId: 'a.1', reason: 'given up' });
    await one(coordinator, { type: 'answer', id: 'c', answer: 'none', error: 'timed out' });
    for (const id of ['c', 'd', 'f']) await one(coordinator, { type: 'answer', id, answer: 'nobody', error: null });

    const listed = async (filter: Parameters<Store['parkedMessages']>[0], limit = 10): Promise<string[]> => {
      const found: string[] = [];
      let before: number | null = null;
      do {
        const step: Awaited<ReturnType<Store['parkedMessages']>> = await store.parkedMessages(filter, limit, before);
        found.push(...step.items.map(x => `${x.transactionId}.${x.index}`));
        before = step.next;
      } while (before !== null);
      return found;
    };
    const all = ['e.0', 'b.1', 'b.0', 'a.0'];
    t.same(await listed({}), all);
    t.same(await listed({}, 1), all, 'page by page, also within a transaction');
    t.same(await listed({ topic: 'audit.x' }), ['e.0', 'b.1']);
    t.same(await listed({ topic: 'nothing' }), []);
    t.same(await listed({ group: 'bank-a' }), ['b.1', 'b.0', 'a.0']);
    t.same(await listed({ group: 'nobody' }), []);
    t.same(await listed({ lastError: 'too large' }), ['b.0', 'a.0']);
    t.same(await listed({ lastError: 'too' }), []);
    t.same(await listed({ lastError: null }), []);
    const { items } = await store.parkedMessages({ topic: 'transfers' }, 1, null);
    const b = (await store.transaction('b'))!;
    t.match(items, [{ ...b.messages[0], group: 'bank-a', committedAt: b.resolvedAt }]);

    const unresolved = async (filter: object): Promise<string[]> =>
      (await store.list({ unresolved: true, ...filter }, 10, null)).items.map(({ id }) => id);
    t.same(await unresolved({}), ['f', 'd', 'c']);
    t.same(await unresolved({ lastError: 'timed out' }), ['c']);
    t.same(await unresolved({ lastError: null }), ['f', 'd']);

    const alike = async (what: 'unresolved' | 'parked') =>
      (await store.alike(what, null)).items.sort((x, y) =>
        `${x.name}${x.lastError}` < `${y.name}${y.lastError}` ? -1 : 1,
      );
    const at = async (id: string) => (await store.transaction(id))!;
    t.same(await alike('parked'), [
      { name: 'audit.x', lastError: 'refused', count: 2, oldestAt: (await at('b')).resolvedAt },
      { name: 'transfers', lastError: 'too large', count: 2, oldestAt: (await at('a')).resolvedAt },
    ]);
    t.same(await alike('unresolved'), [
      { name: 'bank-a', lastError: null, count: 2, oldestAt: (await at('d')).preparedAt },
      { name: 'bank-a', lastError: 'timed out', count: 1, oldestAt: (await at('c')).preparedAt },
    ]);
  });

  t.test('acts: newest first, every filter, in steps, also after reopening', async t => {
    const { under, coordinator } = await start(t);
    await coordinator.submit(
      ['t1', 't2', 't3'].map(id =>
        prepareCommand(id, id === 't3' ? 'bank-b' : 'bank-a', [halfMessage({ topic: 'audit.x' })]),
      ),
    );
    const who = 'operator:emq_0123456789ab';
    const decided = {
      type: 'resolve',
      resolution: 'commit',
      by: 'operator',
      who,
      reason: 'seen in the books',
    } as const;
    await coordinator.submit([
      { ...decided, id: 't1' },
      resolveCommand('t2'),
      { ...decided, id: 't3', who: 'operator' },
    ]);
    await coordinator.submit([
      { ...decided, id: 't1' },
      { ...decided, id: 't2' },
      { ...decided, id: 't3', resolution: 'rollback' },
    ]);
    await one(coordinator, { type: 'park', transactionId: 't1', index: 0, error: 'too large' });
    await one(coordinator, { type: 'discard', messageId: 't1.0', who, reason: 'given up' });
    const store = await under.reopen();
    const list = async (filter: Parameters<Store['acts']>[0], limit = 10): Promise<string[]> => {
      const found: string[] = [];
      let before: number | null = null;
      do {
        const step: Awaited<ReturnType<Store['acts']>> = await store.acts(filter, limit, before);
        found.push(...step.items.map(({ id, act, target }) => `${id} ${act} ${target}`));
        before = step.next;
      } while (before !== null);
      return found;
    };
    const all = ['3 discard t1.0', '2 commit t3', '1 commit t1'];
    t.same(await list({}), all, 'what changed nothing is no act, nor is what a producer does');
    t.same(await list({}, 1), all, 'page by page');
    t.same(await list({ act: 'commit' }), all.slice(1));
    t.same(await list({ by: 'operator' }), ['2 commit t3']);
    t.same(await list({ group: 'bank-a' }), ['3 discard t1.0', '1 commit t1']);
    t.same(await list({ target: 't1' }), ['1 commit t1']);
    t.same(await list({ target: 't1', act: 'discard' }), []);
    const { items } = await store.acts({}, 10, null);
    t.match(items[0], { by: who, group: 'bank-a', reason: 'given up' });
    t.equal((await list({ since: items[2]!.at })).length, 3, 'since is inclusive');
    t.same(await list({ until: items[2]!.at }), [], 'until is exclusive');
  });
};
