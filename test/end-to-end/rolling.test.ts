/** Three Kafka nodes, restarted one after the other under load, behind a real broker process. */
import t from 'tap';
import { audit, hasAll, Load, NOTHING_WRONG } from '../../torture/load.ts';
import { eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { needsOwnKafka, newTopic, ownKafka } from '../support/kafka.ts';
import { readTopic } from '../support/topics.ts';
import { gauges } from '../support/transactions.ts';

t.setTimeout(200_000);

t.test(
  'a cluster of three rolled under load: nothing acknowledged is missing',
  { ...needsOwnKafka, timeout: 180_000 },
  async t => {
    const kafka = await ownKafka(t, { nodes: 3 });
    const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
    const topics = [
      await newTopic(kafka, { partitions: 6, replicas: 3 }),
      await newTopic(kafka, { partitions: 1, replicas: 3 }),
    ];
    await broker.put('/v1/producer-groups/load', {});
    const load = new Load(broker, { group: 'load', topics, producers: 4, pauseMs: 20 });
    load.start();
    await load.more(100);
    const forwarded = async () => (await gauges(broker)).get('escrowmq_messages{state="forwarded"}')!;
    const moreForwarded = async (when: string) => {
      const wanted = (await forwarded()) + 50;
      await eventually(`50 more to be forwarded ${when}`, async () => (await forwarded()) >= wanted);
    };
    for (const node of kafka.nodes) {
      await node.stop();
      await moreForwarded(`without node ${node.id}`);
      await node.start();
      await moreForwarded(`with node ${node.id} again`);
    }
    await load.stop();
    t.same(load.wrong, []);
    const records = [];
    for (const topic of topics) {
      records.push(...(await readTopic(kafka, topic, { until: hasAll(load, topic), timeoutMs: 60_000 })));
    }
    const found = audit(load, records);
    t.match(found, NOTHING_WRONG, `${load.in('committed').length} committed, ${found.duplicates} duplicates`);
    t.equal(await broker.stop(), 0);
  },
);
