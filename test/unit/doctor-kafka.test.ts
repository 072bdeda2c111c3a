/** What the doctor makes of topics, and what is asked of Kafka for it; a cluster of several brokers stands in a double. */
import type { Admin, PartitionMetadata } from 'kafkajs';
import t from 'tap';
import { topicFindings } from '../../broker/cli/doctor/kafka.ts';
import { inspectCluster, type TopicInspection } from '../../broker/forward/kafka-inspection.ts';

const topic = (more: Partial<TopicInspection>): TopicInspection => ({
  topic: 'transfers',
  partitions: 3,
  replicas: 3,
  lagging: 0,
  minInSync: 2,
  error: null,
  ...more,
});

t.test('topics as they should be are one line', async t => {
  t.strictSame(topicFindings([], 0), []);
  t.match(topicFindings([topic({}), topic({ topic: 'audit' })], 2), [
    { status: 'ok', detail: '2 topics as it should be.' },
  ]);
  t.match(topicFindings([topic({ minInSync: null })], 1), [
    { status: 'ok', detail: /1 topic .*; min\.insync\.replicas of 1 may not be read by this user\./ },
  ]);
  t.match(topicFindings([topic({})], 2_000), [
    { status: 'ok' },
    { status: 'ok', detail: /Only the first 500 of 2000/ },
  ]);
});

t.test('each thing that is wrong with one has its own line and what to do', async t => {
  const cases: [Partial<TopicInspection>, status: string, detail: RegExp, advice: RegExp][] = [
    [
      { partitions: null, replicas: null, minInSync: null, error: 'There is no such topic.' },
      'warn',
      /no such topic/,
      /Create it/,
    ],
    [{ minInSync: 4 }, 'fail', /is 4, and there are 3 replicas: nothing can be written/, /min\.insync\.replicas=2$/],
    [{ replicas: 1, minInSync: 2 }, 'fail', /is 2, and there are 1 replica/, /min\.insync\.replicas=1$/],
    [{ replicas: 1, minInSync: 1 }, 'warn', /one replica/, /three replicas/],
    [{ minInSync: 1 }, 'warn', /an acknowledged record may be on one disk only/, /min\.insync\.replicas=2$/],
    [{ replicas: 2, minInSync: 2 }, 'warn', /one Kafka broker away, and nothing can be written/, /one replica more/],
    [{ lagging: 2 }, 'warn', /2 partitions have replicas that are behind/, /Kafka’s brokers/],
  ];
  for (const [more, status, detail, advice] of cases) {
    t.match(topicFindings([topic(more)], 1), [{ check: 'topic transfers', status, detail, advice }]);
  }
});

/** As kafkajs rejects where Kafka answers with an error. */
const refusal = (type: string): Error => Object.assign(new Error(type), { type });

const partition = (replicas: number[], isr = replicas) => ({ replicas, isr }) as PartitionMetadata;

/** Three brokers; the topics `good`, `short` (whose settings may not be read) and `secret` (which may not be seen). */
const admin = {
  describeCluster: async () => ({
    clusterId: 'c1',
    controller: 1,
    brokers: [1, 2, 3].map(nodeId => ({ nodeId, host: `kafka-${nodeId}`, port: 9092 })),
  }),
  fetchTopicMetadata: async ({ topics: [name] }: { topics: string[] }) => {
    if (name === 'secret') throw refusal('TOPIC_AUTHORIZATION_FAILED');
    if (name === 'good') return { topics: [{ name, partitions: [partition([1, 2, 3]), partition([1, 2, 3])] }] };
    if (name === 'short') return { topics: [{ name, partitions: [partition([1, 2]), partition([1, 2], [1])] }] };
    throw refusal('UNKNOWN_TOPIC_OR_PARTITION');
  },
  describeConfigs: async ({ resources: [{ name }] }: { resources: [{ name: string }] }) => {
    if (name === 'short') throw refusal('TOPIC_AUTHORIZATION_FAILED');
    const configEntries = [{ configName: 'min.insync.replicas', configValue: '2' }];
    return { resources: [{ configEntries }] };
  },
} as unknown as Admin;

t.test('what is asked of Kafka, and what a missing right leaves open', async t => {
  const found = await inspectCluster(admin, ['good', 'short', 'secret', 'nowhere']);
  t.strictSame(found, {
    clusterId: 'c1',
    brokers: ['kafka-1:9092', 'kafka-2:9092', 'kafka-3:9092'],
    topics: [
      topic({ topic: 'good', partitions: 2 }),
      topic({ topic: 'short', partitions: 2, replicas: 2, lagging: 1, minInSync: null }),
      topic({
        topic: 'secret',
        partitions: null,
        replicas: null,
        minInSync: null,
        error: 'Kafka answered TOPIC_AUTHORIZATION_FAILED: TOPIC_AUTHORIZATION_FAILED',
      }),
      topic({ topic: 'nowhere', partitions: null, replicas: null, minInSync: null, error: 'There is no such topic.' }),
    ],
  });
});

t.test('no answer in the middle is no answer', async t => {
  const cut = { ...admin, describeConfigs: () => Promise.reject(new Error('socket closed')) } as unknown as Admin;
  await t.rejects(inspectCluster(cut, ['good']), { message: 'Kafka did not answer: socket closed.' });
});
