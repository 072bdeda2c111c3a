/** What a consumer does when handlers fail, and with what it gave up, on a real Kafka. */
import Database from 'better-sqlite3';
import { Kafka } from 'kafkajs';
import t from 'tap';
import { PoisonError, replayDeadLetters, sqlInbox, TransientError } from '../../consumer-sdk/index.ts';
import { cleanHeaders } from '../../consumer-sdk/record/record-headers.ts';
import {
  cloudEvent,
  committed,
  kafkaClient,
  type Ledger,
  newGroup,
  openLedger,
  publish,
  SOURCE,
  servedGroup,
  startConsumer,
} from '../support/consumer-bench.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { createTopic, kafkaConfig, readTopic } from '../support/topics.ts';
import { until } from '../support/until.ts';

t.setTimeout(90_000);

const amount = '{"amount":1}';
const text = (headers: Readonly<Record<string, Buffer | Buffer[]>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

t.test(
  'a record that fails is tried again while other partitions move, and never counted out of turn',
  needsKafka,
  async t => {
    const kafka = await sharedKafka(t);
    const topic = await newTopic(kafka, { partitions: 2 });
    const ledger = await openLedger(t);
    await publish(kafka, topic, [
      ...['a', 'b'].map(id => cloudEvent(id, amount, { partition: 0 })),
      ...['c', 'd'].map(id => cloudEvent(id, amount, { partition: 1 })),
    ]);
    let isAway = true;
    const options = {
      ...{ groupId: newGroup(), topics: [topic], inbox: ledger.inbox, deadLetter: { topic: 'never' } },
      retry: { attempts: 2, initialMs: 50, maxMs: 50 },
    };
    const { consumer } = startConsumer(t, kafka, options, (message, tx: Ledger['db']) => {
      if (message.id === 'a' && isAway) throw new TransientError('the rates are not there');
      ledger.credit(message, tx);
    });
    const first = () => consumer.health().partitions.find(({ partition }) => partition === 0);
    await until('the partition waits', () => first()?.paused === true);
    await publish(kafka, topic, [cloudEvent('e', amount, { partition: 1 })]);
    await until('the other one goes on', () => ledger.effects().some(({ id }) => id === 'e'));
    t.match(first(), { attempts: 0, nextOffset: '0', lastError: /the rates are not there/ });
    t.notOk(
      ledger.effects().some(({ partition }) => partition === 0),
      'in order: nothing passes it',
    );
    isAway = false;
    await until('it goes on', () => ledger.count() === 5);
    t.same(
      ledger
        .effects()
        .filter(({ partition }) => partition === 0)
        .map(({ id }) => id),
      ['a', 'b'],
    );
    await until('it is resumed', () => first()?.paused === false && first()?.lastError === null);
  },
);

t.test('poison goes to the dead-letter topic as it was, says why, and comes back by a replay', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const [topic, deadLetterTopic] = [await newTopic(kafka, { partitions: 2 }), await newTopic(kafka, { partitions: 3 })];
  const ledger = await openLedger(t);
  const headers = { tenant: Buffer.from([0xff, 0x00]), many: ['a', 'b'] };
  const bytes = Buffer.from([0, 255, 1]);
  await publish(kafka, topic, [
    cloudEvent('bytes', bytes, { partition: 1, key: bytes, headers }),
    cloudEvent('refused', amount, { partition: 1 }),
    cloudEvent('tombstone', null, { partition: 1, key: null }),
    // kafkajs gives a header of that name together with the function that every object has under it.
    { value: 'nameless', partition: 1, headers: { constructor: 'c' } },
    cloudEvent('fine', amount, { partition: 1 }),
  ]);
  const groupId = newGroup();
  let isMended = false;
  const options = { groupId, topics: [topic], inbox: ledger.inbox, deadLetter: { topic: deadLetterTopic } };
  const seen: string[] = [];
  const { consumer } = startConsumer(
    t,
    kafka,
    { ...options, retry: { attempts: 3, initialMs: 1, maxMs: 1 } },
    (message, tx: Ledger['db']) => {
      seen.push(message.id);
      if (isMended) tx.prepare('insert into effects (id, amount) values (?, 1)').run(message.id);
      else if (message.id === 'refused') throw new Error('account closed');
      else ledger.credit(message, tx);
    },
  );
  await until('all came', () => {
    const { handled, deadLettered } = consumer.health().counts;
    return handled === 1 && deadLettered === 4;
  });
  t.equal(seen.filter(id => id === 'refused').length, 3);
  t.equal(seen.filter(id => id === 'bytes').length, 1, 'never JSON: no second try');
  const letters = await readTopic(kafka, deadLetterTopic);
  t.same(
    letters.map(({ partition }) => partition),
    [1, 1, 1, 1],
    'in the order of their partition',
  );
  const [first, second, third, fourth] = letters;
  t.match(first, {
    key: bytes,
    value: bytes,
    headers: { tenant: headers.tenant, many: [Buffer.from('a'), Buffer.from('b')] },
  });
  const origin = { escrow_dlt_topic: topic, escrow_dlt_partition: '1', escrow_dlt_group: groupId };
  t.match(text(first!.headers), {
    ...{ ...origin, ce_id: 'bytes', escrow_dlt_offset: '0', escrow_dlt_attempts: '1', escrow_dlt_code: 'POISON' },
    ...{
      escrow_dlt_source: SOURCE,
      escrow_dlt_id: 'bytes',
      escrow_dlt_time: /^\d{4}-.*Z$/,
      escrow_dlt_timestamp: /^\d+$/,
    },
  });
  t.match(text(second!.headers), { escrow_dlt_attempts: '3', escrow_dlt_cause: 'Error: account closed' });
  t.match(third, { key: null, value: null });
  t.match(text(fourth!.headers), { escrow_dlt_source: `kafka:${topic}/1`, escrow_dlt_id: /^3-/ });

  isMended = true;
  const replay = { kafka: kafkaClient(kafka), deadLetterTopic, groupId: newGroup() };
  await publish(kafka, deadLetterTopic, [{ value: 'not ours', partition: 0 }]);
  const some = await replayDeadLetters({
    ...replay,
    limit: 2,
    filter: ({ partition, offset }) => partition !== 1 || offset !== '0',
  });
  t.equal(some.replayed, 2);
  const rest = await replayDeadLetters({ ...replay, filter: ({ cause }) => cause !== null });
  t.same([some.replayed + rest.replayed, some.filtered + rest.filtered, some.foreign + rest.foreign], [3, 1, 1]);
  t.match(await replayDeadLetters(replay), { replayed: 0 }, 'each once');
  await until('they came again', () => consumer.health().counts.handled === 4);
  const again = (await readTopic(kafka, topic)).slice(5);
  t.same(
    again.map(({ partition }) => partition),
    [1, 1, 1],
  );
  t.same(
    Object.keys(again[0]!.headers).filter(name => name.startsWith('escrow_')),
    [],
  );
  t.equal(text(again[0]!.headers).ce_id, 'refused');
  t.same(Object.keys(again[2]!.headers).sort(), ['constructor', 'escrow_dlt_id', 'escrow_dlt_source']);
  t.same(cleanHeaders(again[2]!.headers).constructor, Buffer.from('c'));

  const twice = await replayDeadLetters({ ...replay, groupId: newGroup() });
  t.match(twice, { replayed: 4, foreign: 1 });
  await until('they came twice', () => consumer.health().counts.repeats === 3);
  t.equal(consumer.health().counts.handled, 5, 'one of them was filtered before');
});

