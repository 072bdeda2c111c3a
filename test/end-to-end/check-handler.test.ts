/** `producer.checkHandler()` in the servers people use, and against calls that nobody should answer. */
import express from 'express';
import fastify from 'fastify';
import t, { type Test } from 'tap';
import { signatureHeaders } from '../../broker/protocol/signature.ts';
import { betterSqlite3Fence, createProducer, type Producer } from '../../producer-sdk/index.ts';
import { eventually } from '../support/broker-process.ts';
import {
  GROUP,
  MESSAGES,
  openAccounts,
  recordsOf,
  serve,
  startBroker,
  startService,
} from '../support/producer-world.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(120_000);

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const DAY_MS = 24 * 60 * 60 * 1_000;
type Db = ReturnType<typeof openAccounts>;

/** Nobody listens there: the handler needs no broker. */
const NOWHERE = 'http://127.0.0.1:1';

const startHandler = async (
  t: Test,
  checkSecret?: string,
): Promise<{ producer: Producer<Db>; db: Db; rows: () => unknown[] }> => {
  const { producer, db } = await startService(t, {
    url: NOWHERE,
    deadlineMs: 200,
    ...(checkSecret ? { checkSecret } : {}),
  });
  return {
    producer,
    db,
    rows: () => db.prepare('select transaction_id, outcome from escrow_fence order by 1').raw().all(),
  };
};

const question = (...ids: unknown[]): string =>
  JSON.stringify({ group: GROUP, checks: ids.map(transactionId => ({ transactionId, attempt: 1, preparedAt: 'x' })) });

interface Reply {
  status: number;
  body: { resolutions?: { transactionId: string; resolution: string }[]; error?: string };
}

const ask = async (
  url: string,
  body: string,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Reply> => {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method === 'GET' ? {} : { body }),
  });
  return { status: response.status, body: (await response.json()) as Reply['body'] };
};

const signed = (body: string, secret = SECRET, at = Date.now()): Record<string, string> =>
  signatureHeaders([secret], 'msg_1', at, body);

/** The handler behind each kind of server, at its URL. */
const doors: Record<string, (t: Test, producer: Producer<Db>) => Promise<string>> = {
  'node http': (t, producer) => serve(t, producer.checkHandler()),
  Express: async (t, producer) => {
    const app = express();
    app.post('/escrow/check', producer.checkHandler());
    app.use(express.json());
    return `${await serve(t, app)}/escrow/check`;
  },
  'Express behind express.raw': async (t, producer) => {
    const app = express();
    app.use(express.raw({ type: '*/*' }));
    app.post('/', producer.checkHandler());
    return serve(t, app);
  },
  Fastify: async (t, producer) => {
    const app = fastify();
    app.register(producer.checkHandler().fastify, { url: '/check' });
    app.post('/echo', async request => request.body);
    t.teardown(() => app.close());
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    const echoed = await fetch(`${address}/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    t.same(await echoed.json(), { a: 1 }, 'other routes keep their parsers');
    return `${address}/check`;
  },
  'Request → Response': async (t, producer) => {
    const POST = producer.checkHandler();
    return serve(t, async (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const headers = Object.entries(incoming.headers).map(
        ([name, value]) => [name, String(value)] as [string, string],
      );
      const response = await POST(
        new Request(`http://${incoming.headers.host}/`, {
          method: incoming.method!,
          headers,
          ...(incoming.method === 'GET' ? {} : { body: Buffer.concat(chunks) }),
        }),
        { params: {} },
      );
      outgoing.statusCode = response.status;
      outgoing.end(Buffer.from(await response.arrayBuffer()));
    });
  },
};

