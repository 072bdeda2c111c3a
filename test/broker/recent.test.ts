/** What the store remembers must be what it would read: the same random life, with much, little and no memory. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Command } from '../../broker/coordinator/commands.ts';
import type { Coordinator } from '../../broker/coordinator/coordinator.ts';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import type { Store } from '../../broker/store/store.ts';
import {
  halfMessage,
  openCoordinator,
  prepareCommand,
  producerGroup,
  resolveCommand,
  temporaryFolder,
} from '../support/store.ts';

const TOPICS = ['known', 'unknown'];
const PARTITIONS = [null, 0, 1];
const MEMORIES = [0, 3_000, 1_000_000];
const ALL = Number.MAX_SAFE_INTEGER;

const number = fc.integer({ min: 0, max: 11 });
const topic = fc.constantFrom(...TOPICS);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(number, fc.array(topic, { minLength: 1, maxLength: 2 })).map(prepareOf) },
  { weight: 4, arbitrary: number.map(id => resolveCommand(`t${id}`)) },
  number.map(id => resolveCommand(`t${id}`, 'rollback')),
  {
    weight: 4,
    arbitrary: onMessage((transactionId, index) => ({ type: 'forwarded', transactionId, index, offset: 7 })),
  },
  onMessage((transactionId, index) => ({ type: 'park', transactionId, index, error: 'refused' })),
  onMessage((transactionId, index) => ({ type: 'assign', transactionId, index })),
  onMessage((id, index) => ({ type: 'retry', messageId: `${id}.${index}`, reason: 'again' })),
  onMessage((id, index) => ({ type: 'discard', messageId: `${id}.${index}`, reason: 'never' })),
  number.map((id): Command => ({ type: 'purge', id: `t${id}`, endedBefore: ALL })),
  fc.constant<Command>({ type: 'topic_seen', topic: 'unknown', partitions: 2 }),
);

function prepareOf([id, topics]: [number, string[]]): Command {
  const messages = topics.map((name, i) => halfMessage({ topic: name, payload: Buffer.alloc(200 * i, id) }));
  return prepareCommand(`t${id}`, 'g', messages);
}

function onMessage(make: (id: string, index: number) => Command): fc.Arbitrary<Command> {
  return fc.tuple(number, fc.integer({ min: 0, max: 1 })).map(([id, index]) => make(`t${id}`, index));
}

interface Life {
  readonly store: Store;
  readonly coordinator: Coordinator;
}

const begin = async (t: Test, recentBytes: number): Promise<Life> => {
  const store = openSqliteStore({ dataDir: temporaryFolder(t), recentBytes });
  const coordinator = await openCoordinator(store, { clock: { now: () => 1, monotonic: () => 1 } });
  await coordinator.submit([
    { type: 'put_group', group: producerGroup('g') },
    { type: 'topic_seen', topic: 'known', partitions: 2 },
  ]);
  return { store, coordinator };
};

/** Everything a forwarder could ask, from wherever it stands. */
const asked = async ({ store, coordinator }: Life, from: number): Promise<unknown[]> => {
  const answers: unknown[] = [];
  const last = coordinator.counters().get('commitOrder') ?? 0;
  for (const name of TOPICS) {
    for (const partition of PARTITIONS) {
      const lane = { topic: name, partition };
      for (const after of [0, Math.floor((last * from) / 11), last]) {
        answers.push(await store.readyMessages(lane, after, last, 500, ALL));
        answers.push(await store.readyMessages(lane, after, last - 1, 2, 250));
      }
    }
  }
  for (let id = 0; id < 12; id++) answers.push(await store.transaction(`t${id}`));
  return answers;
};

t.test('a store with memory answers as one without', async t => {
  let seen = 0;
  const property = fc.asyncProperty(
    fc.array(fc.tuple(fc.array(command, { minLength: 1, maxLength: 6 }), number), { maxLength: 25 }),
    async steps => {
      const lives = await Promise.all(MEMORIES.map(bytes => begin(t, bytes)));
      try {
        for (const [commands, from] of steps) {
          const outcomes = await Promise.all(lives.map(({ coordinator }) => coordinator.submit(commands)));
          const answers = await Promise.all(lives.map(life => asked(life, from)));
          for (const i of [1, 2]) {
            if (!isDeepStrictEqual(outcomes[i], outcomes[0])) return false;
            if (!isDeepStrictEqual(answers[i], answers[0])) return false;
          }
          seen += answers[0]!.flat().length;
        }
        return true;
      } finally {
        await Promise.all(lives.map(({ store }) => store.close()));
      }
    },
  );
  await fc.assert(property, { numRuns: 150 });
  t.ok(seen > 1_000, `${seen} answers compared`);
});
