/** Loaded into bank B before it begins, as bank-a.ts is into bank A. */
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka } from 'kafkajs';
import { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import type { LocalDatabase, LocalWork } from '../../local-transaction/local-database.ts';
import type { Statement } from '../../local-transaction/statement.ts';
import { fateOf, isFirst } from '../fates.ts';
import { History } from '../history.ts';
import { hookSettings } from './settings.ts';

/** A member that was killed is missed soon, so that its partitions do not wait for it long. */
const GROUP = { sessionTimeout: 2_000, heartbeatInterval: 300, rebalanceTimeout: 4_000 };

/** Longer than the SDK waits before it tells Kafka what is handled. */
const OFFSETS_COMMITTED_MS = 1_500;

const { name, folder, markers, fault } = hookSettings(import.meta.url);
const history = new History(folder, name);

const consumer = Kafka.prototype.consumer;
Kafka.prototype.consumer = function (config) {
  return consumer.call(this, { ...config!, ...GROUP });
};

/** The statement that inserts the inbox's row, and the transfer that it is about. */
const claimOf = (work: LocalWork<never, unknown>): { readonly insert: Statement; readonly id: string } => {
  const insert = work.opening().next().value as Statement;
  return { insert, id: String(insert.params[2]).replace(/\.0$/, '') };
};

const die = (id: string): void => {
  history.write({ event: 'die', id });
  process.kill(process.pid, 'SIGKILL');
};

const credited = (id: string): void => {
  history.write({ event: 'credit', id });
  if (fateOf(id) === 'die-credited' && isFirst(markers, id)) die(id);
};

const watch = (database: LocalDatabase<never>, isHandled: (statement: Statement) => Promise<boolean>): void => {
  const transaction = database.transaction;
  database.transaction = async work => {
    const { insert, id } = claimOf(work);
    if (fateOf(id) === 'die-crediting' && isFirst(markers, id)) {
      await delay(OFFSETS_COMMITTED_MS);
      die(id);
    }
    if (fault !== 'inbox-apart') {
      const value = await transaction.call(database, work);
      credited(id);
      return value as never;
    }
    if (await isHandled(insert)) throw new Error('handled before');
    const nothing = function* () {};
    const value = await transaction.call(database, { ...work, opening: nothing, closing: nothing });
    credited(id);
    await database.query(insert, 10_000);
    return value as never;
  };
};

const watched = new WeakSet<object>();
const { assertReady } = Inbox.prototype;
Inbox.prototype.assertReady = function () {
  if (!watched.has(this)) {
    watched.add(this);
    watch(this.database as LocalDatabase<never>, ({ params: [consumer_group, source, message_id] }) =>
      this.has({
        consumer_group: String(consumer_group),
        source: String(source),
        message_id: String(message_id),
      }),
    );
  }
  return assertReady.call(this);
};
