/** Corners of `producer.transaction` in which a message and its effect could part, and callers hear what is not so. */
import { execFile } from 'node:child_process';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import {
  betterSqlite3Fence,
  createProducer,
  type Producer,
  type ProducerOptions,
  type SqlFence,
  type SqlTool,
  sqlFence,
} from '../../producer-sdk/index.ts';
import { BatchDouble } from '../support/batch-double.ts';
import { eventually } from '../support/broker-process.ts';
import { mariadbPool, needsMariadb } from '../support/databases.ts';
import {
  GROUP,
  MESSAGES,
  openAccounts,
  recordsOf,
  serve,
  startBroker,
  startService,
  stateOf,
} from '../support/producer-world.ts';
import { temporaryFolder } from '../support/store.ts';
import { until } from '../support/until.ts';

t.setTimeout(120_000);

type Db = Database.Database;

/** A tool with one SQLite connection for everybody, whose functions are async; it tries twice where it is told to. */
const sharedConnection = (db: Db, attempts = 1): SqlTool<Db, Db> => ({
  dialect: 'sqlite',
  db,
  transaction: async (open, work) => {
    for (let attempt = 1; ; attempt += 1) {
      open.exec('begin');
      try {
        await work(open);
        open.exec('commit');
        return;
      } catch (error) {
        open.exec('rollback');
        if (attempt >= attempts) throw error;
      }
    }
  },
  query: async (open, { sql, params }) => {
    const statement = open.prepare(sql);
    return statement.reader ? statement.all(...params) : void statement.run(...params);
  },
});

const gate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};

const startShared = async (
  t: Test,
  options: Partial<ProducerOptions<Db>> & { url: string },
  attempts = 1,
): Promise<{ db: Db; fence: SqlFence<Db>; producer: Producer<Db>; rows: () => unknown[] }> => {
  const db = openAccounts(join(temporaryFolder(t), 'a.db'));
  db.pragma('synchronous = FULL');
  db.exec('create table notes (note text)');
  const fence = sqlFence(sharedConnection(db, attempts));
  await fence.install();
  const producer = createProducer({ group: GROUP, fence, ...options });
  t.teardown(async () => {
    await producer.close();
    db.close();
  });
  return {
    db,
    fence,
    producer,
    rows: () => db.prepare('select transaction_id, outcome from escrow_fence').raw().all(),
  };
};

const note = (db: Db, text: string): unknown => db.prepare('insert into notes values (?)').run(text);
const notesIn = (db: Db): unknown[] => db.prepare('select note from notes').pluck().all();

t.test('a check-back on a shared SQLite connection does not answer from inside the open transaction', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, db, rows } = await startShared(t, { url });
  const checkUrl = await serve(t, producer.checkHandler());
  const asked = JSON.stringify({ group: GROUP, checks: [{ transactionId: 't1', attempt: 1, preparedAt: 'x' }] });
  const headers = { 'content-type': 'application/json' };
  let answer: { resolutions?: unknown[] } = {};
  const failing = producer.transaction({ id: 't1', messages: MESSAGES }, async open => {
    note(open, 'x');
    answer = (await (await fetch(checkUrl, { method: 'POST', headers, body: asked })).json()) as typeof answer;
    throw new Error('no');
  });
  await t.rejects(failing, { message: 'no' });
  t.same(answer.resolutions ?? [], [], 'nothing is said of it');
  t.same([notesIn(db), rows(), await stateOf(broker, 't1')], [[], [['t1', 'rollback']], 'rolled_back']);
});

t.test('a tool that runs the function again: only what its last run gave is sent', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, db } = await startShared(t, { url }, 2);
  let runs = 0;
  const done = await producer.transaction({ id: 't1' }, async (open, { send }) => {
    runs += 1;
    note(open, `run ${runs}`);
    send({ topic: 'transfers', payload: `run ${runs}` });
    if (runs === 1) throw new Error('try again');
  });
  t.match(done, { delivery: 'acknowledged', repeated: false });
  t.same(notesIn(db), ['run 2']);
  await eventually('the record', async () => (await recordsOf(broker)).length > 0);
  const { body } = await broker.get('/v1/memory/records?topic=transfers');
  t.same(
    body.items.map(({ payload }: { payload: string }) => payload),
    ['run 2'],
  );
});

