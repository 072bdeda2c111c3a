/** One database that runs are made on, and the participants that work on it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TransactionBody } from '../../broker/protocol/wire.ts';
import type { Dialect } from '../../local-transaction/statement.ts';
import { createProducer, type SqlFence } from '../../producer-sdk/index.ts';
import type { Producer } from '../../producer-sdk/producer.ts';
import type { Operation } from './broker-model.ts';
import { type AnyTx, GROUP, LONG_MS, type Part } from './parts.ts';
import type { Run } from './port.ts';
import type { Participant } from './stage.ts';
import type { Ending } from './story.ts';

export type { Found } from '../../producer-sdk/fence/fence-table.ts';

import type { Found } from '../../producer-sdk/fence/fence-table.ts';

export interface World {
  readonly name: string;
  readonly dialect: Dialect;
  /** For the report. */
  readonly version: string;
  /** Plays the part to its end, as the participant of a run. */
  play(part: Part, participant: Participant, run: Run): Promise<Ending>;
  /** A check-back that nobody holds up. */
  check(id: string): Promise<string | null>;
  /** Of these sessions, those that wait for a lock, as the server says. */
  waiting(ids: readonly number[]): Promise<ReadonlySet<number>>;
  /** Ends the session; resolves when it is gone. */
  kill(id: number): Promise<void>;
  row(id: string): Promise<Found | null>;
  effects(id: string): Promise<readonly string[]>;
  /** Empties the tables. */
  clear(): Promise<void>;
  readonly fault: Fault | null;
  /** From now on this goes wrong, for participants of these names; null: nothing does. */
  plant(fault: Fault | null, names: readonly string[]): Promise<void>;
}

/** What goes wrong on purpose between the SDK and its database or broker: the oracle must find it. */
export type Fault =
  | 'check reads without writing'
  | 'fence without unique key'
  | 'no verify'
  | 'rollback called from the catch'
  | 'claim in a savepoint'
  | 'no age rule';

/** Where producers are registered: their calls about transactions go elsewhere. */
export const registry = async (): Promise<{ url: string; close(): void }> => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

/** A producer whose calls about transactions are made by `call`. */
export const producerOn = async (
  url: string,
  fence: SqlFence<AnyTx>,
  call: (operation: Operation) => Promise<TransactionBody>,
): Promise<Producer<AnyTx>> => {
  const times = { transactionTimeoutMs: LONG_MS, confirmMs: LONG_MS, latePrepareMs: LONG_MS };
  const producer = createProducer({ url, group: GROUP, fence, ...times, onContradiction: () => {} });
  Object.assign(producer.client, {
    prepare: () => call('prepare'),
    commit: () => call('commit'),
    rollback: () => call('rollback'),
    transaction: () => call('state'),
  });
  await producer.ready();
  return producer;
};
