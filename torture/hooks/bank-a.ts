/**
 * Loaded into bank A before it begins: `node --import 'hooks/bank-a.ts?name=a1&folder=…&fault=…' bank-a.ts`. Lets it
 * die at exact points, writes its history, and plants faults. Neither the bank nor the SDK knows of any of it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../producer-sdk/client/client.ts';
import { ConnectionError } from '../../producer-sdk/client/client-errors.ts';
import { SqlFence } from '../../producer-sdk/fence/sql-fence.ts';
import { Producer } from '../../producer-sdk/producer.ts';
import { type Fate, fateOf, isFirst } from '../fates.ts';
import { History } from '../history.ts';
import { hookSettings } from './settings.ts';

/** Short, so that a run meets many check-backs. */
const CHECK = { afterMs: 400, intervalMs: 400, maxIntervalMs: 2_000, limit: 1_000 };
/** Longer than the broker waits before it asks. */
const LATE_MS = 1_200;

const { name, folder, markers, fault } = hookSettings(import.meta.url);
const history = new History(folder, name);

const dieIf = (fate: Fate, id: string): void => {
  if (fateOf(id) !== fate || !isFirst(markers, id)) return;
  history.write({ event: 'die', id });
  process.kill(process.pid, 'SIGKILL');
};

const { putGroup, commit } = Client.prototype;
Client.prototype.putGroup = function (group, settings, options) {
  return putGroup.call(this, group, { ...settings, check: CHECK }, options);
};
Client.prototype.commit = async function (id, options) {
  const fate = fateOf(id);
  if (fate === 'vanish-after' || fate === 'die-checked') throw new ConnectionError('nobody makes this call');
  return commit.call(this, id, options);
};

const { transaction } = Producer.prototype;
Producer.prototype.transaction = async function (options, business) {
  const id = options.id!;
  history.write({ event: 'invoke', id });
  try {
    if (fateOf(id) === 'vanish-before') {
      await this.prepare({ id, messages: options.messages! });
      throw new Error('vanished');
    }
    const done = await transaction.call(this, options, business);
    history.write({ event: 'ok', id, repeated: done.repeated, delivery: done.delivery });
    return done as never;
  } catch (error) {
    const { code = 'none' } = error as { code?: string };
    const isUncertain = code === 'OUTCOME_UNKNOWN' || code === 'OUTCOME_CONTRADICTED';
    history.write({ event: isUncertain ? 'info' : 'fail', id, code });
    throw error;
  }
};

// Where nobody waits any more, the SDK throws what it found into the open.
process.on('uncaughtExceptionMonitor', error => {
  const { code = 'none', transactionId = 'none' } = error as { code?: string; transactionId?: string };
  history.write({ event: 'info', id: transactionId, code });
});

const { run, judge } = SqlFence.prototype;
SqlFence.prototype.run = async function (work) {
  const { id, business } = work;
  const fate = fateOf(id);
  if (fate === 'late') await delay(LATE_MS);
  dieIf('die-begin', id);
  const isSlow = fate === 'slow' && !this.needsMessagesFirst;
  const slowly = async (tx: unknown): Promise<never> => {
    await delay(LATE_MS);
    return business(tx) as never;
  };
  const value = await run.call(this, isSlow ? { ...work, business: slowly } : work);
  history.write({ event: 'local', id });
  dieIf('die-committed', id);
  return value as never;
};
SqlFence.prototype.judge = async function (ids, withinMs) {
  const answers = await judge.call(this, ids, withinMs);
  for (const [id, resolution] of answers) history.write({ event: 'answer', id, resolution });
  for (const id of answers.keys()) dieIf('die-checked', id);
  return answers;
};

if (fault === 'fence-without-key') SqlFence.prototype.assertReady = async () => {};
if (fault === 'check-only-reads') {
  SqlFence.prototype.decide = async function (id, token, withinMs) {
    return (await this.look(id, withinMs)) ?? { outcome: 'rollback', token };
  };
}
