/** The broker killed in any state: what it acknowledged it still knows, and what it never promised never appears. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { audit, hasAll, Load, NOTHING_WRONG } from '../../torture/load.ts';
import { BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { startCheckHandler } from '../support/check-handler.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { openConnection } from '../support/raw-http.ts';
import { readTopic } from '../support/topics.ts';
import { commit, gauges, inState, list, prepare, show, shows } from '../support/transactions.ts';

const KILLS = 15;
/** Of a level that only a broker which cannot go on writes. */
const FATAL_LEVEL = 60;

let kafka: Awaited<ReturnType<typeof sharedKafka>>;

t.setTimeout(200_000);
t.before(async () => {
  if (!needsKafka.skip) kafka = await sharedKafka(t);
});

const fatalLines = (broker: BrokerProcess): unknown[] => broker.log.filter(entry => Number(entry.level) >= FATAL_LEVEL);

t.test('I9: killed right after acknowledging commits: delivered', needsKafka, async t => {
  const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  const topic = await newTopic(kafka, { partitions: 3 });
  await broker.put('/v1/producer-groups/i9', {});
  const ids = Array.from({ length: 25 }, (_, i) => `i9-${i}`);
  for (const [i, id] of ids.entries()) {
    await prepare(broker, 'i9', id, { topic, payload: id, key: `k${i}` });
    if (i % 5 === 0) continue;
    t.equal((await commit(broker, id)).status, 200);
    if (i % 5 === 4) await broker.restart();
  }
  const committed = ids.filter((_, i) => i % 5 !== 0);
  const isComplete = (found: readonly { value: Buffer | null }[]) =>
    new Set(found.map(record => record.value?.toString())).size >= committed.length;
  const records = await readTopic(kafka, topic, { until: isComplete });
  t.same([...new Set(records.map(record => record.value?.toString()))].toSorted(), committed.toSorted());
  t.same([...new Set(records.map(record => record.headers.ce_id?.toString()))].length, committed.length);
  await broker.stop();
});

t.test(
  'I10: killed right after acknowledging a prepare: still pending, and checked in its time',
  needsKafka,
  async t => {
    const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
    const topic = await newTopic(kafka);
    const checker = await startCheckHandler(t, (id, attempt) =>
      id === 'i10-late' && attempt < 4 ? 'unknown' : 'commit',
    );
    const check = { afterMs: 1000, intervalMs: 500, maxIntervalMs: 500 };
    await broker.put('/v1/producer-groups/i10', { checkUrl: checker.url, check });
    await prepare(broker, 'i10', 'i10-far', { topic, payload: 'x' }, { check: { afterMs: 600_000 } });
    const far = await show(broker, 'i10-far');
    await prepare(broker, 'i10', 'i10-late', { topic, payload: 'i10-late' });
    await shows(broker, 'i10-late', 'asked twice', one => one.check.attempts >= 2);
    const made = await prepare(broker, 'i10', 'i10', { topic, payload: 'i10' });
    await broker.restart();
    t.match(await show(broker, 'i10'), { id: 'i10', preparedAt: made.body.preparedAt });
    t.match(await inState(broker, 'i10', 'committed'), { resolvedBy: 'check' });
    t.same((await show(broker, 'i10-far')).check, far.check, 'the schedule is what it was');
    await inState(broker, 'i10-late', 'committed');
    const attempts = checker.calls.flatMap(({ body }) =>
      body.checks.filter(one => one.transactionId === 'i10-late').map(one => one.attempt),
    );
    t.same([...new Set(attempts)], [1, 2, 3, 4], 'the count of attempts goes on');
    t.ok(checker.calls.every(({ at, body }) => body.checks.every(one => at >= Date.parse(one.preparedAt) + 1000)));
    await broker.stop();
  },
);

t.test('I12: the producer sends nothing more, and the broker is killed: still asked about', needsKafka, async t => {
  const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  const topic = await newTopic(kafka);
  const checker = await startCheckHandler(t, () => 'rollback');
  await broker.put('/v1/producer-groups/i12', { checkUrl: checker.url, check: { afterMs: 300 } });
  for (let i = 0; i < 20; i++) await prepare(broker, 'i12', `i12-${i}`, { topic, payload: 'x' });
  await broker.kill();
  const askedBefore = checker.asked.length;
  await broker.start();
  await eventually('all to be resolved', async () => (await list(broker, 'state=rolled_back')).length === 20);
  t.ok(checker.asked.length >= 20 && checker.asked.length <= 20 + askedBefore, `${checker.asked.length} questions`);
  await broker.stop();
});

