/** `escrowmq backup` of a broker that is working, and a second broker that is started from the file. */
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually, startBrokerProcess } from '../support/broker-process.ts';
import { escrowmq, inside } from '../support/commands.ts';
import { temporaryFolder } from '../support/store.ts';
import { commit, prepare, show } from '../support/transactions.ts';

t.setTimeout(120_000);

const KEY = 'an-operator-key-of-at-least-32-characters';

t.test('what was acknowledged before is in it, and a broker goes on from there', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  await broker.put('/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:1/check' });
  const payload = 'p'.repeat(200_000);
  for (let i = 0; i < 20; i++) await prepare(broker, 'g', `before-${i}`, { topic: 'transfers', payload });
  for (let i = 0; i < 10; i++) await commit(broker, `before-${i}`);
  let isWorking = true;
  const work = (async () => {
    for (let i = 0; isWorking; i++) await prepare(broker, 'g', `during-${i}`, { topic: 'transfers', payload: 'x' });
  })();
  const file = join(temporaryFolder(t), 'monday.db');
  const made = await escrowmq(['backup', file, '--reason', 'nightly', '--url', broker.url, '--json']);
  isWorking = false;
  await work;
  t.match(made, { status: 0, stderr: '' });
  t.strictSame(JSON.parse(made.stdout), { file, bytes: statSync(file).size });
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.ok(statSync(file).size > 20 * payload.length, 'payloads are in it');
  t.match(
    (await inside(['acts', '--act', 'backup', '--url', broker.url])).stdout,
    / backup +- +- +operator +nightly\n/,
  );
  await broker.kill();

  const dataDir = temporaryFolder(t);
  copyFileSync(file, join(dataDir, 'escrowmq.db'));
  const restored = await startBrokerProcess(t, { args: ['--publisher', 'memory'], dataDir });
  for (let i = 0; i < 20; i++) {
    const { state, messages } = await show(restored, `before-${i}`);
    t.strictSame([state, messages[0].payload === payload], [i < 10 ? 'committed' : 'prepared', true]);
  }
  t.equal((await commit(restored, 'before-10')).status, 200);
  await eventually('it to be forwarded', async () => {
    const { body } = await restored.get('/v1/memory/records?topic=transfers&limit=500');
    return body.items.some(({ headers }: { headers: { ce_id: string } }) => headers.ce_id === 'before-10.0');
  });
  t.match(await inside(['doctor', '--publisher', 'memory', '--port', '0', '--data-dir', dataDir]), { status: 0 });
});

t.test('a viewer may not, and nothing is made', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'], env: { ESCROWMQ_OPERATOR_KEY: KEY } });
  const { body } = await broker.call('POST', '/v1/keys', { role: 'viewer' }, { authorization: `Bearer ${KEY}` });
  const file = join(temporaryFolder(t), 'x.db');
  const refused = await inside(['backup', file, '--reason', 'r'], { env: { url: broker.url, key: body.key } });
  t.match(refused, { status: 1, stdout: '', stderr: /403 FORBIDDEN/ });
  t.throws(() => statSync(`${file}.part`), { code: 'ENOENT' });
});
