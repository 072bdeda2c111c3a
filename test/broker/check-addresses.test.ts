/** P19: a check-back cannot be turned against a network. Forbidden targets must see no connection at all. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import t, { type Test } from 'tap';
import { AddressPolicy } from '../../broker/check-back/address-policy.ts';
import { openCheckBack, QUICK, until } from '../support/check-back.ts';
import { startCheckHandler } from '../support/check-handler.ts';

// The library's own half minute is for the whole file; a loaded machine needs more.
t.setTimeout(115_000);

/** Answers the test question rightly and counts connections; each call needs a new one. */
const startTarget = async (
  t: Test,
  address: string,
  port = 0,
): Promise<{ port: number; connections: () => number }> => {
  let connections = 0;
  const server: Server = createServer((request, response) => {
    request.resume();
    response.setHeader('connection', 'close').end(JSON.stringify({ group: 'g', resolutions: [] }));
  });
  server.on('connection', () => connections++);
  server.listen(port, address);
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
};

const resolveTo =
  (...addresses: string[]) =>
  async () =>
    addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }));

/** Two targets on one port: 127.0.0.1 is on the allow-list, 127.0.0.2 is not. */
const startPair = async (t: Test) => {
  const allowed = await startTarget(t, '127.0.0.1');
  const forbidden = await startTarget(t, '127.0.0.2', allowed.port);
  return { allowed, forbidden, port: allowed.port };
};

const only = new AddressPolicy(['127.0.0.1'], '127.0.0.1');

t.test('a redirect is never followed', async t => {
  const forbidden = await startTarget(t, '127.0.0.2');
  const handler = await startCheckHandler(t);
  const bench = await openCheckBack(t, { policy: only });
  const group = await bench.putGroup('g', { checkUrl: handler.url });
  for (const status of [301, 302, 303, 307, 308]) {
    handler.respond((_call, response) => {
      response.writeHead(status, { location: `http://127.0.0.2:${forbidden.port}/` }).end();
    });
    t.match(await bench.checkBack.test(group), { ok: false, status, error: `redirect refused (${status})` });
  }
  handler.respond((_call, response) => void response.writeHead(302, { location: '/elsewhere' }).end());
  t.match(
    await bench.checkBack.test(group),
    { ok: false, error: 'redirect refused (302)' },
    'not even to the same place',
  );
  t.equal(handler.calls.length, 6);
  t.equal(forbidden.connections(), 0);
});

t.test('a literal is judged again at every call: the list may have changed since it was set', async t => {
  const { forbidden, port } = await startPair(t);
  const bench = await openCheckBack(t, { policy: only });
  const spellings = [
    '127.0.0.2',
    '127.2',
    '0x7f000002',
    '2130706434',
    '0177.0.0.2',
    '[::ffff:127.0.0.2]',
    '[::ffff:7f00:2]',
  ];
  for (const host of [...spellings, '0.0.0.0', '[::]', '[::1]']) {
    const group = await bench.putGroup('g', { checkUrl: `http://${host}:${port}/` });
    t.match(await bench.checkBack.test(group), { ok: false, status: null, error: 'its address is not allowed' }, host);
  }
  for (const url of [`http://127.0.0.1@127.0.0.2:${port}/`, `http://127.0.0.1:${port}/#`, `ftp://127.0.0.1:${port}/`]) {
    const group = await bench.putGroup('g', { checkUrl: url });
    t.match(await bench.checkBack.test(group), { ok: false, error: 'its address is not allowed' }, url);
  }
  t.equal(forbidden.connections(), 0);
  const mapped = await bench.putGroup('g', { checkUrl: `http://[::ffff:127.0.0.1]:${port}/` });
  t.match(await bench.checkBack.test(mapped), { ok: true }, 'an allowed one is called in any spelling');
});

t.test('a name is called only where it leads to an allowed address', async t => {
  const { allowed, forbidden, port } = await startPair(t);
  for (const addresses of [['127.0.0.2'], ['::ffff:127.0.0.2'], ['127.0.0.2', '::1'], ['0.0.0.0'], []]) {
    const bench = await openCheckBack(t, { policy: only, resolve: resolveTo(...addresses) });
    const group = await bench.putGroup('g', { checkUrl: `http://producers.example:${port}/` });
    const error = 'its name leads to an address that is not allowed';
    t.match(await bench.checkBack.test(group), { ok: false, status: null, error }, addresses.join());
  }
  const bench = await openCheckBack(t, { policy: only, resolve: resolveTo('127.0.0.2', '127.0.0.1') });
  const group = await bench.putGroup('g', { checkUrl: `http://producers.example:${port}/` });
  t.match(await bench.checkBack.test(group), { ok: true }, 'of several, the allowed one');
  t.equal(allowed.connections(), 1);
  t.equal(forbidden.connections(), 0);
});