t.test('a late transaction that is repeated goes on to the broker’s commit', async t => {
  const double = new BatchDouble();
  await double.listen();
  t.teardown(() => double.close());
  double.single = () => ({ status: 200, body: { group: GROUP } });
  double.behave = (_, { operations }) =>
    operations.some(({ op }) => op === 'commit') ? { isApplied: false, cut: 'before' } : {};
  const { producer } = await startShared(t, { url: double.url, deadlineMs: 400, confirmMs: 0 });
  const run = () =>
    producer.transaction({ id: 't1' }, async (open, { send }) => {
      note(open, 'x');
      send(MESSAGES[0]!);
    });
  t.match(await run(), { repeated: false, delivery: 'pending' });
  await until('the commit was given up', () => double.underWay === 0);
  t.equal(double.transactions.get('t1')?.state, 'prepared');
  double.behave = () => ({});
  const silent = () => producer.transaction({ id: 't2' }, async open => note(open, 'y'));
  t.match(await run(), { repeated: true });
  await until('the broker has it', () => double.transactions.get('t1')?.state === 'committed');
  t.match(await silent(), { repeated: false, delivery: 'none' });
  t.match(await silent(), { repeated: true });
});

t.test('what a function does after its time is up is not committed by itself', async t => {
  const { url } = await startBroker(t);
  const { producer, db } = await startShared(t, { url });
  await producer.ready();
  const held = gate();
  const late = producer.transaction({ messages: MESSAGES, timeoutMs: 200 }, async open => {
    await held.opened;
    note(open, 'after');
  });
  const failed = late.catch((error: unknown) => error);
  const { code } = (await failed) as { code: string };
  t.equal(code, 'TRANSACTION_TIMEOUT');
  held.open();
  await until('it is rolled back', () => !db.inTransaction);
  t.same(notesIn(db), []);
});

t.test('an iterator that is left open: nothing commits, and the connection comes back', async t => {
  const { url } = await startBroker(t);
  const { producer, db, debit, balance } = await startService(t, { url });
  db.exec('create table many (n integer); insert into many values (1), (2), (3)');
  let iterator: IterableIterator<unknown> = [][Symbol.iterator]();
  const leaving = producer.transaction({ messages: MESSAGES, timeoutMs: 1_000 }, open => {
    debit(open);
    iterator = open.prepare('select n from many').iterate();
    iterator.next();
  });
  await t.rejects(leaving, { code: 'MISUSED_TRANSACTION', message: /iterator/ });
  iterator.return!();
  t.match(await producer.transaction({ messages: MESSAGES }, () => 7), { value: 7 });
  t.equal(balance(), 1_000);
});

t.test('what cannot be right is refused before anything happens', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, fenceRows } = await startService(t, { url });
  const run = (options: object, business: unknown = () => 1): Promise<unknown> =>
    producer.transaction({ messages: MESSAGES, ...options }, business as () => number);
  await t.rejects(run({ group: 'bank-z' }), { code: 'INVALID_CALL', message: /bank-a/ });
  await t.rejects(
    run({}, async () => 1),
    { code: 'MISUSED_TRANSACTION' },
  );
  await t.rejects(
    run({}, function* () {
      yield 1;
    }),
    { code: 'MISUSED_TRANSACTION' },
  );
  t.same(fenceRows(), {});
  t.same((await broker.get('/v1/transactions')).body.items, []);
  const db = openAccounts(join(temporaryFolder(t), 'b.db'));
  t.throws(() => createProducer({ url, fence: betterSqlite3Fence(db) } as never), {
    code: 'INVALID_CALL',
    message: /group/,
  });
  db.close();
});

t.test('an invalid message given inside spends no id', async t => {
  const { url } = await startBroker(t);
  const { producer, rows } = await startShared(t, { url });
  const run = (payload: unknown): Promise<unknown> =>
    producer.transaction({ id: 't1' }, async (_, { send }) => send({ topic: 'transfers', payload: payload as string }));
  await t.rejects(run(7), { code: 'INVALID_CALL' });
  t.same(rows(), []);
  t.match(await run('7'), { repeated: false, delivery: 'acknowledged' });
});

