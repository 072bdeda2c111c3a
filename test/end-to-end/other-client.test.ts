/** What a consumer in another language, on another client library, finds in Kafka: section by section of the contract. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { pythonPackage } from '../support/python.ts';
import { commit, prepare } from '../support/transactions.ts';

/** Reads so many records of a topic, the bytes in base64. Headers stay a list: a name may occur twice. */
const READER = `
import base64, json, sys
from confluent_kafka import Consumer
brokers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer({'bootstrap.servers': brokers, 'group.id': topic, 'auto.offset.reset': 'earliest',
                     'enable.auto.commit': False, 'isolation.level': 'read_committed'})
consumer.subscribe([topic])
text = lambda data: None if data is None else base64.b64encode(data).decode()
found = []
while len(found) < count:
    message = consumer.poll(40)
    if message is None or message.error():
        sys.exit('nothing more: %s' % (message and message.error()))
    found.append({'key': text(message.key()), 'value': text(message.value()),
                  'headers': [[name, text(value)] for name, value in message.headers() or []]})
consumer.close()
print(json.dumps(found))
`;

t.setTimeout(150_000);
const client = await pythonPackage('confluent-kafka', '2.16.1');
const missing = needsKafka.skip || client.missing;

interface Found {
  key: string | null;
  value: string | null;
  headers: [name: string, value: string | null][];
}

const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'));

/** Names and values as text; two equal names are a failure. */
const headersOf = ({ headers }: Found): Record<string, string> => {
  const named = headers.map(([name, value]) => [name, String(bytes(value))]);
  if (new Set(headers.map(([name]) => name)).size !== headers.length)
    throw new Error(`twice: ${JSON.stringify(named)}`);
  return Object.fromEntries(named);
};

t.test('confluent-kafka for Python reads what was committed', { skip: missing ?? false, timeout: 100_000 }, async t => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka);
  const broker = await startBrokerProcess(t, { args: [...kafkaArgs(kafka), '--source', 'elsewhere'] });
  await broker.put('/v1/producer-groups/bank', {});
  const trace = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'vendor=value',
  };
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i));
  const messages = [
    {
      ...{
        topic,
        key: 'account-17',
        payload: '{"amount":100}',
        contentType: 'application/json',
        type: 'transfer.made',
      },
      headers: { tenant: 'de', 'náz\u200bev': 'hodnota ž', empty: '', raw: { base64: binary.toString('base64') } },
    },
    { topic, key: null, payload: { base64: binary.toString('base64') } },
    { topic, key: { base64: binary.toString('base64') }, payload: null },
    { topic, key: '', payload: '' },
  ];
  const made = await broker.call('POST', '/v1/transactions', { id: 'read-by-python', group: 'bank', messages }, trace);
  t.equal(made.status, 201);
  await prepare(broker, 'bank', 'untraced', { topic, payload: 'last' });
  const { resolvedAt } = (await commit(broker, 'read-by-python')).body;
  await commit(broker, 'untraced');
  const args = ['-c', READER, kafka.brokers.join(','), topic, String(messages.length + 1)];
  const { stdout } = await promisify(execFile)(join(client.bin, 'python'), args, { timeout: 60_000 });
  const found = JSON.parse(stdout) as Found[];

  const common = (index: number) => ({
    ce_specversion: '1.0',
    ce_id: `read-by-python.${index}`,
    ce_source: '/elsewhere/producer-groups/bank',
    ce_time: resolvedAt,
    ...trace,
  });
  t.same([bytes(found[0]!.key), bytes(found[0]!.value)], [Buffer.from('account-17'), Buffer.from('{"amount":100}')]);
  const { raw, ...headers } = headersOf(found[0]!);
  t.same(headers, {
    ...common(0),
    ...{ ce_type: 'transfer.made', 'content-type': 'application/json' },
    ...{ tenant: 'de', 'náz\u200bev': 'hodnota ž', empty: '' },
  });
  t.ok(raw);
  t.same(bytes(found[0]!.headers.find(([name]) => name === 'raw')![1]), binary, 'a binary header');
  const plain = { ce_type: topic, 'content-type': 'application/octet-stream' };
  for (const index of [1, 2, 3]) t.same(headersOf(found[index]!), { ...common(index), ...plain });
  t.same([found[1]!.key, bytes(found[1]!.value)], [null, binary], 'no key, binary value');
  t.same([bytes(found[2]!.key), found[2]!.value], [binary, null], 'a tombstone');
  t.same([bytes(found[3]!.key), bytes(found[3]!.value)], [Buffer.alloc(0), Buffer.alloc(0)], 'empty is not none');
  t.notOk('traceparent' in headersOf(found[4]!), 'a trace is not made up');
});
