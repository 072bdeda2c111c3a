/** The load's consumer: a process of its own that notes when it received which message. */
import { Kafka, logLevel } from 'kafkajs';
import { numberOf, type ReceiverReport } from './messages.ts';
import { sharedNow } from './moment.ts';

const [brokers = '', topic = ''] = process.argv.slice(2);
const TOLD_EVERY_MS = 20;

const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({
  groupId: `bench-${topic}`,
});
const seenAt: number[] = [];
const twice = new Set<number>();
let seen = 0;
let duplicates = 0;
let told = 0;

await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const assigned = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve));
await consumer.run({
  eachBatch: async ({ batch }) => {
    const now = sharedNow();
    for (const { value } of batch.messages) {
      const number = numberOf(value!);
      if (seenAt[number]) {
        duplicates++;
        twice.add(number);
      } else {
        seenAt[number] = now;
        seen++;
      }
    }
  },
});
await assigned;
setInterval(() => {
  if (told === seen) return;
  told = seen;
  process.send!({ event: 'seen', seen });
}, TOLD_EVERY_MS);
process.on('message', () => {
  const report: ReceiverReport = {
    event: 'received',
    duplicates,
    duplicated: twice.size,
    seenAt: Float64Array.from(seenAt, at => at ?? 0),
  };
  process.send!(report);
});
process.on('disconnect', () => process.exit(0));
process.send!({ event: 'ready' });
