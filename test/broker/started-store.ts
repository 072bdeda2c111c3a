/** A store under test, with a coordinator and something in it. `reopen` closes it and opens it again on the same data. */
import type { Test } from 'tap';
import type { Command, Outcome } from '../../broker/coordinator/commands.ts';
import type { Coordinator } from '../../broker/coordinator/coordinator.ts';
import type { Store } from '../../broker/store/store.ts';
import { openCoordinator, producerGroup } from '../support/store.ts';

export interface StoreUnderTest {
  store: Store;
  reopen(): Promise<Store>;
}

export type OpenStore = (t: Test) => Promise<StoreUnderTest>;

export interface StartedStore {
  readonly under: StoreUnderTest;
  readonly store: Store;
  readonly coordinator: Coordinator;
}

/** Submits one command. */
export const one = async (coordinator: Coordinator, command: Command): Promise<Outcome> =>
  (await coordinator.submit([command]))[0]!;

/** A store with two groups and a topic. */
export const startStore = async (t: Test, open: OpenStore): Promise<StartedStore> => {
  const under = await open(t);
  const coordinator = await openCoordinator(under.store);
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('bank-a') },
    { type: 'put_group', group: producerGroup('bank-b', { topics: ['audit.*'] }) },
    { type: 'topic_seen', topic: 'transfers', partitions: 3 },
  ]);
  return { under, store: under.store, coordinator };
};
