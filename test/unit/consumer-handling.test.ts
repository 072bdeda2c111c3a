/** One try to handle one message: what counts as handled, as a repeat, as the message's fault. */
import t from 'tap';
import { isDatabaseTrouble } from '../../consumer-sdk/inbox/database-trouble.ts';
import { Inbox } from '../../consumer-sdk/inbox/inbox.ts';
import { PoisonError, TransientError } from '../../consumer-sdk/index.ts';
import { type Handler, handleOnce } from '../../consumer-sdk/partition/handling.ts';
import type { ConsumedMessage } from '../../consumer-sdk/record/message.ts';
import {
  CommitFailedError,
  claimLost,
  type LocalDatabase,
  misused,
  timedOut,
} from '../../local-transaction/local-database.ts';
import type { Row, Steps } from '../../local-transaction/statement.ts';

/** A database that has, or does, what a test says. */
interface Plan {
  /** Whether the row is there before. */
  isThere?: boolean;
  /** Whether anybody sees the row afterwards. Default: whether it was inserted. */
  isSeen?: boolean;
  opening?: Error;
  /** What each statement before COMMIT fails with. */
  closing?: Error;
  /** Why the driver gives the transaction up when the handler has returned. */
  sealed?: Error;
  commit?: { error: Error; happened: boolean };
  /** The tool runs a function that failed once more by itself. */
  isTriedAgain?: boolean;
  /** Instead of everything. */
  transaction?: Error;
  query?: Error;
}

const run = (steps: Steps, answer: () => readonly Row[]): void => {
  for (let step = steps.next(); !step.done; ) {
    let rows: readonly Row[];
    try {
      rows = answer();
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(rows);
  }
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
      if (plan.isTriedAgain) {
        try {
          await work.business('tx');
          run(work.closing(), () => []);
        } catch {}
      }
      const value = await work.business('tx');
      if (plan.sealed) throw plan.sealed;
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

t.test('a connection that broke is the database’s only where the transaction’s own does not answer', async t => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  const wrapped = new Error('could not save', { cause: reset });
  const dead = new Error('Client has encountered a connection error and is not queryable');
  for (const error of [reset, wrapped]) {
    t.same(await handle({ closing: dead }, failing(error)), { kind: 'failed', error, fault: 'circumstances' });
    t.same(await handle({ closing: reset }, failing(error)), { kind: 'failed', error, fault: 'circumstances' });
    t.same(await handle({}, failing(error)), { kind: 'failed', error, fault: 'attempt' }, 'another connection');
  }
  const ended = claimLost('The database ended the transaction, and the error was caught.');
  t.match(await handle({ sealed: ended }, failing(reset)), { fault: 'circumstances', error: reset });
  t.match(await handle({ sealed: timedOut(5) }, failing(reset)), { fault: 'circumstances' }, 'no answer in time');
  const running = misused('The function left 1 statement running.');
  t.match(
    await handle({ sealed: running }, failing(reset)),
    { fault: 'attempt', error: reset },
    'as one that fails may',
  );
  const aborted = Object.assign(new Error('current transaction is aborted'), { code: '25P02' });
  t.match(await handle({ closing: aborted }, failing(reset)), { fault: 'attempt' });
  t.match(await handle({ closing: dead, isSeen: true }, failing(reset)), { kind: 'repeat' });
  const poison = new PoisonError('never', { cause: reset });
  t.match(await handle({ closing: dead }, failing(poison)), { fault: 'poison' }, 'it said so');
});

t.test('a tool that runs the handler again is judged by the last time', async t => {
  const errors = [Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), new Error('once')];
  for (const error of errors) {
    let tries = 0;
    const once = () => {
      tries += 1;
      if (tries === 1) throw error;
    };
    t.same(await handle({ isTriedAgain: true }, once), { kind: 'handled' });
    t.equal(tries, 2);
  }
});

t.test('what the handler wrote may be refused at the end, each time: that counts', async t => {
  const refused = [
    { code: '23503' },
    { code: '25P02' },
    { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' },
    { errno: 1452 },
    { cause: { code: '23505' } },
  ].map(fields => Object.assign(new Error('refused'), fields));
  for (const error of refused) {
    t.same(await handle({ closing: error }), { kind: 'failed', error, fault: 'attempt' });
    t.match(await handle({ commit: { error, happened: false } }), {
      fault: 'attempt',
      error: { code: 'COMMIT_FAILED', cause: error },
    });
    t.match(await handle({ commit: { error, happened: true } }), { kind: 'repeat' });
    t.match(await handle({ opening: error }), { fault: 'circumstances' }, 'before the handler it is not the handler’s');
  }
  t.match(await handle({ commit: { error: new Error('connection lost'), happened: false } }), {
    fault: 'circumstances',
  });
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
    { code: '25P03' },
    { code: '25P04' },
    ...[1021, 1030, 1047, 1114, 1412].map(errno => ({ errno, sqlState: 'HY000' })),
    { code: 'PROTOCOL_CONNECTION_LOST', fatal: true },
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
