/** `producer.transaction` on PostgreSQL and MariaDB against a real broker: what the caller is told, what stays in both. */
import t, { type Test } from 'tap';
import { startBatchDouble } from '../support/batch-double.ts';
import { eventually } from '../support/broker-process.ts';
import { type CommitFate, type DatabaseProxy, databaseProxy } from '../support/database-proxy.ts';
import {
  FENCED_DATABASES,
  type FencedDatabase,
  type FencedService,
  type ServiceOptions,
} from '../support/fence-accounts.ts';
import { MESSAGES, recordsOf, serve, startBroker, stateOf } from '../support/producer-world.ts';
import { until } from '../support/until.ts';

t.setTimeout(240_000);

const TOO_LARGE = { topic: 'transfers', payload: 'x'.repeat(1_000_001) };
const TRANSFER = MESSAGES[0]!;

const begin = async (t: Test, kind: FencedDatabase, options: Partial<ServiceOptions> = {}) => {
  const { broker, url } = await startBroker(t);
  const made = await kind.create(t);
  const service = await kind.start(t, made, { url, ...options });
  return { broker, url, made, ...service };
};

/** A promise that the test settles. */
const latch = (): { readonly opened: Promise<void>; open(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};

/** What happens to the next COMMIT alone: the statements of the fence have that word in them too. */
const once = (proxy: DatabaseProxy, fate: CommitFate): void => {
  let next = fate;
  Object.defineProperty(proxy, 'fate', {
    configurable: true,
    get: () => {
      const now = next;
      next = 'pass';
      return now;
    },
  });
};

const on = (kind: FencedDatabase) => async (t: Test) => {
  await t.test('committed here, committed there, delivered; the id does not run again', async t => {
    const { broker, producer, debit, balance, fenceRows, lent } = await begin(t, kind);
    const done = await producer.transaction({ id: 't1', messages: MESSAGES }, async (tx, { id }) => {
      await debit(tx);
      return id;
    });
    t.same(done, { id: 't1', value: 't1', repeated: false, delivery: 'acknowledged' });
    t.equal(await balance(), 900);
    t.same(await fenceRows(), { t1: 'commit' });
    t.equal(await stateOf(broker, 't1'), 'committed');
    await eventually('the record', async () => (await recordsOf(broker)).includes('t1.0'));
    const again = await producer.transaction({ id: 't1', messages: MESSAGES }, debit);
    t.same(again, { id: 't1', value: undefined, repeated: true, delivery: 'acknowledged' });
    t.equal(await balance(), 900);
    await until('the pool has all connections back', () => lent() === 0);
  });

  await t.test('a failed function: its own error, nothing anywhere, the id is spent', async t => {
    const { broker, producer, debit, run, balance, fenceRows } = await begin(t, kind);
    const mine = Object.assign(new Error('no'), { mine: true });
    const failing = producer.transaction({ id: 't1', messages: MESSAGES }, async tx => {
      await debit(tx);
      throw mine;
    });
    t.equal(await failing.catch((error: unknown) => error), mine, 'unchanged');
    const overdraft = producer.transaction({ id: 't2', messages: MESSAGES }, tx =>
      run(tx, 'update accounts set balance = -1'),
    );
    await t.rejects(overdraft, { message: /check|constraint/i });
    t.equal(await balance(), 1_000);
    t.same(await fenceRows(), { t1: 'rollback', t2: 'rollback' });
    for (const id of ['t1', 't2']) t.equal(await stateOf(broker, id), 'rolled_back', id);
    await t.rejects(producer.transaction({ id: 't1', messages: MESSAGES }, debit), { code: 'ID_SPENT' });
    t.same(await recordsOf(broker), []);
  });

  await t.test('messages given by the function: prepared at its end, with ids that the database made', async t => {
    const service = await begin(t, kind);
    const { broker, producer, debit, balance, fenceRows } = service;
    const done = await producer.transaction({ id: 't1' }, async (tx, { send }) => {
      await debit(tx);
      const order = await kind.newOrder(service, tx);
      send({ ...TRANSFER, key: `order-${order}`, payload: JSON.stringify({ order }) });
      t.equal((await broker.get('/v1/transactions/t1')).status, 404, 'the broker is told at the end');
      return order;
    });
    t.match(done, { value: 1, repeated: false, delivery: 'acknowledged' });
    await eventually('the record', async () => (await recordsOf(broker)).includes('t1.0'));
    t.match((await broker.get('/v1/transactions/t1')).body, { messages: [{ key: 'order-1' }] });

    const silent = await producer.transaction({ id: 't2' }, debit);
    t.equal(silent.delivery, 'none', 'no message, no transaction at the broker');
    t.equal((await broker.get('/v1/transactions/t2')).status, 404);
    t.equal(await balance(), 800);
    t.same(await fenceRows(), { t1: 'commit', t2: 'commit' });
  });

  await t.test('messages given by the function that the broker refuses, or does not answer for', async t => {
    const { broker, producer, debit, balance, fenceRows } = await begin(t, kind, { latePrepareMs: 300 });
    const refused = producer.transaction({ id: 't1' }, async (tx, { send }) => {
      await debit(tx);
      send(TOO_LARGE);
    });
    await t.rejects(refused, { code: 'BODY_TOO_LARGE' });
    const unanswered = producer.transaction({ id: 't2' }, async (tx, { send }) => {
      await debit(tx);
      send(TRANSFER);
      await broker.kill();
    });
    await t.rejects(unanswered, { code: 'NOT_COMMITTED', cause: { code: 'NO_ANSWER' } });
    t.equal(await balance(), 1_000);
    t.same(await fenceRows(), { t1: 'rollback', t2: 'rollback' }, 'the verdict stands, should the prepare arrive yet');
    await broker.start();
    await t.rejects(producer.transaction({ id: 't2', messages: [TRANSFER] }, debit), { code: 'ID_SPENT' });
    await eventually('the broker to know', async () => (await stateOf(broker, 't2')) === 'rolled_back');
  });

  await t.test('COMMIT without an answer: the fence says what happened', async t => {
    const { url } = await startBroker(t);
    const made = await kind.create(t);
    const proxy = await databaseProxy(t, made);
    const { producer, debit, balance, fenceRows } = await kind.start(t, made, { url, through: proxy });
    await producer.ready();
    const attempt = (id: string, fate: CommitFate): Promise<unknown> =>
      producer.transaction({ id, messages: MESSAGES, timeoutMs: 1_000 }, async tx => {
        await debit(tx);
        once(proxy, fate);
        return fate;
      });
    const committed = { repeated: false, delivery: 'acknowledged' };
    t.match(await attempt('t1', 'cut after'), { ...committed, value: 'cut after' });
    t.match(await attempt('t2', 'swallow'), { ...committed, value: 'swallow' });
    await t.rejects(attempt('t3', 'cut before'), { code: 'NOT_COMMITTED', transactionId: 't3' });
    t.equal(await balance(), 800);
    t.same(await fenceRows(), { t1: 'commit', t2: 'commit', t3: 'rollback' });
  });

  await t.test(
    'COMMIT without an answer, and the database is gone: not known, and the broker is told nothing',
    async t => {
      const server = await kind.ownServer(t);
      const double = await startBatchDouble(t);
      double.single = () => ({ status: 200, body: {} });
      const made = await kind.create(t, server);
      const { producer, debit, balance, fenceRows } = await kind.start(t, made, { url: double.url });
      await producer.ready();
      // The last thing before COMMIT is the prepare: while it is answered the database dies.
      double.behave = n => (n === 0 ? { hold: server.kill() } : {});
      const attempt = producer.transaction({ id: 't1' }, async (tx, { send }) => {
        await debit(tx);
        send(TRANSFER);
      });
      await t.rejects(attempt, { code: 'OUTCOME_UNKNOWN', transactionId: 't1' });
      t.same(double.batches, [['t1']], 'a prepare and nothing else');
      await server.start();
      t.match(await producer.settle('t1'), { outcome: 'rolled_back' });
      t.same(await fenceRows(), { t1: 'rollback' });
      t.equal(await balance(), 1_000);
    },
  );

  await t.test('a function that never settles, and one that does not await', async t => {
    const { broker, producer, debit, balance, fenceRows, run, lent } = await begin(t, kind);
    const endless = producer.transaction({ id: 't1', messages: MESSAGES, timeoutMs: 500 }, async tx => {
      await debit(tx);
      await new Promise(() => {});
    });
    await t.rejects(endless, { code: 'TRANSACTION_TIMEOUT' });
    const hasty = producer.transaction({ id: 't2', messages: MESSAGES }, tx => {
      run(tx, 'update accounts set balance = balance - 100').catch(() => {});
    });
    await t.rejects(hasty, { code: 'MISUSED_TRANSACTION', message: /await/ });
    t.equal(await balance(), 1_000);
    t.same(await fenceRows(), { t1: 'rollback', t2: 'rollback' });
    for (const id of ['t1', 't2']) t.equal(await stateOf(broker, id), 'rolled_back', id);
    await until('the pool has all connections back', () => lent() === 0);
  });

  await t.test('two instances with one id: the second one waits, and does not do it again', async t => {
    const { producer, debit, balance, url, made, waiting } = await begin(t, kind);
    const other: FencedService = await kind.start(t, made, { url });
    const [isInside, mayEnd] = [latch(), latch()];
    const first = producer.transaction({ id: 't1', messages: MESSAGES }, async tx => {
      await debit(tx);
      isInside.open();
      await mayEnd.opened;
    });
    await isInside.opened;
    const second = other.producer.transaction({ id: 't1', messages: MESSAGES }, other.debit);
    await until('the second one waits', async () => (await waiting()) > 0);
    mayEnd.open();
    t.match(await first, { repeated: false, delivery: 'acknowledged' });
    t.match(await second, { repeated: true, delivery: 'acknowledged' });
    t.equal(await balance(), 900);
  });

  await t.test('a check-back while the transaction is open: unknown, and then the commit stands', async t => {
    const { url, broker } = await startBroker(t);
    const made = await kind.create(t);
    const services: FencedService[] = [];
    const checkUrl = await serve(t, (request, response) => {
      void services[0]!.producer.checkHandler()(request, response);
    });
    const check = { afterMs: 200, intervalMs: 60_000 };
    const service = await kind.start(t, made, { url, checkUrl, check });
    services.push(service);
    const { producer, debit, balance, fenceRows } = service;
    const done = await producer.transaction({ id: 't1', messages: MESSAGES }, async tx => {
      await debit(tx);
      await eventually('an answer', async () => (await broker.get('/v1/transactions/t1')).body.check.attempts === 1);
    });
    t.match(done, { delivery: 'acknowledged' });
    const { body } = await broker.get('/v1/transactions/t1');
    t.match(body, { state: 'committed', resolvedBy: 'producer', contradicted: false, check: { attempts: 1 } });
    t.equal(await balance(), 900);
    t.same(await fenceRows(), { t1: 'commit' });
  });

  await t.test('a transaction inside of another one, and a pool of one', async t => {
    const { producer, debit, balance, fenceRows } = await begin(t, kind, { max: 1 });
    const outer = await producer.transaction({ id: 't1', messages: MESSAGES }, async tx => {
      await debit(tx);
      await t.rejects(producer.transaction({ id: 't2', messages: MESSAGES }, debit), { code: 'NESTED_TRANSACTION' });
    });
    t.match(outer, { delivery: 'acknowledged' });
    const failing = producer.transaction({ id: 't3' }, async (tx, { send }) => {
      await debit(tx);
      send(TOO_LARGE);
    });
    await t.rejects(failing, { code: 'BODY_TOO_LARGE' });
    const late = await Promise.all(
      ['t4', 't5', 't6'].map(id =>
        producer.transaction({ id }, async (tx, { send }) => {
          await debit(tx);
          send(TRANSFER);
        }),
      ),
    );
    t.same(
      late.map(({ delivery }) => delivery),
      ['acknowledged', 'acknowledged', 'acknowledged'],
    );
    t.equal(await balance(), 600);
    t.same(await fenceRows(), { t1: 'commit', t3: 'rollback', t4: 'commit', t5: 'commit', t6: 'commit' });
  });

  await t.test('ids that differ in their letters’ case are two; what is ended is purged in time', async t => {
    const { broker, producer, fence, debit, balance, fenceRows, outside } = await begin(t, kind);
    await producer.transaction({ id: 'order-1', messages: MESSAGES }, debit);
    await producer.transaction({ id: 'ORDER-1', messages: MESSAGES }, debit);
    t.equal(await balance(), 800);
    await broker.post('/v1/transactions', { id: 'open', group: 'bank-a', messages: MESSAGES });
    await outside(
      `insert into escrow_fence (producer_group, transaction_id, branch, op, outcome, token, created_at)
       select producer_group, 'open', branch, op, outcome, token, created_at from escrow_fence where transaction_id = 'order-1'`,
    );
    const old = `'2020-01-01 00:00:00'`;
    await outside(`update escrow_fence set created_at = ${old}`);
    t.match(await fence.purge(), { settled: 2, deleted: 0, reopened: 0, unknown: 0 });
    t.equal(Object.keys(await fenceRows()).length, 3, 'seen ended, and kept for 30 days');
    await outside(`update escrow_fence set settled_at = ${old}`);
    t.match(await fence.purge(), { settled: 0, deleted: 2, reopened: 1, unknown: 0 });
    t.same(await fenceRows(), { open: 'commit' }, 'the broker may still ask about it');
  });
};

for (const kind of FENCED_DATABASES) t.test(kind.name, kind.needs, on(kind));
