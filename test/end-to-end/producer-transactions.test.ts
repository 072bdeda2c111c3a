/** `producer.transaction` on SQLite against a real broker: what the caller is told, what stays in both places. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { createProducer, type OutcomeContradicted } from '../../producer-sdk/index.ts';
import { BrokerProcess, eventually } from '../support/broker-process.ts';
import { GROUP, MESSAGES, recordsOf, serve, startBroker, startService, stateOf } from '../support/producer-world.ts';
import { steadyAddress } from '../support/steady-address.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

t.test('committed here, committed there, delivered', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, debit, balance, fenceRows } = await startService(t, { url });
  const done = await producer.transaction({ id: 't1', messages: MESSAGES }, (db, { id }) => `${id}: ${debit(db)}`);
  t.same(done, { id: 't1', value: 't1: 1', repeated: false, delivery: 'acknowledged' });
  t.equal(balance(), 900);
  t.same(fenceRows(), { t1: 'commit' });
  t.equal(await stateOf(broker, 't1'), 'committed');
  await eventually('the record', async () => (await recordsOf(broker)).includes('t1.0'));

  const again = await producer.transaction({ id: 't1', messages: MESSAGES }, db => debit(db));
  t.same(
    again,
    { id: 't1', value: undefined, repeated: true, delivery: 'acknowledged' },
    'the function does not run again',
  );
  t.equal(balance(), 900);
  const made = await producer.transaction({ messages: MESSAGES }, db => debit(db));
  t.match(made, { id: /^[a-z0-9]{24}$/, value: 1 }, 'an id is made where none is given');
});

t.test('a failed function: its own error, nothing in the database, nothing delivered, the id is spent', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, db, debit, balance, fenceRows } = await startService(t, { url });
  const mine = Object.assign(new Error('no'), { mine: true });
  const failing = producer.transaction({ id: 't1', messages: MESSAGES }, open => {
    debit(open);
    throw mine;
  });
  t.equal(await failing.catch((error: unknown) => error), mine, 'unchanged');
  const overdraft = producer.transaction({ id: 't2', messages: MESSAGES }, open =>
    open.exec('update accounts set balance = -1'),
  );
  await t.rejects(overdraft, { code: 'SQLITE_CONSTRAINT_CHECK' });
  const waiting = producer.transaction({ id: 't3', messages: MESSAGES }, async open => debit(open));
  await t.rejects(waiting, { code: 'MISUSED_TRANSACTION', message: /must not be async/ });
  const ending = producer.transaction({ id: 't4', messages: MESSAGES }, open => open.exec('rollback'));
  await t.rejects(ending, { code: 'MISUSED_TRANSACTION' });
  t.equal(balance(), 1_000);
  t.equal(db.inTransaction, false);
  t.same(fenceRows(), { t1: 'rollback', t2: 'rollback', t4: 'rollback' });
  t.equal((await broker.get('/v1/transactions/t3')).status, 404, 'a function that says it is async does not begin');
  for (const id of ['t1', 't2', 't4']) t.equal(await stateOf(broker, id), 'rolled_back', id);
  const again = producer.transaction({ id: 't1', messages: MESSAGES }, open => debit(open));
  await t.rejects(again, { name: 'IdSpentError', code: 'ID_SPENT', transactionId: 't1', retryable: false });
  t.equal(balance(), 1_000);
  t.same(await recordsOf(broker), []);
});

t.test('what cannot be prepared does not begin', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, fenceRows, db } = await startService(t, { url, topics: ['transfers'], deadlineMs: 1_500 });
  let runs = 0;
  const run = (): number => (runs += 1);
  const refused = async (options: object, error: { code: string; message?: RegExp; retryable?: boolean }) => {
    await t.rejects(producer.transaction({ messages: MESSAGES, ...options }, run), error);
  };
  await refused({ id: 'no good' }, { code: 'INVALID_CALL' });
  await refused({ messages: [{ topic: 'others', payload: '' }] }, { code: 'TOPIC_NOT_ALLOWED' });
  await refused({ messages: [{ topic: 'transfers', payload: 'x'.repeat(1_000_001) }] }, { code: 'BODY_TOO_LARGE' });
  await refused({ messages: [] }, { code: 'VALIDATION_FAILED' });
  await refused({ messages: undefined }, { code: 'INVALID_CALL', message: /messages must be given/ });
  await refused({ unheardOf: 1 }, { code: 'VALIDATION_FAILED' });
  await refused({ timeoutMs: 0 }, { code: 'INVALID_CALL' });
  await refused({ signal: AbortSignal.abort() }, { code: 'ABORTED' });
  db.exec('begin');
  await refused({}, { code: 'MISUSED_TRANSACTION', message: /open transaction/ });
  db.exec('rollback');
  await producer.transaction({ id: 'other', messages: MESSAGES }, run);
  await refused(
    { id: 'other', messages: [{ topic: 'transfers', payload: 'else' }] },
    { code: 'EXISTS_WITH_DIFFERENT_CONTENT' },
  );
  await broker.kill();
  await refused({ id: 'away' }, { code: 'NO_ANSWER', retryable: true });
  t.equal(runs, 1);
  t.same(fenceRows(), { other: 'commit' }, 'an id that was not decided stays usable');
});

t.test('a fence that is not fit is refused before the broker is told anything', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, db, fence } = await startService(t, { url });
  db.exec('drop table escrow_fence');
  const attempt = (): Promise<unknown> => producer.transaction({ id: 't1', messages: MESSAGES }, () => 1);
  await t.rejects(attempt(), { code: 'DATABASE_NOT_READY' });
  db.exec(
    'create table escrow_fence (producer_group text, transaction_id text, branch text, op text, outcome text, token text, result text, created_at text, settled_at text)',
  );
  await t.rejects(attempt(), { code: 'DATABASE_NOT_READY' }, 'without a unique key it guards nothing');
  t.equal((await broker.get('/v1/transactions/t1')).status, 404);
  db.exec('drop table escrow_fence');
  await fence.install();
  await attempt();
  t.equal(await stateOf(broker, 't1'), 'committed', 'mended while running');
  t.throws(() => createProducer({ url, group: GROUP, fence }), { code: 'INVALID_CALL' }, 'one producer a fence');
});

t.test('the broker dies between the two commits: the caller succeeds, the check-back finishes', async t => {
  const { broker, url } = await startBroker(t);
  const services: Awaited<ReturnType<typeof startService>>[] = [];
  const checkUrl = await serve(
    t,
    (request, response) => void services.at(-1)!.producer.checkHandler()(request, response),
  );
  const check = { afterMs: 300, intervalMs: 300 };
  const warnings: unknown[] = [];
  const warn = (fields: object): void => void warnings.push((fields as { event: string }).event);
  const logger = { info() {}, warn, error: warn };
  const first = await startService(t, { url, checkUrl, check, confirmMs: 50, deadlineMs: 500, logger });
  services.push(first);
  await first.producer.ready();
  let killed: Promise<void> | null = null;
  const done = await first.producer.transaction({ id: 't1', messages: MESSAGES }, db => {
    killed = broker.kill();
    return first.debit(db);
  });
  await killed;
  t.match(done, { value: 1, repeated: false, delivery: 'pending' });
  await first.producer.close();
  t.ok(warnings.includes('left_to_check_back'), 'it is said');
  services.push(await startService(t, { url, file: first.file, checkUrl, check }));
  await broker.start();
  await eventually('the record', async () => (await recordsOf(broker)).includes('t1.0'));
  t.match((await broker.get('/v1/transactions/t1')).body, { state: 'committed', resolvedBy: 'check' });
});

t.test('a broker that was restored from an older state is given the transaction again', async t => {
  const lives: BrokerProcess[] = [];
  const live = async (): Promise<BrokerProcess> => {
    const broker = new BrokerProcess(temporaryFolder(t), { args: ['--publisher', 'memory'] });
    t.teardown(() => broker.kill());
    await broker.start();
    lives.push(broker);
    return broker;
  };
  const before = await live();
  const url = await steadyAddress(t, () => lives.at(-1)!.url);
  const { producer, debit } = await startService(t, { url });
  await producer.ready();
  const after = await live();
  await after.put(`/v1/producer-groups/${GROUP}`, {});
  lives.pop();
  await producer.transaction({ id: 't0', messages: MESSAGES }, db => debit(db));
  await producer.transaction({ id: 't1', messages: MESSAGES }, db => {
    lives.push(after);
    process.kill(before.pid, 'SIGKILL');
    return debit(db);
  });
  await eventually('the record', async () => (await recordsOf(after)).includes('t1.0'));
  t.equal(await stateOf(after, 't1'), 'committed');
  t.equal((await after.get('/v1/transactions/t0')).status, 404, 'only what was under way is given again');
});

/** An operator's act while a synchronous function runs. */
const meanwhile = (broker: BrokerProcess, id: string, how: 'commit' | 'rollback'): void => {
  const call = `fetch(process.argv[1], { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"reason":"a person decided"}' })`;
  const path = `${broker.url}/v1/transactions/${id}/${how}`;
  execFileSync(process.execPath, ['-e', `${call}.then(answer => process.exit(answer.ok ? 0 : 1))`, path]);
};