t.test('a replay ends with what was there at its start', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const [topic, deadLetterTopic] = [await newTopic(kafka), await newTopic(kafka)];
  const letter = (id: string) =>
    cloudEvent(id, '{', { headers: { escrow_dlt_topic: topic, escrow_dlt_partition: '0' } });
  await publish(kafka, deadLetterTopic, [letter('a'), letter('b')]);
  const client = kafkaClient(kafka);
  const makeAdmin = client.admin.bind(client);
  // As where a group that is not mended yet gives up again what comes back.
  client.admin = config => {
    const admin = makeAdmin(config);
    const disconnect = admin.disconnect.bind(admin);
    return Object.assign(admin, {
      disconnect: async () => {
        await publish(kafka, deadLetterTopic, [letter('c')]);
        await disconnect();
      },
    });
  };
  const replay = { kafka: client, deadLetterTopic, groupId: newGroup() };
  t.same(await replayDeadLetters(replay), { replayed: 2, filtered: 0, foreign: 0 });
  t.same(await committed(kafka, replay.groupId, deadLetterTopic), [2]);
  await t.rejects(replayDeadLetters({ ...replay, limit: 0 }), { code: 'INVALID_OPTION' });
});

t.test('without the dead-letter topic nothing is lost: the partition waits for it', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const ledger = await openLedger(t);
  await publish(kafka, topic, [cloudEvent('a', '{'), cloudEvent('b', amount)]);
  const groupId = newGroup();
  const deadLetter = { topic: `${topic}.dead` };
  const options = { groupId, topics: [topic], inbox: ledger.inbox, deadLetter, commitIntervalMs: 10 };
  const quick = new Kafka({ ...kafkaConfig(kafka), retry: { retries: 1, initialRetryTime: 20 } });
  const { consumer } = startConsumer(t, kafka, { ...options, kafka: quick }, ledger.credit);
  await until(
    'health says so',
    () => consumer.health().reason?.includes(`${deadLetter.topic} does not take it`) === true,
  );
  t.equal(consumer.health().status, 'stuck');
  t.same(await committed(kafka, groupId, topic), [-1]);
  await createTopic(kafka, deadLetter.topic);
  await until('it goes on', () => ledger.count() === 1);
  t.match(await readTopic(kafka, deadLetter.topic), [{ value: Buffer.from('{') }]);
  t.equal(consumer.health().status, 'ok');
});

