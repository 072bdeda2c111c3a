/** A store and a coordinator in a folder of their own, closed and removed with the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { clock } from '../../broker/clock.ts';
import type { PrepareCommand, ResolveCommand } from '../../broker/coordinator/commands.ts';
import { Coordinator, type CoordinatorSettings } from '../../broker/coordinator/coordinator.ts';
import { newGroup } from '../../broker/coordinator/key-decisions.ts';
import { openSqliteStore, type SqliteStore } from '../../broker/store/sqlite-store.ts';
import type { ProducerGroup, Store } from '../../broker/store/store.ts';
import { contentDigest, type DigestedMessage } from '../../broker/transaction/content.ts';

/** Who is told what to do at the end: a test, or whoever else needs these parts for a while. */
export type Scope = Pick<Test, 'teardown'>;

export const temporaryFolder = (t: Scope): string => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export const openStore = (t: Scope, dataDir = temporaryFolder(t)): SqliteStore => {
  const store = openSqliteStore({ dataDir });
  t.teardown(() => store.close());
  return store;
};

/** The store, with some of its methods replaced. */
export const storeWith = (store: Store, own: Partial<Store>): Store =>
  new Proxy(store, {
    get: (whole, name: keyof Store) => own[name] ?? (whole[name] as () => unknown).bind(whole),
  });

export const openCoordinator = (store: Store, more: Partial<CoordinatorSettings> = {}): Promise<Coordinator> =>
  Coordinator.open({
    store,
    clock,
    random: () => 0,
    onFatal: error => {
      throw error;
    },
    ...more,
  });

export const producerGroup = (name: string, more: Partial<ProducerGroup> = {}): ProducerGroup => ({
  ...newGroup(name),
  ...more,
});

export const halfMessage = (more: Partial<DigestedMessage> = {}): DigestedMessage => ({
  topic: 'transfers',
  key: Buffer.from('account-17'),
  payload: Buffer.from('{"amount":100}'),
  headers: [],
  contentType: 'application/json',
  type: 'transfer.made',
  partition: null,
  ...more,
});

export const prepareCommand = (
  id: string,
  group: string,
  messages: readonly DigestedMessage[] = [halfMessage()],
  more: Partial<PrepareCommand> = {},
): PrepareCommand => ({
  type: 'prepare',
  id,
  group,
  messages,
  digest: contentDigest(group, messages),
  afterMs: null,
  traceparent: null,
  tracestate: null,
  refusal: null,
  ...more,
});

export const resolveCommand = (id: string, resolution: ResolveCommand['resolution'] = 'commit'): ResolveCommand => ({
  type: 'resolve',
  id,
  resolution,
  by: 'producer',
  reason: null,
});
