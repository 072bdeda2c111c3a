import t from 'tap';
import { acceptedAt, kafkaFault } from '../../broker/forward/kafka-answer.ts';

/** As kafkajs nests its errors. */
const protocolError = (type: string) =>
  Object.assign(new Error(`about ${type}`), { name: 'KafkaJSProtocolError', type });
const wrapped = (cause: Error) => Object.assign(new Error('retries', { cause }), { name: 'KafkaJSNonRetriableError' });

t.test('an error puts the fault on whom Kafka names, however deep it lies', async t => {
  for (const [type, fault] of [
    ['MESSAGE_TOO_LARGE', 'record'],
    ['RECORD_LIST_TOO_LARGE', 'record'],
    ['INVALID_RECORD', 'record'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'topic'],
    ['INVALID_TOPIC_EXCEPTION', 'topic'],
    ['TOPIC_AUTHORIZATION_FAILED', 'topic'],
    ['NOT_LEADER_FOR_PARTITION', 'unknown'],
    ['NOT_ENOUGH_REPLICAS', 'unknown'],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'unknown'],
    ['REQUEST_TIMED_OUT', 'unknown'],
    ['CORRUPT_MESSAGE', 'unknown'],
    // A clock is an hour ahead, ours or Kafka's: the messages wait until it is set right.
    ['INVALID_TIMESTAMP', 'unknown'],
    ['KAFKAJS_UNKNOWN_ERROR_CODE', 'unknown'],
    ['__proto__', 'unknown'],
  ] as const) {
    const error = protocolError(type);
    for (const each of [error, wrapped(error), wrapped(wrapped(error))]) {
      t.same(kafkaFault(each), { fault, type, sentence: `Kafka answered ${type}: about ${type}` });
    }
  }
});

t.test('everything else is no answer: the outcome is not known', async t => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9092'), { code: 'ECONNREFUSED' });
  t.same(kafkaFault(wrapped(refused)), {
    fault: 'unknown',
    type: null,
    sentence: 'Kafka did not answer: connect ECONNREFUSED 127.0.0.1:9092.',
  });
  const endless = new Error('endless');
  endless.cause = endless;
  for (const error of [
    endless,
    new TypeError('x is null'),
    'a string',
    null,
    undefined,
    protocolError('ILLEGAL_SASL_STATE'),
  ]) {
    t.match(kafkaFault(error), { fault: 'unknown', type: null, sentence: /^Kafka did not answer: .+\.$/ });
  }
});

t.test('only an answer that is exactly one entry for our partition counts', async t => {
  const entry = { topicName: 'a', partition: 1, errorCode: 0, baseOffset: '42' };
  t.equal(acceptedAt([entry], 'a', 1), 42);
  t.equal(acceptedAt([{ ...entry, baseOffset: '0' }], 'a', 1), 0);
  for (const answer of [
    [],
    [null],
    [entry, entry],
    [{ ...entry, partition: 2 }],
    [{ ...entry, topicName: 'b' }],
    [{ ...entry, errorCode: 7 }],
    [{ ...entry, baseOffset: '-1' }],
    [{ topicName: 'a', partition: 1, errorCode: 0 }],
    [{ ...entry, baseOffset: 'x' }],
  ]) {
    t.equal(acceptedAt(answer, 'a', 1), null, JSON.stringify(answer));
  }
});
