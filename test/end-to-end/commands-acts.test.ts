/** The commands that decide: on one, on several, on a thousand. One broker for all, with keys. */
import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { escrowmq, folderWithParked, type Given, inside } from '../support/commands.ts';

t.setTimeout(120_000);

const KEY = 'an-operator-key-of-at-least-32-characters';
const MANY = 1_203;

let broker: BrokerProcess;
t.before(async () => {
  const parked = ['a', 'b', 'c', 'd'].map(name => ({ id: `parked-${name}`, topic: 'audit', error: `error ${name}` }));
  const dataDir = await folderWithParked(t as Test, [...parked, { id: 'other', topic: 'bills', error: 'error a' }]);
  broker = await startBrokerProcess(t as Test, {
    args: ['--publisher', 'memory'],
    env: { ESCROWMQ_OPERATOR_KEY: KEY },
    dataDir,
  });
  for (const group of ['many', 'few', 'late'])
    await call('PUT', `/v1/producer-groups/${group}`, { check: { afterMs: group === 'late' ? 600_000 : 100 } });
  const prepares = (group: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      op: 'prepare',
      id: `${group}-${String(i).padStart(4, '0')}`,
      group,
      messages: [{ topic: 'transfers', key: 'one-key', payload: String(i) }],
    }));
  for (let from = 0; from < MANY; from += 500)
    await call('POST', '/v1/batch', { operations: prepares('many', MANY).slice(from, from + 500) });
  await call('POST', '/v1/batch', { operations: [...prepares('few', 8), ...prepares('late', 3)] });
  await eventually('all to be unresolved', async () => {
    const { body } = await call('GET', '/v1/status');
    return body.transactions.unresolved === MANY + 8;
  });
});

const call = (method: string, path: string, body?: unknown) =>
  broker.call(method, path, body, { authorization: `Bearer ${KEY}` });

const say = (args: string[], given: Given = {}) => inside(args, { ...given, env: { url: broker.url, key: KEY } });
const REASON = ['--reason', 'looked into'];

const stateOf = async (id: string): Promise<string> => {
  const { body } = await call('GET', `/v1/transactions/${id}`);
  return `${body.state} by ${body.resolvedBy}`;
};

t.test('one transaction: done, done again, and refused', async t => {
  t.strictSame(await say(['commit', 'few-0000', ...REASON]), {
    status: 0,
    stdout: 'few-0000 is committed.\n',
    stderr: '',
  });
  t.equal(await stateOf('few-0000'), 'committed by operator');
  t.match(await say(['commit', 'few-0000', ...REASON]), { status: 0 });
  t.match(await say(['rollback', 'few-0000', ...REASON]), { status: 1, stdout: '', stderr: /409 ALREADY_COMMITTED/ });
  const json = await say(['rollback', 'few-0001', ...REASON, '--json']);
  t.match(JSON.parse(json.stdout), { id: 'few-0001', state: 'rolled_back', resolvedBy: 'operator' });
  t.match(await say(['check', 'few-0002', ...REASON]), { status: 1, stderr: /409 NO_CHECK_URL/ });
  t.match((await call('GET', '/v1/acts?target=few-0000')).body.items, [{ act: 'commit', reason: 'looked into' }]);
});

t.test('several by name: a summary, the refusals, and exit code 1', async t => {
  const ended = await say(['commit', 'few-0002', 'few-0001', 'nobody', 'few-0003', ...REASON]);
  t.match(ended, { status: 1, stderr: '' });
  t.match(
    ended.stdout,
    /^2 committed, 2 refused\.\nREFUSED +CODE +WHY\nfew-0001 +ALREADY_ROLLED_BACK +Trans.*\nnobody +TRANS/,
  );
  const json = await say(['commit', 'few-0002', 'few-0003', ...REASON, '--json']);
  t.strictSame(JSON.parse(json.stdout), { total: 2, done: 2, refusals: [], stopped: null });
  t.equal(json.status, 0);
});

