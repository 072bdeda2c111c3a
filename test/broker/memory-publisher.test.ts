import t, { type Test } from 'tap';
import { MemoryPublisher } from '../../broker/forward/memory-publisher.ts';
import { publisherConformance } from './publisher-conformance.ts';

const record = (value: string | Buffer) => ({ key: null, value: Buffer.from(value), headers: [] });

t.test('is a publisher', t =>
  publisherConformance(t, async (_: Test) => {
    const publisher = new MemoryPublisher();
    const read = async (topic: string) =>
      publisher.records({ topic, after: 0, limit: 10_000 }).map(({ headers, ...rest }) => {
        const named = Object.create(null);
        for (const [name, value] of headers) named[name] = value;
        return { ...rest, headers: named };
      });
    return { publisher, topics: ['a', 'b'], read };
  }),
);

t.test('records are read in the order of arrival, from any position on', async t => {
  const publisher = new MemoryPublisher();
  await publisher.send('a', 0, [record('1'), record('2')]);
  await publisher.send('b', 2, [record('3')]);
  await publisher.send('a', 0, [record('4')]);
  const read = (options: Parameters<MemoryPublisher['records']>[0]) =>
    publisher.records(options).map(({ position, topic, partition, offset, value }) => {
      return `${position} ${topic}/${partition}@${offset} ${value}`;
    });
  t.same(read({ after: 0, limit: 10 }), ['1 a/0@0 1', '2 a/0@1 2', '3 b/2@0 3', '4 a/0@2 4']);
  t.same(read({ after: 1, limit: 2 }), ['2 a/0@1 2', '3 b/2@0 3']);
  t.same(read({ topic: 'a', after: 2, limit: 10 }), ['4 a/0@2 4']);
  t.same(read({ after: 4, limit: 10 }), []);
  t.type(publisher.records({ after: 0, limit: 1 })[0]!.timestamp, 'number');
});

t.test('what is kept is bounded, by number and by bytes; positions and offsets go on', async t => {
  const publisher = new MemoryPublisher();
  for (let i = 0; i < 30; i++) {
    const records = Array.from({ length: 500 }, (_, n) => record(`${i * 500 + n}`));
    await publisher.send('a', 0, records);
  }
  const kept = publisher.records({ after: 0, limit: 100_000 });
  t.equal(kept.length, 10_000);
  t.match(kept[0], { position: 5_001, offset: 5_000 });
  t.equal(`${kept[0]!.value}`, '5000');
  t.match(publisher.records({ after: 14_999, limit: 5 }), [{ position: 15_000, offset: 14_999 }]);
  for (let i = 0; i < 100; i++) await publisher.send('b', 1, [record(Buffer.alloc(1_000_000))]);
  const bytes = publisher.records({ after: 0, limit: 100_000 }).reduce((sum, { value }) => sum + value!.length, 0);
  t.ok(bytes <= 64 * 1024 * 1024, `${bytes} bytes`);
  t.equal(publisher.records({ after: 0, limit: 100_000 }).length, 67);
});
