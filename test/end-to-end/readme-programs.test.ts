/** The ten lines in each README run as they are printed, on the packages as they are installed. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import { ScratchProject } from '../../tools/packages/scratch-project.ts';
import { eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { needsOwnKafka, ownKafka } from '../support/kafka.ts';
import { type Addresses, programIn, startProgram } from '../support/readme-program.ts';
import { createTopic } from '../support/topics.ts';

t.setTimeout(200_000);

const programs = new Map<string, string>();
for (const page of globSync(['README.md', '*/README.md', 'examples/*/README.md'], { exclude: ['node_modules'] })) {
  const program = programIn(readFileSync(page, 'utf8'));
  if (program !== null) programs.set(page, program);
}

t.test('the program of a page is the first block of js in its section', async t => {
  const page = (below: string, heading = '## Ten lines'): string =>
    `# A\n\n\`\`\`js\nabove();\n\`\`\`\n\n${heading}\n\n${below}\n\n## Next\n\n\`\`\`js\nbelow();\n\`\`\`\n`;
  t.equal(programIn(page('Like so:\n\n```sh\n# ls\n```\n\n```js\nten();\n```\n\n```js\nmore();\n```')), 'ten();\n');
  t.equal(programIn(page('### Smaller\n\n```js\nten();\n```')), 'ten();\n');
  t.throws(() => programIn(page('```ts\nten();\n```')), /no block of js/);
  t.equal(programIn(page('```js\nten();\n```', '## Twenty lines')), null);
});

t.test('every program that is printed is run here', async t => {
  t.same([...programs.keys()].sort(), ['consumer-sdk/README.md', 'producer-sdk/README.md']);
});

const project = await ScratchProject.make();
t.teardown(() => project.remove());

/** Runs the producer's program to its end. Resolves with what it says it did, and where it keeps its database. */
const placeOrder = async (t: Test, addresses: Addresses) => {
  const program = startProgram(t, project, programs.get('producer-sdk/README.md')!, addresses);
  t.equal(await program.ended(), 0);
  const said = /^(order-\d+) is stored, its message is on its way: ([\w-]+), acknowledged$/.exec(
    program.lines.join('\n'),
  );
  return { order: said?.[1], id: said?.[2], folder: program.folder };
};

t.test('producer-sdk/README.md', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const { order, id, folder } = await placeOrder(t, { broker: broker.url, kafka: '' });
  const db = new Database(join(folder, 'orders.db'), { readonly: true });
  t.same(db.prepare('select id, amount from orders').all(), [{ id: order, amount: 100 }]);
  const verdicts = db.prepare('select transaction_id, outcome from escrow_fence').all();
  t.same(verdicts, [{ transaction_id: id, outcome: 'commit' }]);
  db.close();
  const record = await eventually('the record', async () => {
    const { body } = await broker.get('/v1/memory/records?topic=orders');
    return body.items[0];
  });
  t.match(record, { key: order, payload: JSON.stringify({ id: order, amount: 100 }), headers: { ce_id: `${id}.0` } });
});

// A Kafka of its own: the names of topics are those that are printed.
t.test('consumer-sdk/README.md', needsOwnKafka, async t => {
  const kafka = await ownKafka(t);
  await createTopic(kafka, 'orders');
  const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  const addresses = { broker: broker.url, kafka: kafka.brokers[0]! };
  const program = startProgram(t, project, programs.get('consumer-sdk/README.md')!, addresses);
  const { order, id } = await placeOrder(t, addresses);
  await program.line(new RegExp(`\\b${order}\\b`));
  const db = new Database(join(program.folder, 'billing.db'), { readonly: true });
  // The line may be written before the COMMIT.
  const handled = await eventually('the row in the inbox', async () =>
    db.prepare('select message_id from escrow_inbox').pluck().get(),
  );
  t.equal(handled, `${id}.0`);
  t.same(db.prepare('select order_id, amount from bills').all(), [{ order_id: order, amount: 100 }]);
  db.close();
  t.equal(await program.stop(), 0, 'ends cleanly when it is told to');
});
