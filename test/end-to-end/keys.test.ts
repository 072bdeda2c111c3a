/** `escrowmq keys` as a person at a terminal meets it, and what a broker process keeps of keys. */
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createClient, NotFoundError, NotPermittedError } from '../../producer-sdk/index.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { type Ended, escrowmq, inside } from '../support/commands.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

const KEY = 'an-operator-key-of-at-least-32-characters';

const startGuarded = (t: Test): Promise<BrokerProcess> =>
  startBrokerProcess(t, { args: ['--publisher', 'memory'], env: { ESCROWMQ_OPERATOR_KEY: KEY } });

const asking = (broker: BrokerProcess, key: string, path = '/v1/transactions') =>
  broker.call('GET', path, undefined, { authorization: `Bearer ${key}` });

t.test('a key is made, used, listed and revoked', async t => {
  const broker = await startGuarded(t);
  const keys = (...args: string[]) => escrowmq(['keys', ...args], { ESCROWMQ_URL: broker.url, ESCROWMQ_KEY: KEY });
  const made = await keys('create', '--role', 'producer', '--group', 'bank-a', '--expires', '90d', '--reason', 'new');
  t.equal(made.status, 0, made.stderr);
  const key = made.stdout.trim();
  const prefix = key.slice(0, 'emq_'.length + 12);
  t.match(key, /^emq_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/, 'the key alone is on standard output');
  t.match(made.stderr, new RegExp(`This producer key of group bank-a, ${prefix}, is shown only now; it expires at 20`));
  t.match((await asking(broker, key, '/v1/producer-groups')).body, { items: [{ group: 'bank-a' }] });

  const listed = await keys('list');
  t.match(listed, { status: 0, stderr: '' });
  t.match(listed.stdout, /^PREFIX +ROLE +GROUP +STATE +CREATED +REASON\n/);
  t.match(listed.stdout, new RegExp(`\n${prefix} +producer +bank-a +good until 20\\S+ +20\\S+ by operator +new\n$`));
  const asJson = await keys('list', '--json');
  t.match(JSON.parse(asJson.stdout), { items: [{ prefix, role: 'producer', reason: 'new' }] });
  t.notMatch(listed.stdout + asJson.stdout, key.slice(prefix.length + 1));

  t.strictSame(await keys('revoke', prefix, '--reason', 'gone'), {
    status: 0,
    stdout: `${prefix} is revoked.\n`,
    stderr: '',
  });
  t.equal((await asking(broker, key)).status, 401);
  t.match((await keys('list')).stdout, /revoked 20\S+ .* gone\n/);
  const json = await keys('create', '--role=operator', '--json');
  const operator = JSON.parse(json.stdout);
  t.match(operator, { role: 'operator', group: null, expiresAt: null });
  const file = join(temporaryFolder(t), 'key');
  writeFileSync(file, `${operator.key}\n`);
  const own = await escrowmq([
    'keys',
    'revoke',
    operator.prefix,
    '--url',
    `${broker.url}/`,
    '--key-file',
    file,
    '--json',
  ]);
  t.strictSame(JSON.parse(own.stdout), { prefix: operator.prefix, revoked: true });
});

t.test('what cannot be done is a sentence, and exits 1', async t => {
  const broker = await startGuarded(t);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const nobody = `http://127.0.0.1:${(taken.address() as AddressInfo).port}`;
  taken.close();
  await once(taken, 'close');
  const keys = (...args: string[]) => inside(['keys', ...args], { env: { url: broker.url, key: KEY } });
  const cases: [Ended, RegExp][] = [
    [
      await keys('create', '--role', 'viewer', '--group', 'g'),
      /^escrowmq: \/group must be left out.*\(400 VALIDATION_FAILED\)\n$/,
    ],
    [await keys('create', '--role', 'viewer', '--expires', '2027-02-31T00:00:00Z'), /\/expiresAt must be an RFC 3339/],
    [await keys('revoke', 'emq_000000000000'), /There is no key emq_000000000000\. \(404 KEY_NOT_FOUND\)/],
    [
      await keys('list', '--key', 'wrong'),
      /\(401 UNAUTHENTICATED\) The one that was given is not good here, give another: --key-f/,
    ],
    [await inside(['keys', 'list', '--url', broker.url]), /\(401 UNAUTHENTICATED\) Give one: --key-file FILE/],
    [
      await keys('list', '--url', nobody),
      /There is no answer from a broker at http:\/\/127\.0\.0\.1:\d+: nothing listens there \(ECONNREFUSED\)\./,
    ],
    [await keys('list', '--url', `${broker.url}/livez`), /\(404 NOT_FOUND\)/],
  ];
  for (const [{ status, stdout, stderr }, sentence] of cases) {
    t.match(stderr, sentence);
    t.equal(status, 1, stderr);
    t.equal(stdout, '');
  }
});

