/** A forwarder over a real store and coordinator, with a Kafka that can be told to fail. */
import type { Test } from 'tap';
import { clock } from '../../broker/clock.ts';
import type { Command, Outcome } from '../../broker/coordinator/commands.ts';
import { Coordinator } from '../../broker/coordinator/coordinator.ts';
import { Forwarder, type ForwarderSettings } from '../../broker/forward/forwarder.ts';
import type { Publisher } from '../../broker/forward/publisher.ts';
import { TopicCatalogue } from '../../broker/forward/topic-catalogue.ts';
import { StorageFullError, type Store } from '../../broker/store/store.ts';
import type { DigestedMessage } from '../../broker/transaction/content.ts';
import type { Message } from '../../broker/transaction/transaction.ts';
import { PublisherDouble } from './publisher-double.ts';
import { halfMessage, openStore, prepareCommand, producerGroup, resolveCommand } from './store.ts';

export interface ForwardingOptions<P extends Publisher> {
  readonly store?: Store;
  readonly publisher?: P;
  readonly settings?: Partial<ForwarderSettings>;
  /** Ask Kafka about topics in the background. */
  readonly background?: boolean;
  /** Topics whose partitions the broker knows from the start. Default: `transfers` with 3. */
  readonly known?: Readonly<Record<string, number>>;
}

export interface Forwarding<P extends Publisher = PublisherDouble> {
  readonly store: Store;
  readonly coordinator: Coordinator;
  readonly publisher: P;
  readonly catalogue: TopicCatalogue;
  readonly forwarder: Forwarder;
  /** Added to both clocks. */
  readonly shift: { ms: number };
  /** Lets time pass, as far as the forwarder knows. */
  skip(ms: number): void;
  /** `refused`: how often there was no room. */
  readonly disk: { full: boolean; refused: number };
  readonly fatal: Error[];
  /** Prepares and commits one transaction. Each message is a payload, or more than that; topic `transfers`. */
  commit(...messages: (string | Partial<DigestedMessage>)[]): Promise<string>;
  submit(...commands: Command[]): Promise<Outcome[]>;
  messages(id: string): Promise<readonly Message[]>;
  /** Messages in the state, all transactions together. */
  count(state: Message['state']): number;
  /** As the broker ends: nothing is closed but what runs. */
  stop(deadlineMs?: number): Promise<void>;
}

export const GROUP = 'bank-a';

let made = 0;

export const openForwarding = async <P extends Publisher = PublisherDouble>(
  t: Test,
  options: ForwardingOptions<P> = {},
): Promise<Forwarding<P>> => {
  const publisher = options.publisher ?? (new PublisherDouble() as unknown as P);
  const shift = { ms: 0 };
  const time = { now: () => clock.now() + shift.ms, monotonic: () => clock.monotonic() + shift.ms };
  const disk = { full: false, refused: 0 };
  const fatal: Error[] = [];
  const onFatal = (error: Error): void => {
    fatal.push(error);
  };
  const store = withDisk(options.store ?? openStore(t), disk);
  const coordinator = await Coordinator.open({
    store,
    clock: time,
    random: () => 0,
    onFatal,
    onReady: (topic, partition) => forwarder.onReady(topic, partition),
  });
  const catalogue = new TopicCatalogue({ publisher, coordinator, clock: time, onFatal });
  const forwarder = new Forwarder({
    ...{ store, coordinator, publisher, catalogue, clock: time, onFatal },
    random: () => 0,
    source: 'test',
    parkAfterMs: 600_000,
    paceMs: 0,
    ...options.settings,
  });
  const topics = Object.entries(options.known ?? { transfers: 3 });
  await coordinator.submit([
    { type: 'put_group', group: producerGroup(GROUP) },
    ...topics.map(([topic, partitions]) => ({ type: 'topic_seen', topic, partitions }) as const),
  ]);
  await forwarder.start();
  if (options.background) catalogue.start();
  let stopped: Promise<void> | undefined;
  const stop = (deadlineMs = 5_000): Promise<void> => {
    catalogue.stop();
    stopped ??= forwarder.stop(deadlineMs).then(() => coordinator.drain());
    return stopped;
  };
  // Registered after the store's own: torn down before it is closed.
  t.teardown(() => stop(0));
  return {
    ...{ store, coordinator, publisher, catalogue, forwarder, shift, disk, fatal, stop },
    commit: async (...messages) => {
      const id = `t-${made++}`;
      const contents = messages.map(message =>
        halfMessage(typeof message === 'string' ? { payload: Buffer.from(message) } : message),
      );
      await coordinator.submit([prepareCommand(id, GROUP, contents), resolveCommand(id)]);
      return id;
    },
    skip: ms => {
      shift.ms += ms;
      // Whatever wakes it makes it look at the clock.
      forwarder.onReady('time-passes', 0);
    },
    submit: (...commands) => coordinator.submit(commands),
    messages: async id => (await store.transaction(id))!.messages,
    count: state => coordinator.counters().get(`messages.${state}`) ?? 0,
  };
};

/** The same store, which refuses every change while the disk is full. */
const withDisk = (store: Store, disk: { readonly full: boolean; refused: number }): Store =>
  new Proxy(store, {
    get: (target, name: keyof Store) => {
      if (name === 'transact' && disk.full) {
        return () => {
          disk.refused++;
          return Promise.reject(new StorageFullError('full'));
        };
      }
      const method = target[name];
      return method.bind(target);
    },
  });
