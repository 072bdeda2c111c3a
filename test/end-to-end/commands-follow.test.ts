/** Commands that go on until Ctrl-C, as real processes. */
import t, { type Test } from 'tap';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { RunningProgram } from '../support/commands.ts';
import { steadyAddress } from '../support/steady-address.ts';
import { prepare } from '../support/transactions.ts';
import { until } from '../support/until.ts';

t.setTimeout(120_000);

let broker: BrokerProcess;
t.before(async () => {
  broker = await startBrokerProcess(t as Test, { args: ['--publisher', 'memory'] });
  await broker.put('/v1/producer-groups/g', {});
  for (const id of ['t1', 't2', 't3']) await prepare(broker, 'g', id, { topic: 'transfers', payload: 'x' });
});

const start = (t: Test, ...args: string[]): RunningProgram => new RunningProgram(t, args, { ESCROWMQ_URL: broker.url });

t.test('a list shows the newest, then what comes and what changes, the oldest first', async t => {
  const [list, json] = [start(t, 'list', '--follow', '--limit', '2'), start(t, 'list', '--follow', '--json')];
  await Promise.all([list.says(/t2 .*\nt3 /), json.says(/"t1".*\n.*"t2".*\n.*"t3".*\n/)]);
  t.notMatch(list.stdout, /\nt1 /);
  for (const id of ['t4', 't5']) await prepare(broker, 'g', id, { topic: 'transfers', payload: 'x' });
  await Promise.all([list.says(/\nt3 .*\nt4 .*\nt5 /), json.says(/"t3".*\n.*"t4".*\n.*"t5".*\n/)]);
  await broker.post('/v1/transactions/t4/commit');
  await Promise.all([list.says(/\nt5 .*\nt4 +committed /), json.says(/"t5".*\n.*"t4".*"committed".*\n/)]);
  t.notMatch(list.stdout, /\nt1 /, 'what was there before is not new');
  t.strictSame(await Promise.all([list.end('SIGINT'), json.end('SIGINT')]), [0, 0]);
  t.strictSame([list.stderr, json.stderr], ['', '']);
  t.equal(list.stdout.match(/^ID /gm)?.length, 1, 'one head');
});

t.test('acts, as they are done', async t => {
  const acts = start(t, 'acts', '--follow');
  await broker.post('/v1/transactions/t5/rollback', { reason: 'first' });
  await acts.says(/\n.* rollback +t5 .*first\n/);
  await broker.post('/v1/transactions/t3/rollback', { reason: 'second' });
  await acts.says(/first\n.* rollback +t3 .*second\n/);
  t.equal(await acts.end('SIGTERM'), 0);
});

t.test('one transaction, to its end', async t => {
  const [shown, json] = [start(t, 'show', 't1', '--follow'), start(t, 'show', 't1', '--follow', '--json')];
  await Promise.all([shown.says(/\nAT .*\n.* prepared /), json.says(/"state":"prepared".*\n/)]);
  await broker.post('/v1/transactions/t1/commit');
  t.strictSame(await Promise.all([shown.end(), json.end()]), [0, 0], 'they end by themselves');
  t.match(
    shown.stdout,
    / prepared .*\n.* committed +producer .*\n.* forwarded +broker .*t1\.0 to transfers\/\d at offset \d+\n$/,
  );
  t.match(shown.stderr, /It is at its end: committed; messages: 1 forwarded\./);
  t.match(json.stdout.trimEnd().split('\n').at(-1), /"forwarded":1/);
  const again = start(t, 'show', 't1', '--follow');
  t.equal(await again.end(), 0, 'what is at its end already is shown once');
});

t.test('a broker that is away for a while is waited for; one that was never there is not', async t => {
  const url = await steadyAddress(t, () => broker.url);
  const list = new RunningProgram(t, ['list', '--follow', '--url', url]);
  await list.says(/t2 /);
  await broker.kill();
  await until('it is missed', () => list.stderr.includes('Looking on for it.'));
  await broker.start();
  await prepare(broker, 'g', 't9', { topic: 'transfers', payload: 'x' });
  await list.says(/\nt9 /);
  t.match(
    list.stderr,
    /There is no answer from a broker at .* Looking on for it\.\nescrowmq: The broker is there again\.\n/,
  );
  t.equal(await list.end('SIGINT'), 0);
  const nobody = new RunningProgram(t, ['list', '--follow', '--url', 'http://127.0.0.1:9']);
  t.equal(await nobody.end(), 1);
  t.match(nobody.stderr, /There is no answer from a broker at http:\/\/127\.0\.0\.1:9/);
});