t.test('messages are as they were when they were given', async t => {
  const { broker, url } = await startBroker(t);
  const { producer } = await startShared(t, { url });
  const message = { topic: 'transfers', payload: '' };
  await producer.transaction({}, async (_, { send }) => {
    for (const n of [1, 2, 3]) {
      message.payload = `n ${n}`;
      send(message);
    }
  });
  await eventually('the records', async () => (await recordsOf(broker)).length === 3);
  const { body } = await broker.get('/v1/memory/records?topic=transfers');
  t.same(body.items.map(({ payload }: { payload: string }) => payload).sort(), ['n 1', 'n 2', 'n 3']);
});

t.test('verdicts are written where the data is, wherever the process has gone since', async t => {
  const { url } = await startBroker(t);
  const folder = temporaryFolder(t);
  openAccounts(join(folder, 'a.db')).close();
  const home = process.cwd();
  t.teardown(() => process.chdir(home));
  process.chdir(folder);
  const db = new Database(basename('a.db'));
  db.defaultSafeIntegers(true);
  const fence = betterSqlite3Fence(db);
  process.chdir(dirname(folder));
  await fence.install();
  const producer = createProducer({ url, group: GROUP, fence });
  t.match(await producer.transaction({ id: 't1', messages: MESSAGES }, () => 1), { value: 1 });
  t.match(await producer.settle('t1'), { outcome: 'committed' });
  await producer.close();
  db.close();
  process.chdir(home);
});

t.test('a claim in a transaction that a power cut may undo is refused', async t => {
  const { url } = await startBroker(t);
  const { producer, fence, db } = await startService(t, { url });
  await producer.prepare({ id: 't1', messages: MESSAGES });
  db.pragma('synchronous = NORMAL');
  db.exec('begin immediate');
  await t.rejects(fence.claim(db, 't1'), { code: 'DATABASE_NOT_READY', message: /synchronous/ });
  db.exec('rollback');
  t.match(await producer.settle('t1'), { outcome: 'rolled_back' });
});

t.test('on MariaDB: texts that would commit are refused, wherever the word stands', needsMariadb, async t => {
  const { url } = await startBroker(t);
  const pool = await mariadbPool(t);
  const { mysqlFence } = await import('../../producer-sdk/index.ts');
  const fence = mysqlFence(pool);
  await fence.install();
  const producer = createProducer({ url, group: GROUP, fence });
  for (const text of [
    "set @note='x', autocommit=1",
    'set `autocommit`=1',
    "execute immediate 'commit'",
    'SET autocommit = 1',
  ]) {
    const doing = producer.transaction({ messages: MESSAGES }, tx => tx.query(text));
    await t.rejects(doing, { code: 'MISUSED_TRANSACTION' }, text);
  }
  t.match(
    await producer.transaction({ messages: MESSAGES }, tx => tx.query("set @autocommit = 1, @x = 'autocommit = 1'")),
    {
      repeated: false,
    },
  );
  await producer.close();
});

t.test(
  'waiting for the registration: ends by its signal, says what stands in the way, warns where nobody can be asked',
  async t => {
    const { url } = await startBroker(t);
    const events: string[] = [];
    const say = (fields: object): void => void events.push((fields as { event: string }).event);
    const logger = { info: say, warn: say, error: say };
    const away = await startService(t, { url: 'http://127.0.0.1:1', deadlineMs: 300, logger });
    const stop = new AbortController();
    const aborted = away.producer.transaction({ messages: MESSAGES, signal: stop.signal }, () => 1);
    stop.abort(new Error('enough'));
    await t.rejects(aborted, { code: 'ABORTED', cause: { message: 'enough' } });
    await t.rejects(away.producer.ready({ deadlineMs: 1_000 }), { code: 'NO_ANSWER', cause: { code: 'NO_ANSWER' } });
    t.same(events.filter(event => event === 'group_waits').length, 1);
    const here = await startService(t, { url, logger });
    await here.producer.ready();
    t.ok(events.includes('no_check_url'));
  },
);

t.test('a rejection that nobody awaits is not swallowed', async t => {
  const program = `import { createProducer } from ${JSON.stringify(resolve('producer-sdk/index.ts'))};
    const producer = createProducer({ url: 'http://127.0.0.1:1', group: 'g', check: async () => 'unknown' });
    void producer.transaction({ id: 'no good', messages: [] }, () => 1);`;
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  await t.rejects(running, { code: 1, stderr: /INVALID_CALL/ });
});
