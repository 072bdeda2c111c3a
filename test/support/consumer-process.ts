/**
 * A consumer in a process of its own, made to be killed: credits amounts in a SQLite file, and says on standard output
 * how many it has handled, and how many came again.
 *
 *   node consumer-process.ts BROKERS TOPIC GROUP FILE sound|outside
 *
 * `outside` is the planted fault: the inbox row is not in the transaction of the effect.
 */
import { createConsumer } from '../../consumer-sdk/index.ts';
import { kafkaClient, Ledger, rowOutside } from './consumer-bench.ts';

const [brokers = '', topic = '', groupId = '', file = '', way = ''] = process.argv.slice(2);
const ledger = new Ledger(file);
const inbox = way === 'outside' ? rowOutside(ledger.inbox.database) : ledger.inbox;
const consumer = createConsumer({
  kafka: kafkaClient(brokers.split(',')),
  groupId,
  topics: [topic],
  inbox,
  commitIntervalMs: 25,
  kafkaConsumer: { maxWaitTimeInMs: 50, heartbeatInterval: 200 },
});
const report = setInterval(() => {
  const { handled, repeats } = consumer.health().counts;
  process.stdout.write(`${handled} ${repeats}\n`);
}, 5);
process.once('SIGTERM', () => void consumer.close());
await consumer.run(ledger.credit);
clearInterval(report);
await inbox.close();
