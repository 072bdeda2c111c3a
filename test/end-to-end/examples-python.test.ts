/** The producer by hand in Python: what happens to money and message, also when it is killed around its COMMIT. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { blocksOf } from '../support/markdown.ts';
import { needsPython } from '../support/python.ts';
import { temporaryFolder } from '../support/store.ts';

const PROGRAM = resolve('examples/python-by-hand/bank.py');
/** Stands before the broker; `before` is asked about each call, and false makes it be forgotten. */
const startDoor = async (
  t: Test,
  broker: BrokerProcess,
  before: (path: string) => Promise<boolean>,
): Promise<string> => {
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    if (!(await before(request.url!))) return void response.destroy();
    const answer = await broker.call(request.method!, request.url!, body === '' ? undefined : body);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
  };
  const server = createServer((request, response) => void pass(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

interface Bank {
  readonly child: ChildProcess;
  readonly url: string;
  transfer(id: string, amount: number): Promise<{ status: number; body: Record<string, unknown> }>;
  balance(): Promise<number>;
}

const startBank = async (t: Test, folder: string, broker: string): Promise<Bank> => {
  const args = [
    PROGRAM,
    '--port',
    '0',
    '--database',
    join(folder, 'bank.db'),
    '--broker',
    broker,
    '--account',
    'alice',
  ];
  const child = spawn('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout! }), 'line');
  const url = String(line).replace('listening ', '');
  return {
    child,
    url,
    transfer: async (id, amount) => {
      const body = JSON.stringify({ id, from: 'alice', to: 'bob', amount });
      const answer = await fetch(`${url}/transfer`, { method: 'POST', body });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    balance: async () => ((await (await fetch(url)).json()) as { alice: number }).alice,
  };
};

const recordsOf = async (broker: BrokerProcess): Promise<string[]> => {
  const { body } = await broker.get('/v1/memory/records?topic=transfers');
  return body.items.map((record: { headers: { ce_id: string } }) => record.headers.ce_id);
};

const ended = (broker: BrokerProcess, id: string, state: string) =>
  eventually(`${id} is ${state}`, async () => {
    const { body } = await broker.get(`/v1/transactions/${id}`);
    return body.state === state && body;
  });

t.test('both or neither, and once', needsPython, async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const bank = await startBank(t, temporaryFolder(t), broker.url);
  t.match(await bank.transfer('t1', 100), { status: 200, body: { outcome: 'committed', told: true } });
  t.match(await bank.transfer('t1', 100), { status: 200, body: { outcome: 'committed', repeated: true } });
  t.match(await bank.transfer('t2', 5_000), { status: 422, body: { why: 'alice does not have 5000' } });
  t.match(await bank.transfer('t2', 5), { status: 422 }, 'an id is spent by its rollback');
  t.equal((await ended(broker, 't2', 'rolled_back')).resolvedBy, 'producer');
  t.equal(await bank.balance(), 900);
  t.same(await eventually('the record', async () => (await recordsOf(broker)).length > 0 && recordsOf(broker)), [
    't1.0',
  ]);
});

t.test('killed after its COMMIT, before the broker is told', needsPython, async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const folder = temporaryFolder(t);
  let victim: Bank | null = null;
  const door = await startDoor(t, broker, async path => {
    if (!path.endsWith('/commit')) return true;
    victim!.child.kill('SIGKILL');
    await once(victim!.child, 'exit');
    return false;
  });
  victim = await startBank(t, folder, door);
  await t.rejects(victim.transfer('t1', 100));
  t.equal((await broker.get('/v1/transactions/t1')).body.state, 'prepared');
  const other = await startBank(t, folder, broker.url);
  t.equal(await other.balance(), 900, 'it is debited');
  t.equal((await ended(broker, 't1', 'committed')).resolvedBy, 'check');
  t.same(await eventually('the record', async () => (await recordsOf(broker)).length > 0 && recordsOf(broker)), [
    't1.0',
  ]);
});

t.test(
  'killed before it has begun: the check writes rollback, and a late transaction finds it',
  needsPython,
  async t => {
    const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
    const folder = temporaryFolder(t);
    let victim: Bank | null = null;
    const door = await startDoor(t, broker, async path => {
      if (path !== '/v1/transactions') return true;
      const message = { topic: 'transfers', key: 'bob', payload: '{}' };
      await broker.post('/v1/transactions', { id: 't1', group: 'bank-by-hand', messages: [message] });
      victim!.child.kill('SIGKILL');
      return false;
    });
    victim = await startBank(t, folder, door);
    await t.rejects(victim.transfer('t1', 100));
    const other = await startBank(t, folder, broker.url);
    t.equal((await ended(broker, 't1', 'rolled_back')).resolvedBy, 'check');
    t.equal(await other.balance(), 1_000);
    t.same(await recordsOf(broker), []);
    const asked = { group: 'elsewhere', checks: [] };
    const answer = await fetch(`${other.url}/escrow/check`, { method: 'POST', body: JSON.stringify(asked) });
    t.equal(answer.status, 409, 'another group is not answered');
  },
);

t.test('its statements are those of docs/fence.md', async t => {
  const plain = (text: string): string => text.replaceAll(/\s+/g, ' ');
  const program = plain(readFileSync(PROGRAM, 'utf8'));
  const block = blocksOf(readFileSync('docs/fence.md', 'utf8')).find(({ text }) => text.startsWith('-- SQLite'))!;
  const statements = block.text
    .split('\n')
    .filter(line => !line.startsWith('--'))
    .join('\n')
    .split(';');
  for (const statement of statements.map(plain).filter(text => text.trim() !== '')) {
    t.ok(program.includes(statement.trim()), statement.trim().slice(0, 60));
  }
});
