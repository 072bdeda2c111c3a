/** The Kafka of the simulation is a publisher like any other, and it fails as it is told. */
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { KafkaRecord } from '../../broker/forward/publisher.ts';
import { type Fate, type KafkaWorld, MovingKafka } from '../../torture/model/moving-kafka.ts';
import { publisherConformance } from './publisher-conformance.ts';

const world = (more: Partial<KafkaWorld> = {}): KafkaWorld => ({
  wait: () => turn(),
  random: () => 0.5,
  fate: () => 'written',
  ...more,
});
const record = (value: string): KafkaRecord => ({ key: null, value: Buffer.from(value), headers: [] });

t.test('is a publisher', t =>
  publisherConformance(t, async (_: Test) => {
    const kafka = new MovingKafka(world(), { a: 3, b: 3 });
    const read = async (topic: string) =>
      [0, 1, 2].flatMap(partition =>
        kafka.records(topic, partition).map(({ headers, ...rest }, offset) => {
          const named = Object.create(null);
          for (const [name, value] of headers) named[name] = value;
          return { ...rest, headers: named, partition, offset };
        }),
      );
    return { publisher: kafka.client(), topics: ['a', 'b'], read };
  }),
);

t.test('each fate leaves in the log what it says', async t => {
  const written: Partial<Record<Fate, number>> = {};
  for (const fate of ['written', 'refused', 'unanswered', 'late', 'hanging'] as const) {
    const kafka = new MovingKafka(world({ fate: () => fate }), { a: 1 });
    const outcome = await kafka
      .client()
      .send('a', 0, [record('x')])
      .catch(error => error);
    if (fate === 'written') t.same(outcome, { baseOffset: 0 });
    else t.match(outcome, { name: 'PublishError', fault: 'unknown' }, fate);
    await turn();
    written[fate] = kafka.records('a', 0).length;
  }
  t.same(written, { written: 1, refused: 0, unanswered: 1, late: 1, hanging: 0 });
});