t.test('a thousand: nothing is done before the number is typed', async t => {
  const all = ['commit', '--all', '--unresolved', '--group', 'many', ...REASON];
  t.match(await say(all), { status: 2, stdout: '', stderr: /There is no terminal to ask on: say --yes/ });
  for (const answer of ['', 'yes', '1202', '1,203,0']) {
    const { status, stdout, stderr } = await say(all, { answer });
    t.strictSame([status, stdout], [1, '']);
    t.match(stderr, /commit: 1,203 transactions\.\nType the number to go on: \n.*Nothing was done\.\n$/);
  }
  t.equal((await call('GET', '/v1/status')).body.transactions.committed, 5 + 3, 'as before');

  const lines: string[] = [];
  const done = await say(all, { answer: ' 1,203 ', onProgress: line => lines.push(line) });
  t.match(done, { status: 0, stdout: '1,203 committed.\n' });
  t.match(lines.at(-1), /^\[#{30}\] 1,203 of 1,203$/);
  t.ok(
    lines.some(line => /^\[#+ +\] 500 of 1,203$/.test(line)),
    'it is seen how far it is',
  );
  t.match(await say(all, { answer: '0' }), { status: 0, stdout: '', stderr: /commit: 0 transactions\.\n$/ });
});

t.test('whoever reads only the first line of many is no fault', async t => {
  const program = 'set -o pipefail; "$0" broker/bin/escrowmq.js list --all --json | head -n 1';
  const env = { PATH: process.env.PATH, ESCROWMQ_URL: broker.url, ESCROWMQ_KEY: KEY };
  const bash = ['--norc', '-c', program, process.execPath];
  const { status, stdout, stderr } = spawnSync('bash', bash, { encoding: 'utf8', env });
  t.match(JSON.parse(stdout), { group: 'late' });
  t.strictSame([status, stderr], [0, '']);
});

t.test('the oldest is first: one key’s records are in the order of arrival', async t => {
  const payloads: string[] = [];
  await eventually('all records', async () => {
    payloads.length = 0;
    for (let after = 0, more = true; more; ) {
      const { body } = await call('GET', `/v1/memory/records?topic=transfers&limit=500&after=${after}`);
      for (const { headers, payload } of body.items) if (headers.ce_source.endsWith('/many')) payloads.push(payload);
      more = body.items.length > 0;
      after = body.next;
    }
    return payloads.length === MANY;
  });
  t.strictSame(
    payloads,
    Array.from({ length: MANY }, (_, i) => String(i)),
  );
});

t.test('the real program goes on with --yes; what is decided is left alone', async t => {
  const env = { ESCROWMQ_URL: broker.url, ESCROWMQ_KEY: KEY };
  const all = ['rollback', '--all', '--group', 'few', '--until', '0s', ...REASON];
  t.match(await escrowmq(all, env), { status: 2, stdout: '', stderr: /say --yes/ });
  t.strictSame(await escrowmq([...all, '--yes'], env), {
    status: 0,
    stdout: '4 rolled back.\n',
    stderr: 'escrowmq: rollback: 4 transactions.\n',
  });
  t.equal(await stateOf('few-0000'), 'committed by operator');
  t.equal(await stateOf('few-0007'), 'rolled_back by operator');
  const { body } = await call('GET', '/v1/transactions?contradicted=true');
  t.strictSame(body.items.map(({ id }: { id: string }) => id).sort(), ['few-0000', 'few-0001'], 'by name alone');
  const asked = await escrowmq(['check', '--all', '--group', 'late', '--yes', '--json', ...REASON], env);
  t.match(JSON.parse(asked.stdout), { total: 3, done: 0, refusals: [{ code: 'NO_CHECK_URL' }, {}, {}] });
  t.equal(asked.status, 1);
});

t.test('parked messages: one, several, and all with one error', async t => {
  t.match(await say(['discard', 'parked-d.0', ...REASON]), { status: 0, stdout: 'parked-d.0 is given up.\n' });
  t.match(await say(['retry', 'parked-d.0', ...REASON]), { status: 1, stderr: /409 NOT_PARKED/ });
  t.match(await say(['retry', 'nonsense', ...REASON]), { status: 1, stderr: /\(4\d\d / });
  const error = ['--topic', 'audit', '--last-error', 'error a'];
  t.match(await say(['retry', '--all', ...error, '--yes', ...REASON]), { status: 0, stdout: '1 sent again.\n' });
  t.match(await say(['discard', '--all', '--topic', 'audit', ...REASON], { answer: '2' }), {
    status: 0,
    stdout: '2 given up.\n',
    stderr: /discard: 2 parked messages\./,
  });
  const states = await eventually('the retried one', async () => {
    const messages = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async name => (await call('GET', `/v1/transactions/parked-${name}`)).body.messages[0]),
    );
    return messages[0].state === 'forwarded' && messages.map(({ state }) => state);
  });
  t.strictSame(states, ['forwarded', 'discarded', 'discarded', 'discarded']);
  t.match((await call('GET', '/v1/messages?state=parked')).body.items, [{ id: 'other.0' }]);
});

t.test('interrupted: what is in hand ends, the rest is told, exit code 1', async t => {
  const controller = new AbortController();
  controller.abort();
  const ended = await say(['commit', 'late-0000', 'late-0001', ...REASON], { interrupted: controller.signal });
  t.strictSame(ended, { status: 1, stdout: '0 committed, 2 left. It was interrupted.\n', stderr: '' });
  t.equal(await stateOf('late-0000'), 'prepared by null');
});

t.test('keys that may not', async t => {
  const make = async (body: object): Promise<string> => (await call('POST', '/v1/keys', body)).body.key;
  const [viewer, producer] = [await make({ role: 'viewer' }), await make({ role: 'producer', group: 'late' })];
  const as = (key: string, args: string[]) => inside(args, { env: { url: broker.url, key } });
  t.match(await as(viewer, ['list', '--json']), { status: 0 });
  for (const key of [viewer, producer]) {
    t.match(await as(key, ['commit', 'late-0000', ...REASON]), { status: 1, stdout: '', stderr: /403 FORBIDDEN/ });
    const bulk = await as(key, ['rollback', '--all', '--group', 'late', '--yes', ...REASON]);
    t.match(bulk, { status: 1 });
    t.match(bulk.stdout, /FORBIDDEN/);
    t.match(await as(key, ['keys', 'list']), { status: 1, stderr: /403 FORBIDDEN/ });
  }
  for (const args of [
    ['status'],
    ['list'],
    ['show', 'few-0000'],
    ['acts', '--follow'],
    ['commit', 'few-0004', ...REASON],
  ])
    t.match(await as('wrong', args), {
      status: 1,
      stdout: '',
      stderr: /401 UNAUTHENTICATED\) The one that was given is not good here/,
    });
  t.equal(await stateOf('late-0000'), 'prepared by null');
});