t.test(
  `I28: ${KILLS} kills under load: nothing acknowledged is lost, nothing appears that should not, gauges tell the truth`,
  { ...needsKafka, timeout: 120_000 },
  async t => {
    const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
    const topics = [await newTopic(kafka, { partitions: 3 }), await newTopic(kafka)];
    // Nothing becomes unresolved between the reading of a gauge and the counting of a list.
    await broker.put('/v1/producer-groups/load', { check: { afterMs: 600_000 } });
    const load = new Load(broker, { group: 'load', topics });
    load.start();
    for (let i = 0; i < KILLS; i++) {
      await load.more(Math.floor(Math.random() * 60));
      await broker.kill();
      // Some are killed again while they start.
      if (i % 4 === 3) {
        const starting = broker.start().catch(() => {});
        await delay(Math.random() * 600);
        await broker.kill();
        await starting;
      }
      await broker.start();
    }
    await load.more(100);
    await load.stop();
    t.same(load.wrong, []);
    t.ok(load.in('committed').length > 100, `${load.acknowledged.size} acknowledged`);
    const records = [];
    for (const topic of topics) records.push(...(await readTopic(kafka, topic, { until: hasAll(load, topic) })));
    await eventually(
      'all to be marked',
      async () => (await gauges(broker)).get('escrowmq_messages{state="ready"}') === 0,
    );
    const found = audit(load, records);
    t.match(found, NOTHING_WRONG, `${found.duplicates} duplicates`);
    for (const state of ['prepared', 'committed', 'rolled_back'] as const) {
      const known = (await list(broker, `state=${state}`)).map(item => item.id).toSorted();
      t.same(
        known,
        load
          .in(state)
          .map(one => one.id)
          .toSorted(),
        state,
      );
    }
    await countsAreTrue(t, broker);
    t.equal((await gauges(broker)).get('escrowmq_transactions_contradicted'), load.contradicted);
    t.same(fatalLines(broker), []);
    t.equal(await broker.stop(), 0);
  },
);

/** Each transaction of a load has one message, so that lists of transactions count messages too. */
const countsAreTrue = async (t: { equal(a: unknown, b: unknown, what: string): unknown }, broker: BrokerProcess) => {
  const shown = await gauges(broker);
  const messages = { prepared: 'held', committed: 'forwarded', rolled_back: 'dropped' };
  let all = 0;
  for (const [state, messageState] of Object.entries(messages)) {
    const counted = (await list(broker, `state=${state}`)).length;
    all += counted;
    t.equal(shown.get(`escrowmq_transactions{state="${state}"}`), counted, `${state} in /metrics`);
    t.equal(shown.get(`escrowmq_messages{state="${messageState}"}`), counted, `${messageState} in /metrics`);
  }
  for (const what of ['messages', 'transactions']) {
    t.equal(shown.get(`escrowmq_accepted_${what}_total`), all, `accepted ${what} in /metrics`);
  }
  for (const flag of ['unresolved', 'contradicted']) {
    const counted = (await list(broker, `${flag}=true`)).length;
    t.equal(shown.get(`escrowmq_transactions_${flag}`), counted, `${flag} in /metrics`);
  }
};

t.test('a second broker on the same folder is refused, and the first one undisturbed', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  await broker.put('/v1/producer-groups/one', {});
  await prepare(broker, 'one', 'one', { topic: 'transfers', payload: 'x' });
  const second = new BrokerProcess(broker.dataDir, { args: ['--publisher', 'memory'] });
  t.teardown(() => second.kill());
  await t.rejects(second.start(), /ended with 1: escrowmq: Another broker is using the data folder .*\.\n/);
  t.match(await commit(broker, 'one'), { status: 200 });
  t.match(await shows(broker, 'one', 'forwarded', one => one.messageStates.forwarded === 1), { state: 'committed' });
  await broker.kill();
  await second.start();
  t.match(await show(second, 'one'), { state: 'committed' }, 'once the first is gone, the folder is free');
  t.equal(await second.stop(), 0);
});

t.test(
  'SIGTERM and SIGINT under load: exit 0, nothing acknowledged is lost',
  { ...needsKafka, timeout: 60_000 },
  async t => {
    const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
    const topic = await newTopic(kafka, { partitions: 2 });
    await broker.put('/v1/producer-groups/load', {});
    const load = new Load(broker, { group: 'load', topics: [topic], pauseMs: 0 });
    load.start();
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) {
      await load.more(150);
      t.equal(await broker.signal(signal), 0, signal);
      await broker.start();
    }
    await load.stop();
    t.same(load.wrong, []);
    const records = await readTopic(kafka, topic, { until: hasAll(load, topic) });
    const found = audit(load, records);
    t.match(found, NOTHING_WRONG);
    t.equal(found.duplicates, 0, 'an orderly end sends nothing twice');
    for (const { id } of load.in('prepared')) t.match(await show(broker, id), { state: 'prepared' }, id);
    t.same(fatalLines(broker), []);
    t.equal(await broker.stop(), 0);
  },
);

t.test('SIGTERM with an open check, idle and half-sent requests, and no Kafka: exit 0 all the same', async t => {
  const broker = await startBrokerProcess(t, { args: ['--kafka-brokers', '127.0.0.1:1'] });
  const checker = await startCheckHandler(t);
  checker.respond(() => {});
  await broker.put('/v1/producer-groups/stuck', { checkUrl: checker.url, check: { afterMs: 100 } });
  await prepare(broker, 'stuck', 'stuck', { topic: 'transfers', payload: 'x' });
  await prepare(broker, 'stuck', 'waits', { topic: 'transfers', payload: 'x' });
  t.equal((await commit(broker, 'waits')).status, 200);
  const head = 'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  for (const beginning of ['', head, `${head}Content-Length: 100\r\n\r\n{"id":`]) {
    const socket = await openConnection(broker.url);
    t.teardown(() => socket.destroy());
    socket.write(beginning);
  }
  await eventually('the question', async () => checker.inFlight > 0);
  t.equal(await broker.stop(), 0);
  await broker.start();
  t.match(await show(broker, 'stuck'), { state: 'prepared', check: { attempts: 0 } });
  t.match(await show(broker, 'waits'), { messageStates: { ready: 1 } });
  t.equal(await broker.stop(), 0);
});
