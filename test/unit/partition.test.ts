import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import t from 'tap';
import { murmur2, partitionFor } from '../../broker/transaction/partition.ts';

t.test('murmur2 as Apache Kafka’s own UtilsTest has it', async t => {
  const cases: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [text, expected] of cases) t.equal(murmur2(Buffer.from(text)) | 0, expected, text);
});

t.test('a key goes where kafkajs’s default partitioner sends it', async t => {
  // The partitioner wants metadata of the topic; only the number of partitions counts for a key.
  const choose = Partitioners.DefaultPartitioner();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 60 }), (bytes, count) => {
      const key = Buffer.from(bytes);
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        partitionId,
        leader: 1,
        replicas: [],
        isr: [],
        partitionErrorCode: 0,
        offlineReplicas: [],
      }));
      const theirs = choose({ topic: 't', partitionMetadata, message: { key, value: null } });
      return partitionFor(key, count, 7) === theirs;
    }),
    { numRuns: 2_000 },
  );
  t.pass('2,000 keys');
});

t.test('without a key messages spread, also where a topic has only every n-th place in the commit order', async t => {
  const neighbours = 64;
  for (const partitions of [2, 3, 6, 12]) {
    for (const stride of [1, 2, 3, 4, 6, 12]) {
      const counts = new Array<number>(partitions).fill(0);
      const runs = 600 * partitions;
      for (let i = 0; i < runs; i++) counts[partitionFor(null, partitions, 1_000 + i * stride * neighbours)]!++;
      const share = runs / partitions;
      t.ok(
        counts.every(count => count > share * 0.8 && count < share * 1.2),
        `${partitions} partitions, every ${stride}: ${counts.join(' ')}`,
      );
    }
  }
});

t.test('without a key neighbours in the commit order go to one partition, so that they can share a send', async t => {
  const first = partitionFor(null, 12, 6_400);
  for (let place = 6_401; place < 6_464; place++) t.equal(partitionFor(null, 12, place), first);
});