t.test('poison without a dead-letter topic stops its partition, and is tried for ever', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const ledger = await openLedger(t);
  await publish(kafka, topic, [cloudEvent('a', amount), cloudEvent('b', amount)]);
  const options = { groupId: newGroup(), topics: [topic], inbox: ledger.inbox };
  let isMended = false;
  let tries = 0;
  const { consumer } = startConsumer(t, kafka, options, (message, tx: Ledger['db']) => {
    tries += 1;
    if (!isMended) throw new PoisonError('never');
    ledger.credit(message, tx);
  });
  await until('it is tried again', () => tries > 3);
  t.match(consumer.health(), { status: 'stuck', reason: /offset 0 is poison: PoisonError: never/ });
  t.equal(ledger.count(), 0);
  isMended = true;
  await until('it goes on', () => ledger.count() === 2);
});

t.test('an async handler on better-sqlite3 ends run, and is no poison', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const [topic, deadLetter] = [await newTopic(kafka), await newTopic(kafka)];
  const ledger = await openLedger(t);
  await publish(kafka, topic, [cloudEvent('a', amount)]);
  const options = { groupId: newGroup(), topics: [topic], inbox: ledger.inbox, deadLetter: { topic: deadLetter } };
  const { ended, consumer } = startConsumer(t, kafka, options, async (message, tx: Ledger['db']) => {
    ledger.credit(message, tx);
  });
  t.match(await ended, { code: 'HANDLER_MISUSED', message: /must not be async/ });
  t.equal(consumer.health().status, 'stopped');
  t.equal(ledger.count(), 0);
  t.same(await readTopic(kafka, deadLetter), []);
});

t.test('a missing table ends run with what to do', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const ledger = await openLedger(t);
  ledger.db.exec('drop table escrow_inbox');
  const options = { groupId: newGroup(), topics: [await newTopic(kafka)], inbox: ledger.inbox };
  t.match(await startConsumer(t, kafka, options, () => {}).ended, {
    code: 'DATABASE_NOT_READY',
    message: /run install\(\)/,
  });
});

t.test('a handler that takes long keeps its place in the group', needsKafka, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const ledger = await openLedger(t);
  await publish(kafka, topic, [cloudEvent('a', amount), cloudEvent('b', amount)]);
  // The general form is asynchronous on SQLite too.
  const db = new Database(ledger.file);
  db.pragma('synchronous = full');
  const inbox = sqlInbox<Ledger['db'], Ledger['db']>({
    dialect: 'sqlite',
    db,
    query: async (db, { sql, params }) => {
      const statement = db.prepare(sql);
      if (statement.reader) return statement.all(...params);
      statement.run(...params);
      return [];
    },
    transaction: async (db, work) => {
      db.exec('begin');
      try {
        await work(db);
        db.exec('commit');
      } catch (error) {
        db.exec('rollback');
        throw error;
      }
    },
  });
  const client = kafkaClient(kafka);
  const makeConsumer = client.consumer.bind(client);
  let beats = 0;
  client.consumer = config => {
    const made = makeConsumer(config);
    made.on(made.events.HEARTBEAT, () => {
      beats += 1;
    });
    return made;
  };
  let release = () => {};
  const released = new Promise<void>(resolve => {
    release = resolve;
  });
  let beatsBefore = Number.POSITIVE_INFINITY;
  const options = { groupId: await servedGroup(kafka, topic), topics: [topic], inbox, kafka: client };
  const { consumer, log } = startConsumer(t, kafka, options, async (message, tx) => {
    beatsBefore = Math.min(beatsBefore, beats);
    if (message.id === 'a') await released;
    ledger.credit(message, tx);
  });
  await until('the heart goes on beating', () => beats > beatsBefore + 10);
  release();
  await until('both are handled', () => ledger.count() === 2);
  t.equal(log.filter(({ message }) => message === 'joined the group').length, 1);
  t.match(consumer.health(), { restarts: 0, counts: { handled: 2, repeats: 0 } });
});