t.test('the broker holds the opposite: the caller is told, or whoever listens', async t => {
  const { broker, url } = await startBroker(t);
  const told: OutcomeContradicted[] = [];
  const { producer, debit, balance, fenceRows } = await startService(t, {
    url,
    onContradiction: error => told.push(error),
  });
  const contradicted = { name: 'OutcomeContradicted', code: 'OUTCOME_CONTRADICTED', retryable: false };

  await producer.prepare({ id: 't1', messages: MESSAGES });
  meanwhile(broker, 't1', 'rollback');
  await t.rejects(
    producer.transaction({ id: 't1', messages: MESSAGES }, db => debit(db)),
    { code: 'ID_SPENT' },
  );
  await producer.prepare({ id: 't2', messages: MESSAGES });
  meanwhile(broker, 't2', 'commit');
  await t.rejects(
    producer.transaction({ id: 't2', messages: MESSAGES }, db => debit(db)),
    contradicted,
  );
  t.equal(balance(), 1_000, 'neither began');

  const against = producer.transaction({ id: 't3', messages: MESSAGES }, db => {
    meanwhile(broker, 't3', 'rollback');
    return debit(db);
  });
  await t.rejects(against, { ...contradicted, transactionId: 't3', cause: { code: 'ALREADY_ROLLED_BACK' } });
  t.same([balance(), fenceRows().t3], [900, 'commit'], 'the database has committed, and stays so');
  t.same(told, [], 'whoever was told by an error is not told twice');

  const mine = new Error('no');
  const failing = producer.transaction({ id: 't4', messages: MESSAGES }, () => {
    meanwhile(broker, 't4', 'commit');
    throw mine;
  });
  t.equal(await failing.catch((error: unknown) => error), mine);
  t.match(told, [{ ...contradicted, transactionId: 't4' }]);
  t.equal((await broker.get('/v1/transactions?contradicted=true')).body.items.length, 2, 'the broker lists both');
});

