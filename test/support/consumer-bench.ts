/** Consumers under test: topics with CloudEvents records, a SQLite database whose effects can be counted, groups. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Kafka, type Message } from 'kafkajs';
import type { Test } from 'tap';
import { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import {
  betterSqlite3Inbox,
  type ConsumedMessage,
  type ConsumerOptions,
  createConsumer,
  type EscrowConsumer,
  type Handler,
} from '../../consumer-sdk/index.ts';
import type { LocalDatabase } from '../../local-transaction/local-database.ts';
import { sql } from '../../local-transaction/statement.ts';
import { connectWire, type KafkaTarget, kafkaConfig } from './kafka-wire.ts';
import { temporaryFolder } from './store.ts';
import { until } from './until.ts';

export const SOURCE = '/test/producer-groups/bank-a';

export const kafkaClient = (target: KafkaTarget): Kafka => new Kafka(kafkaConfig(target));

/** A record as escrowmq forwards it. */
export const cloudEvent = (id: string, value: string | Buffer | null, more: Partial<Message> = {}): Message => ({
  key: 'k',
  value,
  ...more,
  headers: {
    ce_specversion: '1.0',
    ce_id: id,
    ce_source: SOURCE,
    ce_type: 'transfer.made',
    ce_time: '2026-11-21T10:00:00.000Z',
    'content-type': 'application/json',
    ...more.headers,
  },
});