for (const [name, open] of Object.entries(doors)) {
  t.test(`through ${name}: signed calls are answered, once and for all; others get 401 and leave no trace`, async t => {
    const { producer, rows } = await startHandler(t, SECRET);
    const url = await open(t, producer);
    t.same(
      await ask(url, question(), signed(question())),
      { status: 200, body: { group: GROUP, resolutions: [] } },
      'the test question',
    );
    const body = question('t1', 't2');
    const altered = body.replace('t2', 't3');
    const bad: Record<string, [string, Record<string, string>]> = {
      'no signature': [body, {}],
      'another secret': [body, signed(body, OTHER_SECRET)],
      'an altered body': [altered, signed(body)],
      'the same JSON in other bytes': [`${body} `, signed(body)],
      'more than a day ago': [body, signed(body, SECRET, Date.now() - DAY_MS - 60_000)],
      'more than a day ahead': [body, signed(body, SECRET, Date.now() + DAY_MS + 60_000)],
    };
    for (const [what, [sent, headers]] of Object.entries(bad))
      t.equal((await ask(url, sent, headers)).status, 401, what);
    t.same(rows(), []);
    const headers = signed(body, SECRET, Date.now() - DAY_MS / 2);
    const rolledBack = ['t1', 't2'].map(transactionId => ({ transactionId, resolution: 'rollback' }));
    const answer = { status: 200, body: { group: GROUP, resolutions: rolledBack } };
    t.same(await ask(url, body, headers), answer);
    t.same(await ask(url, body, headers), answer, 'a replay repeats the verdict');
    t.same(rows(), [
      ['t1', 'rollback'],
      ['t2', 'rollback'],
    ]);
    const foreign = body.replace(GROUP, 'bank-z').replace('t1', 't9');
    t.match(await ask(url, foreign, signed(foreign)), { status: 409, body: { error: /bank-a/ } });
    t.equal(rows().length, 2, 'nothing is written for another group');
  });
}

t.test('what is not a check-back', async t => {
  const { producer, rows } = await startHandler(t);
  const url = await serve(t, producer.checkHandler());
  const tooMany = question(...Array.from({ length: 101 }, (_, index) => `t${index}`));
  for (const body of [
    '',
    'null',
    '[]',
    '{',
    '{"group":"bank-a"}',
    '{"group":"bank-a","checks":{}}',
    '"x"',
    tooMany,
    '\u00ff',
  ]) {
    t.equal((await ask(url, body)).status, 400, body.slice(0, 40));
  }
  t.equal((await ask(url, '', {}, 'GET')).status, 405);
  t.equal((await ask(url, 'x'.repeat(1024 * 1024 + 1))).status, 413);
  t.same(rows(), []);
  const mixed = `{"group":"bank-a","checks":[null,1,{},{"transactionId":7},{"transactionId":"no good"},{"transactionId":"ok"},{"transactionId":"ok"}]}`;
  t.same((await ask(url, mixed)).body.resolutions, [{ transactionId: 'ok', resolution: 'rollback' }]);
});

t.test('a parser that has eaten the bytes is named; without a secret its result will do', async t => {
  const sealed = await startHandler(t, SECRET);
  const open = await startHandler(t);
  const app = express();
  app.use(express.json());
  app.post('/sealed', sealed.producer.checkHandler());
  app.post('/open', open.producer.checkHandler());
  const url = await serve(t, app);
  const body = question('t1');
  t.match(await ask(`${url}/sealed`, body, signed(body)), { status: 500, body: { error: /body parser/ } });
  t.same(sealed.rows(), []);
  t.match(await ask(`${url}/open`, body), { status: 200, body: { resolutions: [{ resolution: 'rollback' }] } });
});

t.test('without a secret nobody beyond loopback is answered', async t => {
  const { producer, rows } = await startHandler(t);
  const handler = producer.checkHandler();
  const foreign = new Request('http://10.1.2.3/escrow/check', { method: 'POST', body: question('t1') });
  t.equal((await handler(foreign)).status, 401);
  const url = await serve(t, (request, response) => {
    Object.defineProperty(request.socket, 'localAddress', { value: '10.1.2.3' });
    void handler(request, response);
  });
  t.equal((await ask(url, question('t1'))).status, 401);
  t.same(rows(), []);
  const db = openAccounts(`${temporaryFolder(t)}/b.db`);
  const fence = betterSqlite3Fence(db);
  const beyond = { url: NOWHERE, group: GROUP, fence, checkUrl: 'https://a.example/check' };
  t.throws(() => createProducer(beyond), { code: 'INVALID_CALL', message: /checkSecret is needed/ });
  t.throws(() => createProducer({ ...beyond, checkSecret: 'whsec_short' }), { message: /24 to 64 bytes/ });
  db.close();
});

