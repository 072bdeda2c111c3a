/** What waits for a person can be found, asked again and decided by hand; and only by whoever may. */
import t from 'tap';
import { type BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { type CheckHandler, startCheckHandler } from '../support/check-handler.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { readTopic } from '../support/topics.ts';
import { commit, gauges, inState, list, payloads, prepare, rollback, show, shows } from '../support/transactions.ts';

const OPERATOR_KEY = 'an operator key of more than 32 characters';
const KEY = OPERATOR_KEY.replaceAll(' ', '-');

let kafka: Awaited<ReturnType<typeof sharedKafka>>;
let broker: BrokerProcess;
let checker: CheckHandler;
let topic: string;

t.setTimeout(120_000);
t.before(async () => {
  if (needsKafka.skip) return;
  kafka = await sharedKafka(t);
  broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  checker = await startCheckHandler(t, () => 'unknown');
  topic = await newTopic(kafka);
  const check = { afterMs: 100, intervalMs: 100, limit: 1 };
  await broker.put('/v1/producer-groups/bank', { checkUrl: checker.url, check });
});

interface Line {
  event: string;
  by: string;
  detail: string | null;
}
const lines = (transaction: { history: Line[] }, event: string): string[] =>
  transaction.history.filter(line => line.event === event).map(line => `${line.by}: ${line.detail}`);

t.test('I21: an unresolved one is listed, asked again, decided by hand with a reason', needsKafka, async t => {
  for (const id of ['i21-a', 'i21-b']) await prepare(broker, 'bank', id, { topic, payload: id, key: 'k' });
  for (const id of ['i21-a', 'i21-b']) await shows(broker, id, 'unresolved', one => one.unresolved);
  t.same((await list(broker, 'unresolved=true')).map(item => item.id).toSorted(), ['i21-a', 'i21-b']);
  t.same((await list(broker, `unresolved=true&topic=${topic}&key=k&group=bank`)).length, 2);
  t.equal((await gauges(broker)).get('escrowmq_transactions_unresolved'), 2);
  t.match((await broker.get('/v1/producer-groups/bank')).body.health, { unresolved: 2 });

  checker.answer(() => 'commit');
  const without = await broker.post('/v1/transactions/i21-a/check', {});
  t.match(without, { status: 400, body: { code: 'VALIDATION_FAILED' } }, 'a reason must be given');
  const asked = await broker.post('/v1/transactions/i21-a/check', { reason: 'the database is back' });
  t.match(asked, { status: 202, body: { id: 'i21-a', state: 'prepared', unresolved: false } });
  const decided = await inState(broker, 'i21-a', 'committed');
  t.equal(decided.resolvedBy, 'check');
  t.equal(decided.history.filter((line: Line) => line.event === 'unresolved').length, 1);
  t.same(lines(decided, 'check_asked'), ['operator: the database is back']);

  const byHand = await rollback(broker, 'i21-b', { reason: 'ticket 4711' });
  t.match(byHand, { status: 200, body: { state: 'rolled_back', resolvedBy: 'operator' } });
  t.same(lines(await show(broker, 'i21-b'), 'rolled_back'), ['operator: ticket 4711']);
  const again = await broker.post('/v1/transactions/i21-b/check', { reason: 'too late' });
  t.match(again, { status: 409, body: { code: 'ALREADY_ROLLED_BACK', state: 'rolled_back' } });
  t.same(await list(broker, 'unresolved=true'), []);
  checker.answer(() => 'unknown');
});

t.test('I21: a parked message is listed, retried, discarded with a reason', needsKafka, async t => {
  const narrow = await newTopic(kafka, { config: { 'max.message.bytes': '2000' } });
  const id = 'i21-parked';
  const messages = [
    { topic: narrow, payload: 'x'.repeat(5000) },
    { topic: narrow, payload: 'y'.repeat(5000) },
    { topic: narrow, payload: 'fits' },
  ];
  await prepare(broker, 'bank', id, messages);
  await commit(broker, id);
  const parked = await shows(
    broker,
    id,
    'parked',
    one => one.messageStates.parked === 2 && one.messageStates.forwarded,
  );
  t.match(parked.messages, [{ state: 'parked', lastError: /MESSAGE_TOO_LARGE/ }, { state: 'parked' }, { offset: 0 }]);
  t.match(await list(broker, 'parked=true'), [{ id, parked: 2, state: 'committed' }]);
  t.equal((await gauges(broker)).get('escrowmq_messages{state="parked"}'), 2);
  t.equal((await gauges(broker)).get(`escrowmq_topic_parked_messages{topic="${narrow}"}`), 2);

  const retried = await broker.post(`/v1/messages/${id}.0/retry`, { reason: 'limit raised?' });
  t.match(retried, { status: 200, body: { id: `${id}.0`, state: 'ready' } });
  const refusedAgain = await shows(
    broker,
    id,
    'parked again',
    one => one.messages[0].attempts > parked.messages[0].attempts,
  );
  t.same(lines(refusedAgain, 'retried'), [`operator: ${id}.0: limit raised?`]);
  await shows(broker, id, 'parked', one => one.messageStates.parked === 2);

  for (const index of [0, 1]) {
    const given = await broker.post(`/v1/messages/${id}.${index}/discard`, { reason: 'sent by mail' });
    t.match(given, { status: 200, body: { state: 'discarded' } });
  }
  const discarded = await show(broker, id);
  t.match(discarded, { state: 'committed', messageStates: { discarded: 2, forwarded: 1 } });
  t.same(lines(discarded, 'discarded'), [`operator: ${id}.0: sent by mail`, `operator: ${id}.1: sent by mail`]);
  for (const act of ['retry', 'discard']) {
    const late = await broker.post(`/v1/messages/${id}.0/${act}`, { reason: 'again' });
    t.match(late, { status: 409, body: { code: 'NOT_PARKED' } });
  }
  t.same(await list(broker, 'parked=true'), []);
  t.match(await list(broker, 'discarded=true'), [{ id }]);
  t.same(payloads(await readTopic(kafka, narrow)), ['fits']);
});

t.test(
  'lists: filters, pages that neither miss nor repeat, and cursors that belong to one list',
  needsKafka,
  async t => {
    const ids = Array.from({ length: 12 }, (_, i) => `list-${i}`);
    for (const id of ids)
      await prepare(broker, 'bank', id, { topic, payload: id, key: 'listed' }, { check: { afterMs: 600_000 } });
    await commit(broker, 'list-3');
    const pages = [];
    let cursor = '';
    do {
      const { body } = await broker.get(`/v1/transactions?key=listed&limit=5${cursor && `&cursor=${cursor}`}`);
      t.ok(body.items.length <= 5);
      pages.push(...body.items.map((item: { id: string }) => item.id));
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    t.same(pages, ids.toReversed(), 'newest first, each once');
    t.same(
      (await list(broker, 'key=listed&state=committed')).map(item => item.id),
      ['list-3'],
    );
    const { preparedAt } = await show(broker, 'list-6');
    const since = await list(broker, `key=listed&since=${preparedAt}`);
    const before = await list(broker, `key=listed&until=${preparedAt}`);
    t.equal(since.length + before.length, 12);
    t.ok(since.some(item => item.id === 'list-6'));
    t.notOk(before.some(item => item.id === 'list-6'));
    const { body } = await broker.get('/v1/transactions?key=listed&limit=5');
    t.equal((await broker.get(`/v1/transactions?limit=5&cursor=${body.nextCursor}`)).status, 400);
  },
);

t.test('I26: without the right key nobody can resolve, re-check, list or read', needsKafka, async t => {
  const guarded = await startBrokerProcess(t, { args: kafkaArgs(kafka), env: { ESCROWMQ_OPERATOR_KEY: KEY } });
  const as = (key: string | null) => (method: string, path: string, body?: unknown) =>
    guarded.call(method, path, body, key === null ? {} : { authorization: key });
  const operator = as(`Bearer ${KEY}`);
  const message = { topic, payload: 'guarded' };
  t.equal((await operator('PUT', '/v1/producer-groups/bank', { checkUrl: null })).status, 201);
  t.equal((await operator('POST', '/v1/transactions', { id: 'i26', group: 'bank', messages: [message] })).status, 201);
  const before = (await operator('GET', '/v1/transactions/i26')).body;
  const reason = { reason: 'because' };
  const calls: [string, string, unknown?][] = [
    ['PUT', '/v1/producer-groups/bank', { topics: ['x'] }],
    ['GET', '/v1/producer-groups'],
    ['GET', '/v1/producer-groups/bank'],
    ['POST', '/v1/producer-groups/bank/test'],
    ['POST', '/v1/transactions', { id: 'i26-more', group: 'bank', messages: [message] }],
    ['POST', '/v1/transactions/i26/commit'],
    ['POST', '/v1/transactions/i26/rollback', reason],
    ['POST', '/v1/transactions/i26/check', reason],
    ['POST', '/v1/batch', { operations: [{ op: 'commit', id: 'i26' }] }],
    ['GET', '/v1/transactions/i26'],
    ['GET', '/v1/transactions/none'],
    ['GET', '/v1/transactions'],
    ['POST', '/v1/messages/i26.0/retry', reason],
    ['POST', '/v1/messages/i26.0/discard', reason],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/v1/nothing-here'],
  ];
  const wrong = [
    null,
    `Bearer ${KEY}x`,
    `Bearer ${KEY.slice(1)}`,
    'Bearer',
    'Bearer ',
    `Basic ${btoa(`:${KEY}`)}`,
    KEY,
  ];
  for (const key of wrong) {
    for (const [method, path, body] of calls) {
      const answer = await as(key)(method, path, body);
      t.match(answer, { status: 401, body: { code: 'UNAUTHENTICATED' } }, `${method} ${path} as ${key?.slice(0, 8)}`);
      t.notMatch(JSON.stringify(answer.body), new RegExp(KEY));
    }
  }
  t.same((await operator('GET', '/v1/transactions/i26')).body, before, 'nothing was changed');
  t.equal((await operator('GET', '/v1/transactions/i26-more')).status, 404);
  for (const path of ['/livez', '/readyz']) t.equal((await as(null)('GET', path)).status, 200, `${path} is for all`);
  t.notOk('checks' in (await as(null)('GET', '/readyz')).body, 'its detail is not');
  t.ok('checks' in (await operator('GET', '/readyz')).body);

  const bare = await operator('POST', '/v1/transactions/i26/commit');
  t.match(bare, { status: 400, body: { code: 'VALIDATION_FAILED' } }, 'an operator says why');
  const done = await operator('POST', '/v1/transactions/i26/commit', reason);
  t.match(done, { status: 200, body: { resolvedBy: 'operator' } });
  const log = JSON.stringify(guarded.log);
  t.notMatch(log, new RegExp(KEY), 'the key is in no log');
});

t.test('I26: a broker that others can reach refuses to start without a key', async t => {
  const open = startBrokerProcess(t, { args: ['--publisher', 'memory', '--host', '0.0.0.0'] });
  await t.rejects(open, /ended with 2.*a key is needed/s);
  const allow = startBrokerProcess(t, { args: ['--publisher', 'memory', '--check-allow', 'not a host!'] });
  await t.rejects(allow, /ended with 2.*--check-allow/s);
});

t.test('the test question asks now and says what happened', needsKafka, async t => {
  t.match((await broker.post('/v1/producer-groups/bank/test')).body, { ok: true, status: 200, error: null });
  const [question] = checker.calls.filter(({ body }) => body.checks.length === 0);
  t.same(question!.body, { group: 'bank', checks: [] });
  checker.respond((_, response) => {
    response.statusCode = 500;
    response.end();
  });
  t.match((await broker.post('/v1/producer-groups/bank/test')).body, { ok: false, status: 500, error: /500/ });
  await checker.close();
  await eventually(
    'no connection',
    async () => (await broker.post('/v1/producer-groups/bank/test')).body.status === null,
  );
});