/** One send per partition; records without one go to 0. */
export const publish = async (target: KafkaTarget, topic: string, records: readonly Message[]): Promise<void> => {
  const producer = kafkaClient(target).producer({
    allowAutoTopicCreation: false,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
  await producer.connect();
  const partitions = new Set(records.map(({ partition = 0 }) => partition));
  for (const partition of partitions) {
    const messages = records.filter(record => (record.partition ?? 0) === partition);
    const answer = await producer.send({ topic, acks: -1, messages });
    if (answer.length !== 1) throw new Error(`not all records of ${topic}/${partition} were written`);
  }
  await producer.disconnect();
};

export interface Effect {
  id: string;
  partition: number;
  offset: number;
}

/** A database whose handler writes one row per effect: nothing but the inbox keeps it from writing two. */
export class Ledger {
  readonly file: string;
  readonly db: Database.Database;
  readonly inbox: Inbox<Database.Database>;

  constructor(file: string) {
    this.file = file;
    this.db = new Database(file);
    this.db.pragma('journal_mode = WAL');
    this.db.exec(
      'create table if not exists effects (number integer primary key, id text, "partition" integer, offset integer, amount integer)',
    );
    this.inbox = betterSqlite3Inbox(this.db);
  }

  /** A handler. */
  readonly credit = (message: ConsumedMessage, tx: Database.Database): void => {
    const { amount } = message.json<{ amount: number }>();
    tx.prepare('insert into effects (id, "partition", offset, amount) values (?, ?, ?, ?)').run(
      message.id,
      message.partition,
      Number(message.offset),
      amount,
    );
  };

  effects(): Effect[] {
    return this.db.prepare('select id, "partition", offset from effects order by number').all() as Effect[];
  }

  count(): number {
    return (this.db.prepare('select count(*) as count from effects').get() as { count: number }).count;
  }

  sum(): number {
    return (this.db.prepare('select coalesce(sum(amount), 0) as sum from effects').get() as { sum: number }).sum;
  }

  /** Ids in the inbox, of all groups. */
  ids(): string[] {
    return this.db.prepare('select message_id from escrow_inbox order by 1').pluck().all() as string[];
  }
}

export const openLedger = async (t: Test, file = join(temporaryFolder(t), 'ledger.db')): Promise<Ledger> => {
  const ledger = new Ledger(file);
  t.teardown(async () => {
    await ledger.inbox.close();
    ledger.db.close();
  });
  await ledger.inbox.install();
  return ledger;
};

export interface Running {
  readonly consumer: EscrowConsumer<never>;
  /** What `run` ended with; null: in good order. */
  readonly ended: Promise<unknown>;
  readonly log: { level: string; fields: Record<string, unknown>; message: string }[];
}

let groups = 0;
export const newGroup = (): string => `g-${process.pid}-${Date.now().toString(36)}-${groups++}`;

/** Quick retries, commits only when it is told to unless the test says otherwise; closed with the test. */
export const startConsumer = <Tx>(
  t: Test,
  target: KafkaTarget,
  options: Omit<ConsumerOptions<Tx>, 'kafka'> & { kafka?: Kafka },
  handler: Handler<Tx>,
): Running => {
  const log: Running['log'] = [];
  const logAt =
    (level: string) =>
    (fields: object, message: string): void => {
      log.push({ level, fields: fields as Record<string, unknown>, message });
    };
  const consumer = createConsumer<Tx>({
    kafka: kafkaClient(target),
    retry: { initialMs: 5, maxMs: 20 },
    logger: { info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    ...options,
    kafkaConsumer: { maxWaitTimeInMs: 50, sessionTimeout: 6_000, heartbeatInterval: 200, ...options.kafkaConsumer },
  });
  const ended = consumer.run(handler).then(
    () => null,
    error => error,
  );
  t.teardown(() => consumer.close());
  return { consumer: consumer as unknown as Running['consumer'], ended, log };
};

/** What the group has told Kafka, by partition; -1: nothing. */
export const committed = async (target: KafkaTarget, groupId: string, topic: string): Promise<number[]> => {
  const admin = kafkaClient(target).admin();
  await admin.connect();
  const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
  await admin.disconnect();
  return found!.partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
};

/**
 * A new group that Kafka serves already. One that has just begun loads what it knows of groups, and refuses who joins
 * meanwhile: the consumer is right to begin again then, and counts it.
 */
export const servedGroup = async (target: KafkaTarget, topic: string): Promise<string> => {
  const groupId = newGroup();
  await until('Kafka serves the group', () =>
    committed(target, groupId, topic).then(
      () => true,
      () => false,
    ),
  );
  return groupId;
};

interface Coordinator {
  describeGroups(request: { groupIds: string[] }): Promise<{ groups: { members: { memberId: string }[] }[] }>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
}

/** Puts every member out of the group, as Kafka does itself some seconds after one was killed. */
export const expel = async (target: KafkaTarget, groupId: string): Promise<void> => {
  const cluster = await connectWire(target);
  try {
    const finder = cluster as unknown as { findGroupCoordinator(of: { groupId: string }): Promise<Coordinator> };
    await cluster.refreshMetadata();
    const coordinator = await finder.findGroupCoordinator({ groupId });
    const { groups: found } = await coordinator.describeGroups({ groupIds: [groupId] });
    for (const { memberId } of found.flatMap(({ members }) => members)) {
      await coordinator.leaveGroup({ groupId, memberId });
    }
  } finally {
    await cluster.disconnect();
  }
};

/**
 * The planted fault: the inbox's row is looked for before the business transaction and written after it, in a
 * transaction of its own.
 */
export const rowOutside = (database: LocalDatabase<Database.Database>): Inbox<Database.Database> =>
  new Inbox<Database.Database>({
    ...database,
    transaction: async work => {
      const { value: insertion } = work.opening().next();
      if (!insertion) throw new Error('there is no row to write');
      const [group, source, id] = insertion.params;
      const found = await database.query(
        sql`select 1 as found from escrow_inbox where consumer_group = ${group!} and source = ${source!} and message_id = ${id!}`,
        1_000,
      );
      if (found.length > 0) throw new Error('handled before');
      const value = await database.transaction({ ...work, opening: nothing, closing: nothing });
      await delay(2);
      await database.query(insertion, 1_000);
      return value;
    },
  });

function* nothing(): Generator<never, void> {}
