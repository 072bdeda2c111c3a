/** An act on thousands that is cut through: the broker is killed, and the command goes on; the command is interrupted. */
import t, { type Test } from 'tap';
import { startBrokerProcess } from '../support/broker-process.ts';
import { RunningProgram } from '../support/commands.ts';
import { steadyAddress } from '../support/steady-address.ts';
import { until } from '../support/until.ts';

t.setTimeout(120_000);

const COUNT = 30_000;
const BATCH = 1_000;

/** With so many undecided transactions of group `g`. */
const startWithMany = async (t: Test) => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  await broker.put('/v1/producer-groups/g', {});
  const operations = Array.from({ length: COUNT }, (_, i) => ({
    op: 'prepare',
    id: `t${i}`,
    group: 'g',
    messages: [{ topic: 'transfers', key: 'one-key', payload: String(i) }],
  }));
  for (let from = 0; from < COUNT; from += BATCH)
    await broker.post('/v1/batch', { operations: operations.slice(from, from + BATCH) });
  const committed = async (): Promise<number> => (await broker.get('/v1/status')).body.transactions.committed;
  return { broker, committed };
};

const commitAll = (t: Test, url: string): RunningProgram =>
  new RunningProgram(t, ['commit', '--all', '--group', 'g', '--reason', 'all were seen', '--yes', '--url', url]);

t.test('the broker is killed: every transaction is committed once, in the order of arrival', async t => {
  const { broker, committed } = await startWithMany(t);
  const url = await steadyAddress(t, () => broker.url);
  const command = commitAll(t, url);
  await until('some are committed', async () => (await committed()) > 0);
  await broker.restart();
  t.ok((await committed()) < COUNT, 'it was killed in the middle');
  t.equal(await command.end(), 0);
  t.equal(command.stdout, '30,000 committed.\n');
  t.equal(await committed(), COUNT);
  const { body } = await broker.get('/v1/acts?limit=500');
  t.equal(new Set(body.items.map(({ target }: { target: string }) => target)).size, 500, 'each act stands there once');

  // What was forwarded before the kill is gone with the memory, which keeps the last 10,000; those are whole and in order.
  // Nothing may leave it while it is read.
  await until('the last record', async () => (await broker.get('/v1/status')).body.messages.forwarded === COUNT);
  const payloads: number[] = [];
  for (let after = 0; payloads.at(-1) !== COUNT - 1; ) {
    const { body } = await broker.get(`/v1/memory/records?limit=500&after=${after}`);
    payloads.push(...body.items.map(({ payload }: { payload: string }) => Number(payload)));
    if (body.items.length === 0) break;
    after = body.next;
  }
  t.equal(payloads.at(-1), COUNT - 1);
  t.strictSame(
    payloads,
    Array.from(payloads, (_, i) => payloads[0]! + i),
  );
});

t.test('Ctrl-C: the request in hand comes to its end, and the number that is told is true', async t => {
  const { broker, committed } = await startWithMany(t);
  const command = commitAll(t, broker.url);
  await until('some are committed', async () => (await committed()) > 0);
  t.equal(await command.end('SIGINT'), 1);
  const [, done, left] = /^([\d,]+) committed, ([\d,]+) left\. It was interrupted\.\n$/.exec(command.stdout) ?? [];
  const number = (text = ''): number => Number(text.replaceAll(',', ''));
  t.equal(number(done), await committed());
  t.equal(number(done) + number(left), COUNT);
});
