/** The commands that look, as a person and as a program meet them. One broker for all. */
import t, { type Test } from 'tap';
import type { TransactionListItem } from '../../broker/protocol/wire.ts';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { escrowmq, folderWithParked, type Given, inside } from '../support/commands.ts';
import { prepare } from '../support/transactions.ts';

t.setTimeout(120_000);

/** Clears the screen, turns the writing round, begins a line. */
const HOSTILE = '\u001b[2J\u009b31m\u202eevil\r\nnext';
const ESCAPED = '\\x1b[2J\\x9b31m\\u{202e}evil\\r\\nnext';
/** Nothing but lines of characters that have a shape. */
const HARMLESS = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u;

let broker: BrokerProcess;
t.before(async () => {
  const dataDir = await folderWithParked(t as Test, [
    { id: 'parked-1', topic: 'audit', error: 'too large', key: HOSTILE },
    { id: 'parked-2', topic: 'audit', error: HOSTILE },
    { id: 'parked-3', topic: 'audit', error: 'too large' },
  ]);
  broker = await startBrokerProcess(t as Test, { args: ['--publisher', 'memory'], dataDir });
  await broker.put('/v1/producer-groups/bank-a', { check: { afterMs: 100 } });
  await broker.put('/v1/producer-groups/bank-b', { checkUrl: 'http://127.0.0.1:1/check', topics: ['orders'] });
  const message = { topic: 'transfers', key: 'alice', payload: '{"amount":100}', contentType: 'application/json' };
  for (let i = 0; i < 3; i++) await prepare(broker, 'bank-a', `lost-${i}`, [message]);
  await prepare(broker, 'bank-b', 'order-1', [
    { topic: 'orders', key: HOSTILE, payload: `first\n${HOSTILE}`, headers: { tenant: HOSTILE } },
    { topic: 'orders', payload: { base64: 'AAEC/wp4' } },
    { topic: 'orders', payload: '{"amount":12345678901234567890}' },
    { topic: 'orders', payload: '{"amount":1,"to":"bob"}' },
    { topic: 'orders', payload: null },
  ]);
  await broker.post('/v1/transactions/order-1/commit');
  await eventually('three to be unresolved', async () => {
    const { body } = await broker.get('/v1/transactions?unresolved=true');
    return body.items.length === 3;
  });
});

const say = (args: string[], given: Given = {}) => inside(args, { ...given, env: { url: broker.url } });

