/** The command as a person at a terminal meets it. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import t from 'tap';
import { SETTINGS } from '../../broker/config.ts';
import { VERSION } from '../../broker/version.ts';
import { startBrokerProcess } from '../support/broker-process.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

/** Ends by itself: for calls that do not run a broker. */
const escrowmq = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [resolve('broker/bin/escrowmq.js'), ...args], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: process.env.PATH },
  });
  return { status, stdout, stderr };
};

t.test('help lists every setting, version is the package’s, both exit 0', async t => {
  for (const ask of [['--help'], ['-h'], ['serve', '--help'], ['serve', '-h']]) {
    const { status, stdout } = escrowmq(...ask);
    t.equal(status, 0, ask.join(' '));
    for (const flag of Object.keys(SETTINGS)) t.match(stdout, `--${flag}`);
  }
  t.match(escrowmq('--version'), { status: 0, stdout: `${VERSION}\n` });
});

t.test('wrong use exits 2, says everything that is wrong, and starts nothing', async t => {
  t.match(escrowmq(), { status: 2, stderr: /Say what to do/ });
  t.match(escrowmq('serv'), { status: 2, stderr: /There is no command "serv"/ });
  const wrong = escrowmq('serve', '--port', 'x', '--retention', '1', '--wrong');
  t.match(wrong, { status: 2, stdout: '' });
  for (const part of ['--port', '--retention', '--wrong', 'where Kafka is', 'Nothing was started']) {
    t.match(wrong.stderr, part);
  }
});

t.test('what cannot be had exits 1 with a sentence', async t => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => taken.close());
  await once(taken, 'listening');
  const port = String((taken.address() as AddressInfo).port);
  const serve = ['serve', '--publisher', 'memory', '--data-dir', temporaryFolder(t)];
  t.match(escrowmq(...serve, '--port', port), { status: 1, stderr: `127.0.0.1:${port} is taken by another program` });
  t.match(escrowmq(...serve, '--data-dir=/dev/null/x').status, 2, 'a setting given twice');
  const folder = escrowmq('serve', '--publisher', 'memory', '--data-dir', '/dev/null/x');
  t.match(folder, { status: 1, stderr: /The data folder .* cannot be used/ });
});

t.test('the line that says where the broker listens comes at any log level', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory', '--log-level', 'silent'] });
  t.match(broker.log, [{ event: 'listening', address: broker.url, version: VERSION }]);
  t.equal((await broker.get('/livez')).status, 200);
  t.equal(await broker.stop(), 0);
  t.equal(broker.log.length, 1);
});
