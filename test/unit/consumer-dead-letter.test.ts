/** A record in a dead-letter topic, and what it is when it comes back. */
import type { KafkaMessage } from 'kafkajs';
import t from 'tap';
import { deadLetterRecord, originOf, replayedRecord } from '../../consumer-sdk/dead-letter/dead-letter.ts';
import { putBack } from '../../consumer-sdk/dead-letter/replay.ts';
import { ownIdentity, positionIdentity } from '../../consumer-sdk/record/identity.ts';
import { messageOf } from '../../consumer-sdk/record/message.ts';
import { readRecord } from '../../consumer-sdk/record/record-headers.ts';
import { KafkaDouble } from '../support/consumer-double.ts';
import { until } from '../support/until.ts';

const recordWith = (headers: object): KafkaMessage =>
  ({ offset: '7', timestamp: '1000', key: Buffer.from('k'), value: null, attributes: 0, headers }) as KafkaMessage;

/** Given up and put back, as Kafka keeps it in between. */
const moved = (topic: string, record: KafkaMessage): KafkaMessage => {
  const identity = ownIdentity(record.headers) ?? positionIdentity(topic, 0, record);
  const letter = { topic, partition: 0, record, identity, group: 'g', cause: new Error('no'), attempts: 3, at: 0 };
  return recordWith(deadLetterRecord(letter).headers!);
};
const returned = (letter: KafkaMessage): KafkaMessage =>
  recordWith(replayedRecord(originOf(letter.headers)!, letter).headers!);

t.test('a letter that comes back is the message that it was to every group', async t => {
  const ce = { ce_source: 's', ce_id: '1' };
  const records: object[] = [
    ce,
    { ...ce, ce_id: '' },
    { ...ce, ce_source: '' },
    { ...ce, ce_id: ['1', '2'] },
    { ce_id: '1' },
    {},
    { ...ce, ce_id: '', escrow_dlt_source: 's', escrow_dlt_id: '2' },
    { escrow_dlt_source: 's', escrow_dlt_id: ['2', '3'] },
  ];
  for (const headers of records) {
    const record = recordWith(headers);
    const identity = ownIdentity(record.headers) ?? positionIdentity('t', 0, record);
    const once = returned(moved('t', record));
    const again = returned(moved('t', once));
    const { storedSource, storedId } = identity;
    for (const back of [once, again]) t.match(ownIdentity(back.headers), { storedSource, storedId });
    t.same(once.headers, again.headers, 'it does not grow');
  }
});

t.test('a dead letter of a dead letter comes back as the dead letter that it was', async t => {
  const record = recordWith({ ce_source: 's', ce_id: '1', tenant: 'a' });
  const first = moved('t', record);
  const second = moved('t.dead', first);
  t.match(originOf(second.headers), { topic: 't.dead' });
  t.same(returned(second).headers, first.headers);
  t.same(returned(returned(second)).headers, record.headers);
});

t.test('a header called like a member of every object is what the record has', async t => {
  // kafkajs takes the member for a value that was there before.
  const headers = { constructor: [Object, Buffer.from('c')], many: [Object, null, Buffer.from('m')], none: null };
  const identity = ownIdentity({ ce_source: 's', ce_id: '1' })!;
  const message = messageOf('t', 0, recordWith(headers), identity);
  const clean = { constructor: Buffer.from('c'), many: [null, Buffer.from('m')], none: null };
  t.same(Object.entries(message.headers), Object.entries(clean));
  const letter = moved('t', recordWith(headers));
  t.same(
    Object.entries(returned(letter).headers!),
    Object.entries({ ...clean, many: ['', Buffer.from('m')], none: '' }).concat(kept(letter)),
  );
  t.equal(readRecord({}), null);
});

const kept = ({ headers }: KafkaMessage): [string, never][] =>
  ['escrow_dlt_source', 'escrow_dlt_id'].map(name => [name, headers![name] as never]);

const letters = { escrow_dlt_topic: 'o', escrow_dlt_partition: '0' };
const limits = { silentMs: 60_000, closeMs: 20 };

const startReplay = (more: object = {}, patience = limits) => {
  const kafka = new KafkaDouble();
  kafka.end = '3';
  const replay = putBack({ kafka: kafka.client, deadLetterTopic: 't', groupId: 'r', ...more }, patience);
  replay.catch(() => {});
  return { kafka, replay };
};
const joined = async (kafka: KafkaDouble): Promise<void> => {
  await until('it runs', () => kafka.consumers.length === 1 && kafka.last.isRunning);
  kafka.last.join({ t: [0] });
};

t.test('a replay ends behind its limit, a whole number', async t => {
  for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    await t.rejects(startReplay({ limit }).replay, { code: 'INVALID_OPTION', message: /whole number/ });
  }
  const { kafka, replay } = startReplay({ limit: 2 });
  await joined(kafka);
  await kafka.last.deliver(0, ['a', 'b', 'c'], { headers: letters });
  t.match(await replay, { replayed: 2 });
  t.match(kafka.last.commits.at(-1), { offset: '2' });
});

t.test('a replay whose Kafka falls silent ends, though kafkajs does not', async t => {
  for (const where of ['isHanging', 'isDisconnectHanging'] as const) {
    const { kafka, replay } = startReplay({}, { ...limits, silentMs: 20 });
    kafka.prepare = double => {
      double[where] = true;
    };
    let error: unknown;
    replay.catch(reason => {
      error = reason;
    });
    await until('it ends', () => error !== undefined);
    t.match(error, { code: 'REPLAY_FAILED', cause: { code: 'KAFKA_SILENT' } }, where);
  }
});

t.test('a replay that a letter fails of ends with it, and listens to nobody afterwards', async t => {
  const abort = new AbortController();
  let listeners = 0;
  const { signal } = abort;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    },
    removeEventListener: (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    },
  });
  const { kafka, replay } = startReplay({ signal });
  kafka.answers.push(() => {
    throw new Error('frozen');
  });
  await joined(kafka);
  await t.rejects(kafka.last.deliver(0, ['a'], { headers: letters }), { message: 'frozen' });
  await t.rejects(replay, { code: 'REPLAY_FAILED', message: /after 0 letters: Error: frozen/ });
  t.equal(listeners, 0);
  t.ok(kafka.last.isDisconnected);
});
