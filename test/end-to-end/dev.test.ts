/** `escrowmq dev`: everything that its sample does is seen, and nothing is left. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually, startBrokerProcess } from '../support/broker-process.ts';
import { escrowmq, RunningProgram } from '../support/commands.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

t.test('every ending of a local transaction, and a clean end', async t => {
  const dev = new RunningProgram(t, ['dev', '--port', '0'], { TMPDIR: temporaryFolder(t) });
  const [, url, folder] = await dev.says(
    /^A broker without Kafka: (http:\/\/127\.0\.0\.1:\d+), data in (\/.*) \(removed at/,
  );
  await dev.says(/Ctrl-C ends it\.\n$/);
  t.match(dev.stdout, `${url}/console`);
  const commands = [...dev.stdout.matchAll(/^ {2}escrowmq (.*)$/gm)].map(([, line]) => line!);
  t.equal(commands.length, 3);
  t.ok(existsSync(folder!));

  const endings = await eventually('every ending', async () => {
    const answer = await fetch(`${url}/v1/transactions?limit=500`);
    const { items } = (await answer.json()) as { items: { state: string; resolvedBy: string; unresolved: boolean }[] };
    const seen = new Set(items.map(({ state, resolvedBy, unresolved }) => `${state} ${resolvedBy} ${unresolved}`));
    return seen.size >= 6 && [...seen].sort();
  });
  t.strictSame(endings, [
    'committed check false',
    'committed producer false',
    'prepared null false',
    'prepared null true',
    'rolled_back check false',
    'rolled_back producer false',
  ]);
  const settle = commands[2]!.replace('"looked into"', 'looked').split(' ');
  t.match(await escrowmq([...settle, '--yes']), { status: 0, stdout: '1 committed.\n' }, 'as it is printed');

  t.equal(await dev.end('SIGINT'), 0);
  t.equal(dev.stderr, '');
  t.notOk(existsSync(folder!), 'nothing is left');
});

t.test('a folder that was given stays; a port that is taken is told', async t => {
  const folder = join(temporaryFolder(t), 'try');
  const dev = new RunningProgram(t, ['dev', '--port', '0', '--data-dir', folder]);
  const [, port] = await dev.says(/127\.0\.0\.1:(\d+), data in .*try\.\n/);
  const temporary = temporaryFolder(t);
  const second = await escrowmq(['dev', '--port', port!], { TMPDIR: temporary });
  t.match(second, { status: 1, stdout: '', stderr: /is taken by another program/ });
  t.strictSame(readdirSync(temporary), []);
  t.equal(await dev.end('SIGTERM'), 0);
  t.ok(existsSync(join(folder, 'escrowmq.db')));
});

t.test('a folder whose broker wants keys is not for trying out', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  await broker.post('/v1/keys', { role: 'operator' });
  await broker.stop();
  const dev = await escrowmq(['dev', '--port', '0', '--data-dir', broker.dataDir]);
  t.match(dev, { status: 1, stdout: '', stderr: /401 UNAUTHENTICATED/ });
});