t.test('a transaction inside another one, and after it', async t => {
  const { url } = await startBroker(t);
  const { producer, debit } = await startService(t, { url });
  let inner: Promise<unknown> = Promise.resolve();
  let later: Promise<unknown> = Promise.resolve();
  await producer.transaction({ messages: MESSAGES }, db => {
    inner = producer.transaction({ messages: MESSAGES }, () => 1).catch((error: unknown) => error);
    later = new Promise(resolve => setImmediate(resolve)).then(() => debit(db));
    return debit(db);
  });
  t.match(await inner, { name: 'NestedTransactionError', code: 'NESTED_TRANSACTION' });
  await later;
  let after: Promise<unknown> = Promise.resolve();
  await producer.transaction({ messages: MESSAGES }, () => {
    after = new Promise(resolve => setTimeout(resolve, 0)).then(() =>
      producer.transaction({ messages: MESSAGES }, () => 2),
    );
  });
  t.match(await after, { value: 2 }, 'what a function starts may go on after it');
});

t.test('two processes with one id: one of them does it', async t => {
  const { broker, url } = await startBroker(t);
  const one = await startService(t, { url });
  const two = await startService(t, { url, file: one.file });
  const both = await Promise.all(
    [one, two].map(({ producer, debit }) => producer.transaction({ id: 't1', messages: MESSAGES }, db => debit(db))),
  );
  t.same(both.map(({ repeated }) => repeated).sort(), [false, true]);
  t.equal(one.balance(), 900);
  await eventually('the record', async () => (await recordsOf(broker)).includes('t1.0'));
});

