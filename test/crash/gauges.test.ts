/** What waits when the broker is killed: the figures afterwards are those of a count by query. */
import t from 'tap';
import { eventually, startBrokerProcess } from '../support/broker-process.ts';
import { gauges, list, show } from '../support/transactions.ts';

/** Nobody listens there: what is committed waits, and who is asked does not answer. */
const NOWHERE = '127.0.0.1:1';
const TOPICS = ['transfers', 'audit'];
const ROUNDS = 3;
const TOGETHER = 8;

t.setTimeout(60_000);

t.test('I28: gauges of what waits equal a count by query after kills', async t => {
  const broker = await startBrokerProcess(t, { args: ['--kafka-brokers', NOWHERE] });
  const check = { afterMs: 100, intervalMs: 100, maxIntervalMs: 200 };
  await broker.put('/v1/producer-groups/silent', { checkUrl: `http://${NOWHERE}/check`, check });
  await broker.put('/v1/producer-groups/patient', { check: { afterMs: 600_000 } });
  for (let round = 0; round < ROUNDS; round++) {
    const prepares = Array.from({ length: TOGETHER }, (_, i) => {
      const group = i % 2 === 0 ? 'silent' : 'patient';
      return {
        op: 'prepare',
        id: `${round}-${i}`,
        group,
        messages: [{ topic: TOPICS[i % 3 === 0 ? 1 : 0], payload: 'x' }],
      };
    });
    const { body } = await broker.post('/v1/batch', { operations: prepares });
    t.same([...new Set(body.results.map((result: { status: number }) => result.status))], [201]);
    const commits = [1, 3, 5].map(i => ({ op: 'commit', id: `${round}-${i}` }));
    // The answer may get lost with the broker: whatever it did then is counted below all the same.
    const ended = broker.post('/v1/batch', { operations: commits }).catch(() => null);
    if (round === 0) await ended;
    await broker.kill();
    await ended;
    await broker.start();
  }

  const everything = async () => Promise.all((await list(broker)).map(({ id }) => show(broker, id)));
  // From then on nothing changes any more.
  const all = await eventually('questions about all without an answer', async () => {
    const seen = await everything();
    const asked = seen.filter(one => one.group === 'silent');
    return asked.every(one => one.check.lastError !== null) ? seen : null;
  });
  const shown = await gauges(broker);
  const figure = (name: string): number | undefined => shown.get(`escrowmq_${name}`);
  t.equal(all.length, ROUNDS * TOGETHER);
  t.equal(figure('accepted_transactions_total'), all.length);
  const overdue = all.filter(one => one.state === 'prepared' && one.check.lastError !== null);
  t.equal(overdue.length, (ROUNDS * TOGETHER) / 2);
  t.equal(figure('transactions_overdue'), overdue.length, 'overdue');
  const waiting = all.filter(one => one.messageStates.ready === 1);
  t.ok(waiting.length >= 3, 'what was acknowledged waits');
  t.equal(figure('messages{state="ready"}'), waiting.length);
  for (const topic of TOPICS) {
    const counted = waiting.filter(one => one.messages[0].topic === topic);
    t.equal(figure(`topic_waiting_messages{topic="${topic}"}`), counted.length, topic);
    t.equal(figure(`topic_parked_messages{topic="${topic}"}`), 0, topic);
    const age = figure(`topic_oldest_waiting_age_seconds{topic="${topic}"}`)!;
    t.equal(age > 0, counted.length > 0, `age of ${topic}`);
  }
  t.equal(figure('producer_groups'), 2);
  t.equal(figure('producer_groups_silent'), 1);
  t.equal(figure('part_ok{part="producerGroups"}'), 0);
  t.equal(figure('status{status="degraded"}'), 1);
  t.equal(await broker.stop(), 0);
});
