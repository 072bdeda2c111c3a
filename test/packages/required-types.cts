/** Both SDKs in a CommonJS module, as compilers see it that know that Node can `require` an ES module. */
import { readRecord } from '@escrowmq/consumer';
import { createProducer, type Producer } from '@escrowmq/producer';

const producer: Producer<undefined> = createProducer({
  url: 'http://127.0.0.1:7400',
  group: 'a',
  check: () => 'unknown',
});
// @ts-expect-error a producer is closed, not ended
producer.end();

export const record = readRecord({});