t.test('close waits for what is under way, and refuses what comes after', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, debit } = await startService(t, { url, confirmMs: 0 });
  const open = Array.from({ length: 20 }, (_, index) =>
    producer.transaction({ id: `t${index}`, messages: MESSAGES }, db => (index < 5 ? debit(db) : index)),
  );
  await producer.ready();
  await producer.close();
  for (const done of await Promise.all(open)) t.equal(await stateOf(broker, done.id), 'committed');
  await t.rejects(
    producer.transaction({ messages: MESSAGES }, () => 1),
    { code: 'CLIENT_CLOSED' },
  );
});

t.test('a group that the broker refuses is an error, not a wait', async t => {
  const { url } = await startBroker(t);
  const { producer } = await startService(t, { url, checkUrl: 'https://10.0.0.1/check', checkSecret: SECRET });
  await t.rejects(producer.ready(), { code: 'CHECK_ADDRESS_NOT_ALLOWED' });
  await t.rejects(
    producer.transaction({ messages: MESSAGES }, () => 1),
    { code: 'CHECK_ADDRESS_NOT_ALLOWED' },
  );
});

t.test('a broker that comes later is waited for', async t => {
  const broker = new BrokerProcess(temporaryFolder(t), { args: ['--publisher', 'memory'] });
  t.teardown(() => broker.kill());
  const url = await steadyAddress(t, () => broker.url || 'http://127.0.0.1:1');
  const { producer, debit } = await startService(t, { url });
  const waiting = producer.transaction({ id: 't1', messages: MESSAGES }, db => debit(db));
  await broker.start();
  t.match(await waiting, { value: 1, delivery: 'acknowledged' });
});

t.test('the fence forgets what the broker has ended long ago, and nothing else', async t => {
  const { broker, url } = await startBroker(t);
  const { producer, fence, fenceRows, db } = await startService(t, { url });
  for (const id of ['t1', 't2', 't3']) await producer.transaction({ id, messages: MESSAGES }, () => 1);
  await t.rejects(producer.transaction({ id: 't4', messages: MESSAGES }, () => JSON.parse('no')));
  await producer.prepare({ id: 'open', messages: MESSAGES });
  db.prepare(
    `insert into escrow_fence select producer_group, 'open', branch, op, outcome, token, result, created_at, null from escrow_fence where transaction_id = 't1'`,
  ).run();
  db.prepare(
    `insert into escrow_fence select producer_group, 'lost', branch, op, outcome, token, result, created_at, null from escrow_fence where transaction_id = 't1'`,
  ).run();
  t.same(await fence.purge(), { settled: 0, deleted: 0, reopened: 0, unknown: 0 }, 'too young to be asked about');
  t.same(await fence.purge({ minAgeMs: 0 }), { settled: 4, deleted: 0, reopened: 0, unknown: 1 });
  db.exec(
    `update escrow_fence set settled_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-31 days') where transaction_id in ('t1', 't4')`,
  );
  db.exec(
    `update escrow_fence set settled_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-29 days') where transaction_id = 't2'`,
  );
  // As if the broker had been restored from a backup that is older than the mark.
  db.exec(`update escrow_fence set settled_at = '2020-01-01T00:00:00.000Z' where transaction_id = 'open'`);
  t.same(await fence.purge({ minAgeMs: 0 }), { settled: 0, deleted: 2, reopened: 1, unknown: 1 });
  t.same(fenceRows(), { t2: 'commit', t3: 'commit', open: 'commit', lost: 'commit' });
  await broker.kill();
  db.exec(`update escrow_fence set settled_at = '2020-01-01T00:00:00.000Z'`);
  const silent = await startService(t, { url, file: db.name, deadlineMs: 300 });
  await t.rejects(silent.fence.purge({ minAgeMs: 0 }), { code: 'NO_ANSWER' });
  t.equal(Object.keys(fenceRows()).length, 4, 'nothing is deleted without having asked');
});
