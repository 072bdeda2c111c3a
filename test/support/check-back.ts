/** A store, a coordinator and a check-back over them, wired as in the broker; all closed with the test. */
import type { Test } from 'tap';
import { AddressPolicy } from '../../broker/check-back/address-policy.ts';
import { CheckBack, type CheckBackSettings } from '../../broker/check-back/check-back.ts';
import { clock } from '../../broker/clock.ts';
import type { Coordinator } from '../../broker/coordinator/coordinator.ts';
import type { ProducerGroup, Store } from '../../broker/store/store.ts';
import type { Transaction } from '../../broker/transaction/transaction.ts';
import { openCoordinator, openStore, prepareCommand, producerGroup } from './store.ts';

export { until } from './until.ts';

/** Checks soon and often. */
export const QUICK = { afterMs: 20, intervalMs: 20, maxIntervalMs: 40 } as const;

export interface CheckBackBench {
  readonly store: Store;
  readonly coordinator: Coordinator;
  readonly checkBack: CheckBack;
  /** Added to the wall clock. */
  readonly shift: { ms: number };
  /** Errors told to onFatal. */
  readonly fatal: Error[];
  readonly results: Record<string, number>;
  readonly calls: { group: string; error: string | null }[];
  /** How often the store was asked what is due. */
  readonly looks: { count: number };
  putGroup(name: string, more: Partial<ProducerGroup>): Promise<ProducerGroup>;
  prepare(group: string, ids: readonly string[], afterMs?: number): Promise<void>;
  transaction(id: string): Promise<Transaction>;
  /** Ids in this state. */
  count(ids: readonly string[], state: Transaction['state']): Promise<number>;
}

export const openCheckBack = async (
  t: Test,
  more: Partial<CheckBackSettings> & { readonly dataStore?: Store; readonly now?: () => number } = {},
): Promise<CheckBackBench> => {
  const { dataStore: store = openStore(t), now = clock.now, ...settings } = more;
  const shift = { ms: 0 };
  const shifted = { now: () => now() + shift.ms, monotonic: clock.monotonic };
  const fatal: Error[] = [];
  const results: Record<string, number> = {};
  const calls: CheckBackBench['calls'] = [];
  const looks = { count: 0 };
  let checkBack: CheckBack | undefined;
  const coordinator = await openCoordinator(store, {
    clock: shifted,
    onCheckPlanned: (group, at) => checkBack?.checkPlanned(group, at),
    onFatal: error => fatal.push(error),
  });
  checkBack = new CheckBack({
    coordinator,
    store: {
      dueChecks: (group, by, limit) => {
        looks.count++;
        return store.dueChecks(group, by, limit);
      },
    },
    policy: new AddressPolicy([], '127.0.0.1'),
    clock: shifted,
    onCheck: (result, count) => {
      results[result] = (results[result] ?? 0) + count;
    },
    onCall: (group, _tookMs, error) => calls.push({ group, error }),
    onFatal: error => fatal.push(error),
    ...settings,
  });
  const stop = checkBack;
  t.teardown(() => stop.stop(0));
  const transaction = async (id: string): Promise<Transaction> => {
    const found = await store.transaction(id);
    if (!found) throw new Error(`there is no transaction ${id}`);
    return found;
  };
  return {
    store,
    coordinator,
    checkBack,
    shift,
    fatal,
    results,
    calls,
    looks,
    transaction,
    async putGroup(name, group) {
      await coordinator.submit([{ type: 'put_group', group: producerGroup(name, { check: QUICK, ...group }) }]);
      return coordinator.group(name)!;
    },
    async prepare(group, ids, afterMs) {
      await coordinator.submit(ids.map(id => prepareCommand(id, group, undefined, { afterMs: afterMs ?? null })));
    },
    async count(ids, state) {
      const found = await Promise.all(ids.map(transaction));
      return found.filter(one => one.state === state).length;
    },
  };
};

/** `prefix-0` … */
export const ids = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