t.test('a lock that somebody holds: found rows are answered at once, the others `unknown` in time', async t => {
  const { producer, db, rows } = await startHandler(t);
  const url = await serve(t, producer.checkHandler());
  await ask(url, question('known'));
  db.exec('begin immediate');
  const { status, body } = await ask(url, question('known', 'locked'));
  t.equal(status, 200);
  t.same(body.resolutions, [
    { transactionId: 'known', resolution: 'rollback' },
    { transactionId: 'locked', resolution: 'unknown' },
  ]);
  db.exec('rollback');
  t.same(rows(), [['known', 'rollback']], 'nothing comes after the answer');
  t.match((await ask(url, question('locked'))).body.resolutions, [{ resolution: 'rollback' }]);
});

t.test('an open claim of somebody is not overruled', async t => {
  const { producer, db, rows } = await startHandler(t);
  const url = await serve(t, producer.checkHandler());
  await ask(url, question());
  db.exec('begin immediate');
  db.prepare(`insert into escrow_fence values (?, 't1', '', 'resolve', 'commit', 'x', null, 'now', null)`).run(GROUP);
  const asking = ask(url, question('t1'));
  await new Promise(resolve => setImmediate(resolve));
  db.exec('commit');
  t.same((await asking).body.resolutions, [{ transactionId: 't1', resolution: 'commit' }]);
  t.same(rows(), [['t1', 'commit']]);
});

t.test('a fence that cannot be read is no answer', async t => {
  const { producer, db } = await startHandler(t);
  const url = await serve(t, producer.checkHandler());
  db.exec('drop table escrow_fence');
  t.match(await ask(url, question('t1')), { status: 503 });
});

t.test('a check function in place of a fence: answers, omissions, and what a failed function means', async t => {
  const { broker, url } = await startBroker(t);
  const truth: Record<string, unknown> = { a: 'commit', b: 'rollback', c: 'unknown', d: 'COMMIT' };
  const check = async (id: string): Promise<'commit'> => {
    if (id === 'e') throw new Error('not now');
    if (id === 'f') return new Promise(() => {});
    return (truth[id] ?? truth.default) as 'commit';
  };
  const producer = createProducer({ url, group: 'files', check });
  t.teardown(() => producer.close());
  const handlerUrl = await serve(t, producer.checkHandler());
  const body = question('a', 'b', 'c', 'd', 'e', 'f').replace(GROUP, 'files');
  t.same((await ask(handlerUrl, body)).body.resolutions, [
    { transactionId: 'a', resolution: 'commit' },
    { transactionId: 'b', resolution: 'rollback' },
    { transactionId: 'c', resolution: 'unknown' },
  ]);
  t.match(await producer.transaction({ id: 't1', messages: MESSAGES }, async () => 7), {
    value: 7,
    delivery: 'acknowledged',
  });
  const failing = (id: string): Promise<unknown> =>
    producer.transaction({ id, messages: MESSAGES }, async () => JSON.parse('no')).catch((error: unknown) => error);
  truth.default = 'rollback';
  t.match(await failing('t2'), { name: 'SyntaxError' });
  truth.default = 'unknown';
  await failing('t3');
  truth.default = 'commit';
  await failing('t4');
  const stateOf = async (id: string): Promise<string> => (await broker.get(`/v1/transactions/${id}`)).body.state;
  t.same(await Promise.all(['t1', 't2', 't3', 't4'].map(stateOf)), [
    'committed',
    'rolled_back',
    'prepared',
    'committed',
  ]);
  await eventually('the records', async () => (await recordsOf(broker)).length === 2);
});

t.test('a broker asks the handler itself: the whole circle', async t => {
  const { broker, url } = await startBroker(t);
  const handlers: Producer<Db>[] = [];
  const checkUrl = await serve(t, (request, response) => void handlers[0]!.checkHandler()(request, response));
  const { producer, db } = await startService(t, {
    url,
    checkUrl,
    checkSecret: SECRET,
    check: { afterMs: 100, intervalMs: 100 },
  });
  handlers.push(producer);
  await producer.prepare({ id: 'never', messages: MESSAGES });
  await eventually(
    'the verdict',
    async () => (await broker.get('/v1/transactions/never')).body.state === 'rolled_back',
  );
  t.match((await broker.get('/v1/transactions/never')).body, { resolvedBy: 'check' });
  t.same(db.prepare('select outcome from escrow_fence').pluck().all(), ['rollback']);
  const late = producer.transaction({ id: 'never', messages: MESSAGES }, () => 1);
  await t.rejects(late, { code: 'ID_SPENT' });
});