t.test('wrong use exits 2 and calls nobody; help exits 0', async t => {
  const cases: [args: string[], sentence: RegExp][] = [
    [[], /Say what to do: escrowmq keys create, keys list or keys revoke/],
    [['crate'], /There is no command "keys crate"/],
    [['create'], /Say which role/],
    [['revoke'], /Something is missing: escrowmq keys revoke PREFIX/],
    [['list', 'x'], /"x" is not expected here/],
    [['list', '--role', 'viewer'], /Unknown option '--role'/],
    [['list', '--wrong'], /--wrong/],
    [['list', '--url', 'ftp://x'], /--url must be an http/],
    [['list', '--url', 'http://u:p@x'], /--url must be an http/],
    [['list', '--key', 'a b'], /The key must be printable ASCII/],
    [['list', '--key', 'a', '--key-file', '/dev/null/x'], /Give the key once/],
    [['list', '--key-file', '/dev/null/x'], /--key-file: \/dev\/null\/x cannot be read/],
    [['list', '--url', 'http://127.0.0.1:9', '--url', 'http://127.0.0.1:9'], /--url is given twice/],
    [['list', '--key='], /--key needs a value/],
  ];
  for (const [args, sentence] of cases) {
    const { status, stdout, stderr } = await inside(['keys', ...args]);
    t.match(stderr, sentence);
    t.match(stderr, /`escrowmq keys( \w+)? --help` shows what there is/);
    t.strictSame([status, stdout], [2, ''], stderr);
  }
  const help = await escrowmq(['keys', 'create', '--help']);
  t.match(await escrowmq(['keys', 'crate']), { status: 2, stdout: '', stderr: /There is no command/ });
  t.match(await escrowmq(['keys', 'list', '--url', 'http://127.0.0.1:9']), {
    status: 1,
    stdout: '',
    stderr: /no answer/,
  });
  t.match(help, { status: 0, stderr: '', stdout: /Examples:\n {2}escrowmq keys create --role producer/ });
});

t.test('keys outlive a kill, and lie in the folder as hashes', async t => {
  const broker = await startGuarded(t);
  const operator = { authorization: `Bearer ${KEY}` };
  const make = async (body: object) => (await broker.call('POST', '/v1/keys', body, operator)).body;
  const [kept, revoked] = [await make({ role: 'viewer' }), await make({ role: 'producer', group: 'g' })];
  await broker.call('DELETE', `/v1/keys/${revoked.prefix}`, undefined, operator);
  const before = (await asking(broker, KEY, '/v1/keys')).body;
  await broker.restart();
  t.same((await asking(broker, KEY, '/v1/keys')).body, before);
  t.equal((await asking(broker, kept.key)).status, 200);
  t.match(await asking(broker, revoked.key), { status: 401, body: { detail: /revoked at/ } });
  await broker.stop();
  for (const file of readdirSync(broker.dataDir)) {
    const bytes = readFileSync(join(broker.dataDir, file)).toString('latin1');
    for (const { key, prefix } of [kept, revoked]) t.notOk(bytes.includes(key.slice(prefix.length + 1)), file);
    t.notOk(bytes.includes(KEY), file);
  }
  t.notMatch(JSON.stringify(broker.log), kept.key);
});

t.test('a revoked key is over also on a connection that is open', async t => {
  const broker = await startGuarded(t);
  const operator = { authorization: `Bearer ${KEY}` };
  const { key, prefix } = (await broker.call('POST', '/v1/keys', { role: 'viewer' }, operator)).body;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const ask = (): Promise<[status: number, port: number]> =>
    new Promise((settle, fail) => {
      get(`${broker.url}/v1/topics`, { agent, headers: { authorization: `Bearer ${key}` } }, response => {
        const port = response.socket.localPort!;
        response.resume().on('end', () => settle([response.statusCode!, port]));
      }).on('error', fail);
    });
  const [good, port] = await ask();
  t.equal(good, 200);
  t.equal((await broker.call('DELETE', `/v1/keys/${prefix}`, undefined, operator)).status, 204);
  t.same(await ask(), [401, port], 'the same connection');
});

t.test('a client of the producer SDK with a key of its group, which is replaced', async t => {
  const broker = await startGuarded(t);
  const operator = { authorization: `Bearer ${KEY}` };
  const make = async (group: string) =>
    (await broker.call('POST', '/v1/keys', { role: 'producer', group }, operator)).body;
  const [first, second, foreign] = [await make('bank-a'), await make('bank-a'), await make('bank-b')];
  const clientWith = (key: string, group: string) => {
    const client = createClient({ url: broker.url, key, group });
    t.teardown(() => client.close());
    return client;
  };
  const [old, replacing] = [clientWith(first.key, 'bank-a'), clientWith(second.key, 'bank-a')];
  t.match(await old.putGroup('bank-a', { topics: ['transfers'] }), { topics: ['transfers'] });
  const draft = { id: 't1', messages: [{ topic: 'transfers', payload: 'x' }] };
  t.match(await old.prepare(draft), { state: 'prepared', isNew: true });
  await broker.call('DELETE', `/v1/keys/${first.prefix}`, undefined, operator);
  await t.rejects(old.commit('t1'), NotPermittedError);
  const other = clientWith(foreign.key, 'bank-b');
  await t.rejects(other.commit('t1'), NotFoundError, 'V13: another group’s key ends it');
  await t.rejects(other.transaction('t1'), NotFoundError);
  await t.rejects(other.putGroup('bank-a', {}), NotFoundError);
  await t.rejects(clientWith(foreign.key, 'bank-a').prepare({ ...draft, id: 't2' }), NotFoundError);
  t.match(await replacing.commit('t1'), { state: 'committed', resolvedBy: 'producer' });
});
