/** What every publisher must do, whatever stands behind it. */
import type { Test } from 'tap';
import type { KafkaRecord, Publisher } from '../../broker/forward/publisher.ts';

export interface PublisherBench {
  readonly publisher: Publisher;
  /** Two topics with 3 partitions each, empty. */
  readonly topics: readonly [string, string];
  /** All records of a topic, in order within each partition. */
  readonly read: (topic: string) => Promise<readonly ReadRecord[]>;
}

export interface ReadRecord extends Pick<KafkaRecord, 'key' | 'value'> {
  readonly partition: number;
  readonly offset: number;
  readonly headers: Readonly<Record<string, Buffer>>;
}

const record = (value: string): KafkaRecord => ({ key: null, value: Buffer.from(value), headers: [] });

export const publisherConformance = async (
  t: Test,
  open: (t: Test) => Promise<PublisherBench>,
  options: { skip?: string | false } = {},
): Promise<void> => {
  const bench = options.skip ? undefined : await open(t);
  const conforms = (name: string, test: (t: Test, bench: PublisherBench) => Promise<void>) =>
    t.test(name, options, t => test(t, bench!));

  await conforms('tells how many partitions a topic has', async (t, { publisher, topics }) => {
    t.same(await publisher.lookUp(topics[0]), { partitions: 3 });
    t.same(await publisher.lookUp('not/a/name'), { missing: true });
    t.equal(publisher.state().status, 'up');
  });

  await conforms('gives offsets in the order of the records, per partition', async (t, { publisher, topics, read }) => {
    const [topic, other] = topics;
    const names = ['a', 'b', 'c'].map(record);
    t.same(await publisher.send(topic, 1, names), { baseOffset: 0 });
    t.same(await publisher.send(topic, 1, [record('d')]), { baseOffset: 3 });
    t.same(await publisher.send(topic, 2, names), { baseOffset: 0 });
    t.same(await publisher.send(other, 1, names), { baseOffset: 0 });
    const placed = (await read(topic)).map(({ partition, offset, value }) => `${partition}:${offset} ${value}`);
    t.same(placed.sort(), ['1:0 a', '1:1 b', '1:2 c', '1:3 d', '2:0 a', '2:1 b', '2:2 c']);
  });

  await conforms('changes no byte', async (t, { publisher, topics, read }) => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const headers = [
      ['binary', every],
      ['empty', Buffer.alloc(0)],
      ['__proto__', Buffer.from('a name like any other')],
      ['constructor', Buffer.from('too')],
      ['7', Buffer.from('a number')],
      ['ümläut', Buffer.from('ß')],
    ] as const;
    const records: KafkaRecord[] = [
      { key: every, value: every, headers },
      { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [] },
      { key: null, value: null, headers: [] },
      { key: Buffer.from('k'), value: Buffer.alloc(900_000, 7), headers: [] },
    ];
    const { baseOffset } = await publisher.send(topics[1], 0, records);
    const found = (await read(topics[1])).filter(({ partition }) => partition === 0).slice(-records.length);
    t.equal(found[0]!.offset, baseOffset);
    for (const [i, { key, value }] of records.entries()) {
      t.same(found[i]!.key, key, `key ${i}`);
      t.ok(value === null ? found[i]!.value === null : found[i]!.value?.equals(value), `value ${i}`);
    }
    const arrived = Object.getOwnPropertyNames(found[0]!.headers).sort();
    t.same(arrived, headers.map(([name]) => name).sort());
    for (const [name, value] of headers) {
      t.same(Object.getOwnPropertyDescriptor(found[0]!.headers, name)?.value, value, name);
    }
  });

  await conforms('never believes a partition that does not exist', async (t, { publisher, topics, read }) => {
    const [topic] = topics;
    const before = (await read(topic)).length;
    await t.rejects(publisher.send(topic, 3, [record('ghost')]), { name: 'PublishError', fault: 'partition' });
    await t.rejects(publisher.send(topic, 99, [record('ghost')]), { message: /3 partitions/ });
    t.equal((await read(topic)).length, before);
    t.ok((await publisher.send(topic, 0, [record('real')])).baseOffset >= 0, 'the others go on');
  });

  await conforms('says that a topic cannot be', async (t, { publisher }) => {
    await t.rejects(publisher.send('not/a/name', 0, [record('x')]), { name: 'PublishError', fault: 'topic' });
  });

  await conforms('takes many sends at once', async (t, { publisher, topics, read }) => {
    const lanes = topics.flatMap(topic => [0, 1, 2].map(partition => ({ topic, partition })));
    await Promise.all(
      lanes.map(async ({ topic, partition }) => {
        for (let i = 0; i < 20; i++) await publisher.send(topic, partition, [record(`lane ${partition} ${i}`)]);
      }),
    );
    for (const { topic, partition } of lanes) {
      const values = (await read(topic)).filter(found => found.partition === partition).map(({ value }) => `${value}`);
      t.same(
        values.filter(value => value.startsWith('lane')),
        Array.from({ length: 20 }, (_, i) => `lane ${partition} ${i}`),
      );
    }
  });

  await conforms('closes for good, and again', async (t, { publisher }) => {
    await publisher.close(5_000);
    await publisher.close(5_000);
    t.pass('both resolved');
  });
};