t.test('a name that leads elsewhere later (DNS rebinding) is refused then', async t => {
  const { allowed, forbidden, port } = await startPair(t);
  let address = '127.0.0.1';
  const bench = await openCheckBack(t, {
    policy: only,
    resolve: name => resolveTo(name === 'x.example' ? address : '')(),
  });
  await bench.putGroup('g', { checkUrl: `http://x.example:${port}/`, check: QUICK });
  await bench.prepare('g', ['t']);
  bench.checkBack.start();
  await until('it was asked twice', () => bench.calls.length >= 2);
  address = '127.0.0.2';
  const error = 'its name leads to an address that is not allowed';
  await until('it is refused', async () => (await bench.transaction('t')).lastCheckError === error);
  t.equal(forbidden.connections(), 0);
  t.ok(allowed.connections() >= 2);
});

t.test('a name allowed by name may lead anywhere', async t => {
  const { forbidden, port } = await startPair(t);
  const policy = new AddressPolicy(['producers.example'], '127.0.0.1');
  const bench = await openCheckBack(t, { policy, resolve: resolveTo('127.0.0.2') });
  for (const host of ['producers.example', 'PRODUCERS.example.']) {
    const group = await bench.putGroup('g', { checkUrl: `http://${host}:${port}/` });
    t.match(await bench.checkBack.test(group), { ok: true }, host);
  }
  t.equal(forbidden.connections(), 2);
  const other = await bench.putGroup('g', { checkUrl: `http://sub.producers.example:${port}/` });
  t.match(await bench.checkBack.test(other), { ok: false, error: 'its address is not allowed' });
});

t.test('localhost is loopback, as the system resolves it', async t => {
  const { port } = await startPair(t);
  const bench = await openCheckBack(t);
  const group = await bench.putGroup('g', { checkUrl: `http://localhost:${port}/` });
  t.match(await bench.checkBack.test(group), { ok: true });
});

t.test('a name that cannot be resolved, and one that is never resolved', async t => {
  const failing = await openCheckBack(t, {
    resolve: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })),
  });
  const lost = await failing.putGroup('g', { checkUrl: 'http://producers.example/' });
  t.match(await failing.checkBack.test(lost), { ok: false, error: 'its name cannot be resolved' });
  const questions: string[] = [];
  const hanging = await openCheckBack(t, {
    deadlineMs: 200,
    resolve: name => {
      questions.push(name);
      return new Promise(() => {});
    },
  });
  for (const path of ['a', 'b', 'c']) {
    const group = await hanging.putGroup('g', { checkUrl: `http://producers.example/${path}` });
    t.match(await hanging.checkBack.test(group), { ok: false, error: 'no answer within 0.2 s' });
  }
  t.same(questions, ['producers.example'], 'one question about a name at a time');
});

t.test('a proxy named in the environment is not used', async t => {
  const proxy = await startTarget(t, '127.0.0.2');
  const { port } = await startTarget(t, '127.0.0.1');
  const names = ['HTTP_PROXY', 'http_proxy', 'NODE_USE_ENV_PROXY'];
  const before = names.map(name => process.env[name]);
  t.teardown(() => {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  });
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.2:${proxy.port}`;
  const bench = await openCheckBack(t);
  const group = await bench.putGroup('g', { checkUrl: `http://127.0.0.1:${port}/` });
  t.match(await bench.checkBack.test(group), { ok: true });
  t.equal(proxy.connections(), 0);
});

t.test('https needs a secure connection: there is no way back to http', async t => {
  const server = createPlainServer(socket => socket.on('error', () => {}).on('data', () => socket.end('not TLS')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const bench = await openCheckBack(t);
  const { port } = server.address() as AddressInfo;
  const group = await bench.putGroup('g', { checkUrl: `https://127.0.0.1:${port}/` });
  t.match(await bench.checkBack.test(group), { ok: false, status: null, error: /^no secure connection \([A-Z_]+\)$/ });
});
