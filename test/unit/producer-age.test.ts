/** What was prepared long ago does not begin any more, and is not prepared again: the machine may have slept. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { clock } from '../../producer-sdk/clock.ts';
import { betterSqlite3Fence, createClient, createProducer } from '../../producer-sdk/index.ts';
import { BatchDouble } from '../support/batch-double.ts';
import { MESSAGES, openAccounts } from '../support/producer-world.ts';
import { temporaryFolder } from '../support/store.ts';
import { until } from '../support/until.ts';

const MINUTE_MS = 60_000;
const { ageMs } = clock;
/** As if the machine had slept between any two looks at the clock. */
const sleepFor = (ms: number): void => {
  clock.ageMs = since => ageMs(since) + ms;
};
t.afterEach(() => sleepFor(0));

const startWorld = async (t: Test) => {
  const double = new BatchDouble();
  await double.listen();
  double.single = () => ({ status: 200, body: { group: 'g' } });
  const db = openAccounts(join(temporaryFolder(t), 'a.db'));
  const fence = betterSqlite3Fence(db);
  await fence.install();
  const producer = createProducer({ url: double.url, group: 'g', fence });
  t.teardown(async () => {
    await producer.close();
    db.close();
    await double.close();
  });
  const stateOf = (id: string): string | undefined => double.transactions.get(id)?.state;
  const rows = (): unknown => db.prepare('select transaction_id, outcome from escrow_fence').raw().all();
  return { double, db, fence, producer, stateOf, rows };
};

t.test('a local transaction that begins more than an hour after its prepare is rolled back', async t => {
  const { producer, stateOf, rows } = await startWorld(t);
  let runs = 0;
  sleepFor(61 * MINUTE_MS);
  const late = producer.transaction({ id: 'late', messages: MESSAGES }, () => (runs += 1));
  await t.rejects(late, { name: 'TooLateError', code: 'TOO_LATE', transactionId: 'late' });
  t.same([runs, rows(), stateOf('late')], [0, [['late', 'rollback']], 'rolled_back']);
  sleepFor(59 * MINUTE_MS);
  await producer.transaction({ id: 'timely', messages: MESSAGES }, () => (runs += 1));
  t.same([runs, stateOf('timely')], [1, 'committed']);
});

t.test('so is one that a tool of the user’s began', async t => {
  const { producer, fence, db, stateOf } = await startWorld(t);
  await producer.prepare({ id: 'late', messages: MESSAGES });
  sleepFor(61 * MINUTE_MS);
  db.pragma('synchronous = FULL');
  db.exec('begin immediate');
  await t.rejects(fence.claim(db, 'late'), { code: 'TOO_LATE' });
  db.exec('rollback');
  t.match(await producer.settle('late'), { outcome: 'rolled_back', delivery: 'acknowledged' });
  t.equal(stateOf('late'), 'rolled_back');
});

t.test('a prepare without answer is not sent again after an hour', async t => {
  const double = new BatchDouble();
  await double.listen();
  const client = createClient({ url: double.url, group: 'g' });
  t.teardown(() => double.close());
  double.behave = n => {
    if (n === 0) sleepFor(61 * MINUTE_MS);
    return { status: 503 };
  };
  await t.rejects(client.prepare({ id: 'a', messages: MESSAGES }), { code: 'NO_ANSWER', attempts: 1 });
  t.equal(double.requests.length, 1);
  double.behave = n => (n === 1 ? { status: 503 } : {});
  await client.commit('a').catch(() => {});
  await until('the commit was repeated all the same', () => double.requests.length === 3);
  await client.close();
});

t.test('a broker that has forgotten the transaction is not given it again after an hour', async t => {
  const { double, producer, db, rows } = await startWorld(t);
  double.behave = (_, { operations }) => {
    if (operations.some(({ op }) => op === 'commit')) {
      double.transactions.clear();
      sleepFor(61 * MINUTE_MS);
    }
    return {};
  };
  const forgotten = producer.transaction({ id: 'a', messages: MESSAGES }, () => 1);
  await t.rejects(forgotten, { name: 'OutcomeContradicted', cause: { code: 'TRANSACTION_NOT_FOUND' } });
  t.same(rows(), [['a', 'commit']]);
  t.equal(db.inTransaction, false);
  t.equal(double.transactions.size, 0);
});
