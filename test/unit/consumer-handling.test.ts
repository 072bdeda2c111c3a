/** One try to handle one message: what counts as handled, as a repeat, as the message's fault. */
import t from 'tap';
import { isDatabaseTrouble } from '../../consumer-sdk/inbox/database-trouble.ts';
import { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import { PoisonError, TransientError } from '../../consumer-sdk/index.ts';
import { type Handler, handleOnce } from '../../consumer-sdk/partition/handling.ts';
import type { ConsumedMessage } from '../../consumer-sdk/record/message.ts';
import { CommitFailedError, type LocalDatabase, misused, timedOut } from '../../local-transaction/local-database.ts';
import type { Row, Steps } from '../../local-transaction/statement.ts';

/** A database that has, or does, what a test says. */
interface Plan {
  /** Whether the row is there before. */
  isThere?: boolean;
  /** Whether anybody sees the row afterwards. Default: whether it was inserted. */
  isSeen?: boolean;
  opening?: Error;
  closing?: Error;
  commit?: { error: Error; happened: boolean };
  /** Instead of everything. */
  transaction?: Error;
  query?: Error;
}

const run = (steps: Steps, answer: () => readonly Row[]): void => {
  for (let step = steps.next(); !step.done; ) step = steps.next(answer());
};

const key = { consumer_group: 'g', source: 's', message_id: 'm' };

const database = (plan: Plan): LocalDatabase<string> => {
  let isThere = plan.isThere ?? false;
  return {
    dialect: 'postgresql',
    isSynchronous: false,
    transaction: async work => {
      if (plan.transaction) throw plan.transaction;
      const conflict = isThere ? new Error('duplicate key') : plan.opening;
      run(work.opening(), () => {
        if (conflict) throw conflict;
        return [];
      });
      const value = await work.business('tx');
      run(work.closing(), () => {
        if (plan.closing) throw plan.closing;
        return [{ message_id: 'm', mine: 1 }];
      });
      isThere = plan.commit?.happened ?? true;
      if (plan.commit) throw new CommitFailedError(plan.commit.error);
      return value;
    },
    query: async () => {
      if (plan.query) throw plan.query;
      return (plan.isSeen ?? isThere) ? [{ message_id: 'm' }] : [];
    },
    assertIdle: () => {},
    close: async () => {},
  };
};

const handle = (plan: Plan, handler: Handler<string> = () => {}) =>
  handleOnce({
    inbox: new Inbox(database(plan)),
    key,
    message: {} as ConsumedMessage,
    handler,
    timeoutMs: 1_000,
    signal: new AbortController().signal,
  });

const failing = (error: unknown): Handler<string> => {
  return async () => {
    throw error;
  };
};

t.test('handled: the row was not there, the handler ran once, COMMIT succeeded', async t => {
  let calls = 0;
  t.same(await handle({}, (_, tx) => (calls += tx === 'tx' ? 1 : 100)), { kind: 'handled' });
  t.equal(calls, 1);
});

t.test('a row that is there is a repeat, and the handler does not run', async t => {
  t.same(await handle({ isThere: true }, () => t.fail('must not run')), { kind: 'repeat' });
  t.same(await handle({ opening: new Error('duplicate key'), isSeen: true }), { kind: 'repeat' });
});

t.test('a COMMIT without success is judged by the row', async t => {
  const error = new Error('connection lost');
  t.same(await handle({ commit: { error, happened: true } }), { kind: 'repeat' });
  t.match(await handle({ commit: { error, happened: false } }), {
    kind: 'failed',
    fault: 'circumstances',
    error: { code: 'COMMIT_FAILED' },
  });
});

t.test('only what the handler throws counts, and only while the database answers', async t => {
  const own = new Error('no such account');
  t.same(await handle({}, failing(own)), { kind: 'failed', error: own, fault: 'attempt' });
  t.match(await handle({ query: new Error('gone') }, failing(own)), { fault: 'circumstances' });
  t.match(await handle({ opening: new Error('gone') }), { fault: 'circumstances' });
  t.match(await handle({ closing: new Error('gone') }), { fault: 'circumstances' });
  t.match(await handle({ transaction: timedOut(5) }), {
    fault: 'circumstances',
    error: { code: 'TRANSACTION_TIMEOUT' },
  });
  t.match(await handle({}, failing(new TransientError('rate limit'))), { fault: 'circumstances' });
  t.match(await handle({}, failing(new PoisonError('never'))), { fault: 'poison' });
  t.match(
    await handle({}, () => {
      throw new PoisonError('at once');
    }),
    { fault: 'poison' },
  );
  t.match(await handle({}, failing(Object.assign(new Error('deadlock'), { code: '40P01' }))), {
    fault: 'circumstances',
  });
  t.match(await handle({}, failing(undefined)), { fault: 'attempt' });
});

t.test('a misused transaction is the program’s fault, row or not', async t => {
  t.match(await handle({ transaction: misused('async'), isSeen: true }), { kind: 'fatal' });
  t.match(await handle({}, failing(misused('COMMIT is not for you'))), { kind: 'fatal' });
});

t.test('the database’s trouble is known through whatever wraps it', async t => {
  const trouble = [
    { code: '40001' },
    { code: '57014' },
    { code: '08006' },
    { code: '53300' },
    { code: '55P03' },
    { code: '25006' },
    { errno: 1213 },
    { errno: 1205 },
    { errno: 1020, sqlState: 'HY000' },
    { sqlState: '40001' },
    { code: 'SQLITE_BUSY_SNAPSHOT' },
    { code: 'SQLITE_FULL' },
    { code: 'SQLITE_IOERR_WRITE' },
    { code: 'P2034' },
    new Error('Connection terminated unexpectedly'),
    new Error('wrapped', { cause: { driverError: { code: '40P01' } } }),
    { meta: { code: '40001' } },
  ];
  for (const error of trouble) t.ok(isDatabaseTrouble(error), JSON.stringify(error));
  const own = [
    null,
    'text',
    new Error('insufficient funds'),
    { code: '23505' },
    { code: '22P02' },
    { errno: 1062, sqlState: '23000' },
    { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' },
    { code: 'ECONNREFUSED', errno: -111 },
    { code: 'P2002' },
  ];
  for (const error of own) t.notOk(isDatabaseTrouble(error), JSON.stringify(error));
  const round: { cause?: unknown } = {};
  round.cause = round;
  t.notOk(isDatabaseTrouble(round), 'ends');
});
