/** What lies in the data folder is the broker's alone, whatever the umask of whoever starts it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startBrokerProcess } from '../support/broker-process.ts';
import { escrowmq } from '../support/commands.ts';
import { temporaryFolder } from '../support/store.ts';
import { commit, prepare } from '../support/transactions.ts';

const MEMORY = ['--publisher', 'memory'];
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** By name. */
const modesIn = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map(name => [name, modeOf(join(folder, name))]));

const PRIVATE = {
  'broker.lock': '600',
  'escrowmq.db': '600',
  'escrowmq.db-shm': '600',
  'escrowmq.db-wal': '600',
};

t.test('folder 0700 and files 0600, even where the umask takes nothing away', async t => {
  const above = join(temporaryFolder(t), 'above');
  const dataDir = join(above, 'data');
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  const broker = await startBrokerProcess(t, { args: MEMORY, dataDir });
  await broker.put('/v1/producer-groups/g', {});
  await prepare(broker, 'g', 't1', { topic: 'transfers', payload: 'x' });
  await commit(broker, 't1');
  t.match(modesIn(dataDir), PRIVATE);
  t.same([...new Set(Object.values(modesIn(dataDir)))], ['600'], 'whatever else lies there');
  t.same([modeOf(above), modeOf(dataDir)], ['700', '700'], 'and what had to be made above it');
  await broker.kill();
  t.match(modesIn(dataDir), PRIVATE, 'after a kill too');
});

t.test(
  'files of a copy that was put back with wider modes become private; a folder that was there stays as it is',
  async t => {
    const dataDir = join(temporaryFolder(t), 'data');
    const first = await startBrokerProcess(t, { args: MEMORY, dataDir });
    await first.put('/v1/producer-groups/g', {});
    await first.kill();
    for (const name of readdirSync(dataDir)) chmodSync(join(dataDir, name), 0o644);
    chmodSync(dataDir, 0o750);
    const second = await startBrokerProcess(t, { args: MEMORY, dataDir });
    t.equal((await second.get('/v1/producer-groups/g')).status, 200);
    t.match(modesIn(dataDir), PRIVATE);
    t.equal(modeOf(dataDir), '750', 'whoever made it so meant it');
    const empty = join(temporaryFolder(t), 'mounted');
    mkdirSync(empty, { mode: 0o755 });
    writeFileSync(join(empty, 'lost+found'), '');
    await startBrokerProcess(t, { args: MEMORY, dataDir: empty });
    t.match(modesIn(empty), PRIVATE, 'in a folder that others may look into');
  },
);

const noProc = { skip: existsSync('/proc/self') ? false : 'there is no /proc' };

t.test('a folder that the system does not let anybody make is refused, not tried for ever', noProc, async t => {
  const ended = await escrowmq(['serve', ...MEMORY, '--port', '0', '--data-dir', '/proc/escrowmq/data']);
  t.match(ended, { status: 1, stdout: '', stderr: /The data folder \/proc\/escrowmq\/data cannot be used: ENOENT/ });
});