/** With exit code 0. */
const good = async (args: string[], given: Given = {}): Promise<string> => {
  const { status, stdout, stderr } = await say(args, given);
  if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stderr}`);
  return stdout;
};

t.test('the real program: what it shows, what it writes for programs, and its exit codes', async t => {
  const env = { ESCROWMQ_URL: broker.url };
  const shown = await escrowmq(['list', '--unresolved'], env);
  t.match(shown, { status: 0, stderr: '' });
  t.match(
    shown.stdout,
    /^ID +STATE +ATTENTION +GROUP +PREPARED +RESOLVED +BY\nlost-2 +prepared +unresolved +bank-a +20\S+Z +- +-\nlost-1 /,
  );
  const json = await escrowmq(['list', '--unresolved', '--json', '--limit', '2'], env);
  const { body } = await broker.get('/v1/transactions?unresolved=true&limit=2');
  t.strictSame(JSON.parse(json.stdout), body, 'the answer of the broker as it is');
  t.match(await escrowmq(['show', 'nobody'], env), {
    status: 1,
    stdout: '',
    stderr: 'escrowmq: There is no transaction nobody. (404 TRANSACTION_NOT_FOUND)\n',
  });
  t.match(await escrowmq(['show'], env), { status: 2, stdout: '', stderr: /Something is missing: escrowmq show ID\./ });
});

t.test('status', async t => {
  const text = await good(['status']);
  t.match(text, /^status +(ok|degraded)\n/);
  t.match(text, /\nfor a person +3 unresolved, 3 parked, the oldest for \S+.*, 0 contradicted\n/);
  t.match(text, /\ndisk +.* free, 64\.0 MiB of it reserve; database .*, log .*\n$/);
  t.match(JSON.parse(await good(['status', '--json'])), { transactions: { unresolved: 3 }, publisher: 'memory' });
});

t.test('attention: what is alike is counted', async t => {
  const text = await good(['attention']);
  t.match(text, /^UNRESOLVED +GROUP +OLDEST +LAST ERROR\n +3 +bank-a +20\S+Z +-\n\n/);
  t.match(text, /\nPARKED +TOPIC +OLDEST +LAST ERROR\n +2 +audit +20\S+Z +too large\n +1 +audit +\S+ +\S/);
  t.match(text, ESCAPED);
  t.match(JSON.parse(await good(['attention', '--json'])), {
    unresolved: [{ group: 'bank-a', count: 3 }],
    isComplete: true,
  });
});

t.test('every filter of the list', async t => {
  const ids = async (...args: string[]): Promise<string[]> => {
    const lines = (await good(['list', '--all', '--json', ...args])).trimEnd().split('\n');
    return lines.filter(line => line !== '').map(line => (JSON.parse(line) as TransactionListItem).id);
  };
  const lost = ['lost-2', 'lost-1', 'lost-0'];
  const parked = ['parked-3', 'parked-2', 'parked-1'];
  t.strictSame(await ids(), ['order-1', ...lost, ...parked]);
  t.strictSame(await ids('--state', 'prepared'), lost);
  t.strictSame(await ids('--unresolved'), lost);
  t.strictSame(await ids('--unresolved', '--last-error', ''), lost, 'nobody could be asked');
  t.strictSame(await ids('--unresolved', '--last-error', 'other'), []);
  t.strictSame(await ids('--parked'), parked);
  t.strictSame(await ids('--discarded'), []);
  t.strictSame(await ids('--contradicted'), []);
  t.strictSame(await ids('--group', 'bank-b'), ['order-1']);
  t.strictSame(await ids('--topic', 'transfers', '--message-key', 'alice'), lost);
  t.strictSame(await ids('--message-key', HOSTILE), ['order-1', 'parked-1']);
  t.strictSame(await ids('--since', '1h'), ['order-1', ...lost, ...parked]);
  t.strictSame(await ids('--until', '1h'), []);
  const { preparedAt } = (await broker.get('/v1/transactions/lost-0')).body;
  t.strictSame(await ids('--until', preparedAt), parked);
  t.strictSame(await ids('--since', preparedAt), ['order-1', ...lost]);
});

t.test('one page says that there may be more, all pages are one table', async t => {
  t.match(await say(['list', '--limit', '2']), { status: 0, stderr: /There may be more: --all/ });
  t.equal((await good(['list', '--all'])).match(/^ID /gm)?.length, 1);
  t.match(await say(['list', '--group', 'nobody']), {
    status: 0,
    stdout: '',
    stderr: /There is no such transaction\./,
  });
});

t.test('show: facts, messages and what happened', async t => {
  const text = await good(['show', 'lost-0']);
  t.match(text, /^transaction +lost-0\ngroup +bank-a\nstate +prepared\n/);
  t.match(text, /\nwaits for +a person/);
  t.match(text, /\nlost-0\.0 +transfers +alice +held +- +- +14 B +-\n/);
  t.match(text, /\nAT +EVENT +BY +TIMES +DETAIL\n20\S+ +prepared +producer +1 +-\n/);
  const { body } = await broker.get('/v1/transactions/lost-0?payload=true');
  t.strictSame(JSON.parse(await good(['show', 'lost-0', '--payload', '--json'])), body);
});

t.test('payloads as text, as JSON where that changes nothing, in hexadecimal, and none', async t => {
  const text = await good(['show', 'order-1', '--payload']);
  t.match(text, /\norder-1\.0, application\/octet-stream, orders\ntenant: \\x1b/);
  t.match(text, `\n\nfirst\n${ESCAPED.replace('\\n', '\n')}\n`);
  t.match(text, /\n00000000 {2}00 01 02 ff 0a 78 +\.{5}x\n/);
  t.match(text, '\n{"amount":12345678901234567890}\n', 'a number that cannot be held is not changed');
  t.match(text, '\n{\n  "amount": 1,\n  "to": "bob"\n}\n');
  t.match(text, '\n(none: a tombstone)\n');
});

t.test('parked messages, with filters', async t => {
  const text = await good(['parked']);
  t.match(
    text,
    /^MESSAGE +GROUP +TOPIC +COMMITTED +SIZE +LAST ERROR\nparked-3\.0 +g +audit +20\S+Z +\S+ B +too large\n/,
  );
  const ids = async (...args: string[]) =>
    (await good(['parked', '--json', ...args])).match(/"id":"[^"]+"/g)?.map(id => id.slice(6, -1)) ?? [];
  t.strictSame(await ids('--last-error', HOSTILE), ['parked-2.0']);
  t.strictSame(await ids('--topic', 'audit', '--group', 'g', '--last-error', 'too large'), [
    'parked-3.0',
    'parked-1.0',
  ]);
  t.strictSame(await ids('--topic', 'other'), []);
});

t.test('groups, one group, its test, topics, acts', async t => {
  t.match(
    await good(['groups']),
    /^GROUP +OVERDUE .*\nbank-a +0 +3 +- +- +-\nbank-b +0 +0 +- +http:\/\/127\.0\.0\.1:1\/check/,
  );
  const one = await good(['groups', 'bank-b']);
  t.match(one, /\ncheck address +http:\/\/127\.0\.0\.1:1\/check\nsigned +no/);
  t.match(one, /\ntopics +orders\n/);
  const test = await say(['groups', 'test', 'bank-b']);
  t.match(test, { status: 1, stdout: /^bank-b does not answer as it should: refused the connection \(\d+ms\)\.\n$/ });
  t.match(JSON.parse((await say(['groups', 'test', 'bank-b', '--json'])).stdout), { ok: false, status: null });
  t.match(await say(['groups', 'test', 'bank-a']), { status: 1, stderr: /409 NO_CHECK_URL/ });
  t.match(await good(['topics']), /^TOPIC +PARTITIONS +WAITING +PARKED +LAG +WHAT IS IN THE WAY\naudit +\S+ +0 +3 /);
  await broker.post('/v1/transactions/order-1/commit', { reason: HOSTILE });
  await broker.post('/v1/messages/parked-3.0/discard', { reason: HOSTILE });
  t.match(
    await good(['acts']),
    /^AT +ACT +TARGET +GROUP +BY +REASON\n20\S+Z +discard +parked-3\.0 +g +operator +\\x1b/,
  );
  t.match(JSON.parse(await good(['acts', '--json', '--act', 'discard', '--since', '1h'])), {
    items: [{ reason: HOSTILE }],
  });
  t.match(await say(['acts', '--target', 'nobody']), { status: 0, stdout: '', stderr: /There is no such act/ });
});

t.test('what others wrote never reaches the terminal as it is, and everything fits', async t => {
  const commands = [
    ['attention'],
    ['list'],
    ['show', 'order-1', '--payload'],
    ['show', 'parked-2'],
    ['parked'],
    ['groups'],
    ['topics'],
    ['acts'],
  ];
  for (const args of commands) {
    for (const line of [await good(args), await good([...args, '--json'])].flatMap(text => text.split('\n')))
      t.match(line, HARMLESS, `${args.join(' ')}: ${encodeURI(line)}`);
    if (args.includes('--payload')) continue;
    const tables = (await good(args, { columns: 60 })).split('\n').filter(line => !/^[a-z ]+ {2}/.test(line));
    for (const line of tables) t.ok(line.length <= 60, `${args.join(' ')}: ${line}`);
  }
});
