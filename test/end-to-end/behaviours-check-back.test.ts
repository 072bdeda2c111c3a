/** No resolution in time: what the broker asks, how often, and what it makes of every kind of answer. */
import type { ServerResponse } from 'node:http';
import t from 'tap';
import type { CheckAnswer } from '../../broker/protocol/wire.ts';
import { type BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { type AskedCall, CheckHandler, startCheckHandler } from '../support/check-handler.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { commit, delivered, inState, list, payloads, prepare, rollback, show, shows } from '../support/transactions.ts';

const SOON = { afterMs: 100, intervalMs: 100, maxIntervalMs: 200 };

let kafka: Awaited<ReturnType<typeof sharedKafka>>;
let broker: BrokerProcess;
let topic: string;

t.setTimeout(120_000);
t.before(async () => {
  if (needsKafka.skip) return;
  kafka = await sharedKafka(t);
  broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  topic = await newTopic(kafka);
});

const putGroup = async (group: string, checkUrl: string | null, check: object = SOON): Promise<void> => {
  const answer = await broker.put(`/v1/producer-groups/${group}`, { checkUrl, check });
  if (answer.status > 201) throw new Error(`${group} was refused: ${answer.body.detail}`);
};

const times = async (...wanted: string[]): Promise<number[]> => {
  const found = payloads(await delivered(broker, kafka, topic));
  return wanted.map(one => found.filter(payload => payload === one).length);
};

t.test('V4 V5: no resolution, the checker says commit or rollback: delivered once, or never', needsKafka, async t => {
  const checker = await startCheckHandler(t, id => (id === 'v4' ? 'commit' : 'rollback'));
  await putGroup('v4', checker.url);
  for (const id of ['v4', 'v5']) await prepare(broker, 'v4', id, { topic, payload: id });
  t.match(await inState(broker, 'v4', 'committed'), { resolvedBy: 'check', check: { attempts: 0, nextAt: null } });
  t.match(await inState(broker, 'v5', 'rolled_back'), { resolvedBy: 'check' });
  t.same(await times('v4', 'v5'), [1, 0]);
  t.same(checker.asked.toSorted(), ['v4', 'v5'], 'each is asked once');
  const [check] = checker.calls[0]!.body.checks;
  t.same(Object.keys(checker.calls[0]!.body), ['group', 'checks']);
  t.match(check, {
    transactionId: /^v[45]$/,
    attempt: 1,
    preparedAt: (await show(broker, 'v4')).preparedAt.slice(0, 8),
  });
});

t.test('V6 V9: a mix of 120 in five modes: exactly the committed set', needsKafka, async t => {
  const modes = ['commit', 'rollback', 'check-commit', 'check-rollback', 'check-late'] as const;
  const modeOf = (id: string) => modes.find(mode => id.endsWith(`_${mode}`))!;
  const checker = await startCheckHandler(t, (id, attempt) => {
    const mode = modeOf(id);
    if (mode === 'check-late') return attempt < 3 ? 'unknown' : 'commit';
    if (mode === 'check-commit') return 'commit';
    // A slow test may be asked before it has committed or rolled back itself.
    return mode === 'check-rollback' ? 'rollback' : 'unknown';
  });
  await putGroup('v6', checker.url);
  const ids = Array.from({ length: 120 }, (_, i) => `v6-${i}_${modes[i % modes.length]}`);
  await Promise.all(
    ids.map(async id => {
      await prepare(broker, 'v6', id, { topic, payload: id, key: id });
      if (modeOf(id) === 'commit') await commit(broker, id);
      if (modeOf(id) === 'rollback') await rollback(broker, id);
    }),
  );
  await eventually('all to be resolved', async () => (await list(broker, 'group=v6&state=prepared')).length === 0);
  const arrived = payloads(await delivered(broker, kafka, topic)).filter(payload => payload?.startsWith('v6-'));
  const wanted = ids.filter(id => !modeOf(id).endsWith('rollback'));
  t.equal(wanted.length, 72);
  t.same(arrived.toSorted(), wanted.toSorted());
});

t.test('V7: unknown n times, then commit: delivered once, no further check', needsKafka, async t => {
  const attempts: number[] = [];
  const checker = await startCheckHandler(t, (id, attempt) => {
    if (id !== 'v7') return 'rollback';
    attempts.push(attempt);
    return attempt <= 4 ? 'unknown' : 'commit';
  });
  await putGroup('v7', checker.url);
  await prepare(broker, 'v7', 'v7', { topic, payload: 'v7' });
  t.match(await inState(broker, 'v7', 'committed'), { check: { attempts: 4 }, unresolved: false });
  await prepare(broker, 'v7', 'v7-next', { topic, payload: 'x' });
  await inState(broker, 'v7-next', 'rolled_back');
  t.same(attempts, [1, 2, 3, 4, 5]);
  t.same(await times('v7'), [1]);
});

const answerWith = (status: number, body: unknown, headers: Record<string, string> = {}) => {
  return (_call: AskedCall, response: ServerResponse): void => {
    response.writeHead(status, headers);
    response.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body));
  };
};

type Respond = (call: AskedCall, response: ServerResponse) => void;

/** By the name of the group that answers so. `right` would be the right answer. */
const NO_ANSWERS: Record<string, (right: CheckAnswer, id: string) => Respond> = {
  closed: () => (_, response) => void response.destroy(),
  junk: () => answerWith(200, 'ok'),
  nothing: () => answerWith(200, ''),
  'status-204': () => answerWith(204, undefined),
  'status-201': right => answerWith(201, right),
  'status-302': right => (_, response) => answerWith(302, right, { location: '/elsewhere' })(_, response),
  'status-500': right => answerWith(500, right),
  capitals: (_, id) => answerWith(200, answering(id, 'COMMIT')),
  spaces: (_, id) => answerWith(200, answering(id, ' commit')),
  truth: (_, id) => answerWith(200, answering(id, true)),
  'V12-maybe': (_, id) => answerWith(200, answering(id, 'maybe')),
  'another-id': (_, id) => answerWith(200, { ...answering('stranger', 'commit'), group: id }),
  'another-group': right => answerWith(200, { ...right, group: 'v4' }),
  'group-in-capitals': right => answerWith(200, { ...right, group: right.group.toUpperCase() }),
  list: right => answerWith(200, [right]),
  text: () => answerWith(200, '"commit"'),
  word: () => answerWith(200, 'ROLLBACK'),
  members: (_, id) => answerWith(200, { group: id, resolutions: { [id]: 'commit' } }),
  'two-values': (right, id) =>
    answerWith(200, { ...right, resolutions: [...right.resolutions, ...answering(id, 'rollback').resolutions] }),
  'left-out': right => answerWith(200, { ...right, resolutions: [] }),
  'too-long': right => answerWith(200, `${' '.repeat(65 * 1024)}${JSON.stringify(right)}`),
  'bad-utf-8': right => (_, response) =>
    void response.end(Buffer.from(JSON.stringify({ ...right, note: '\xff' }), 'latin1')),
};

/** Group and transaction have the same name. */
const answering = (id: string, resolution: unknown) => ({
  group: id,
  resolutions: [{ transactionId: id, resolution }],
});

t.test('V11 V12: what is not exactly an answer is none: no attempt counted, asked again', needsKafka, async t => {
  const checker = await startCheckHandler(t);
  const asked = (id: string) => checker.calls.filter(({ body }) => body.group === id);
  checker.respond((call, response) => {
    const id = call.body.group;
    NO_ANSWERS[id]!(answering(id, 'commit') as CheckAnswer, id)(call, response);
  });
  const ids = Object.keys(NO_ANSWERS);
  for (const id of ids) {
    await putGroup(id, checker.url);
    t.equal((await prepare(broker, id, id, { topic, payload: id })).status, 201);
  }
  for (const id of ids) {
    await eventually(`${id} to be asked again`, async () => asked(id).length >= 3);
    t.match(
      await show(broker, id),
      { state: 'prepared', unresolved: false, check: { attempts: 0, lastError: /./ } },
      `${id}: ${(await show(broker, id)).check.lastError}`,
    );
  }
  t.ok(checker.calls.every(({ body }) => body.checks.every(check => check.attempt === 1)));
  checker.answer(() => 'commit');
  for (const id of ids) {
    t.match(await inState(broker, id, 'committed'), { check: { attempts: 0, lastError: null } }, `${id} recovers`);
  }
  t.same(
    await times(...ids),
    ids.map(() => 1),
  );
});

t.test('V11: a call without an answer in time is none', needsKafka, async t => {
  const checker = await startCheckHandler(t);
  await putGroup('v11-slow', checker.url);
  checker.respond(() => {});
  await prepare(broker, 'v11-slow', 'v11-slow', { topic, payload: 'v11-slow' });
  const given = await shows(broker, 'v11-slow', 'given up', one => one.check.lastError !== null);
  t.match(given, { state: 'prepared', check: { attempts: 0, lastError: /no answer within/ } });
  checker.answer(() => 'rollback');
  await inState(broker, 'v11-slow', 'rolled_back');
});

t.test('I6: commit of an unresolved one is accepted, of one rolled back by policy refused', needsKafka, async t => {
  const checker = await startCheckHandler(t, () => 'unknown');
  await putGroup('i6', checker.url, { ...SOON, limit: 2 });
  await prepare(broker, 'i6', 'i6', { topic, payload: 'i6' });
  t.match(await shows(broker, 'i6', 'unresolved', one => one.unresolved), {
    state: 'prepared',
    check: { attempts: 2, nextAt: null },
  });
  t.match(await commit(broker, 'i6'), { status: 200, body: { state: 'committed', resolvedBy: 'producer' } });
  await putGroup('i6-policy', checker.url, { ...SOON, limit: 2, onLimit: 'rollback' });
  await prepare(broker, 'i6-policy', 'i6-policy', { topic, payload: 'i6-policy' });
  t.match(await inState(broker, 'i6-policy', 'rolled_back'), { resolvedBy: 'policy' });
  t.match(await commit(broker, 'i6-policy'), { status: 409, body: { code: 'ALREADY_ROLLED_BACK' } });
  t.match(await show(broker, 'i6-policy'), { contradicted: true });
  t.same(await times('i6', 'i6-policy'), [1, 0]);
});

t.test('I11: a producer away for longer than limit × interval: nothing counted, kept, shown', needsKafka, async t => {
  const checker = await startCheckHandler(t);
  const { url } = checker;
  await checker.close();
  await putGroup('i11', url, { ...SOON, limit: 2, maxIntervalMs: 100 });
  await prepare(broker, 'i11', 'i11', { topic, payload: 'i11' });
  // Five failed calls are more than limit × interval.
  const noAnswers = (one: { history: { event: string; times: number }[] }) =>
    one.history.filter(entry => entry.event === 'check_no_answer').reduce((sum, entry) => sum + entry.times, 0);
  const away = await shows(broker, 'i11', 'asked in vain', one => noAnswers(one) >= 5);
  t.match(away, { state: 'prepared', unresolved: false, check: { attempts: 0, lastError: /./, nextAt: /./ } });
  const { health } = (await broker.get('/v1/producer-groups/i11')).body;
  t.match(health, { lastError: /./, unresolved: 0, lastAnswerAt: null });
  const ready = await broker.get('/readyz');
  t.match(ready, { status: 200, body: { status: 'degraded', checks: { producerGroups: { detail: /i11/ } } } });
  const back = new CheckHandler();
  t.teardown(() => back.close());
  back.answer(() => 'commit');
  await back.listen(Number(new URL(url).port));
  await inState(broker, 'i11', 'committed');
  t.equal(back.calls[0]!.body.checks[0]!.attempt, 1);
  t.match((await broker.get('/v1/producer-groups/i11')).body.health, { lastError: null, lastAnswerAt: /Z$/ });
});

t.test('I11: only its database away: 503 from the handler counts nothing either', needsKafka, async t => {
  const checker = await startCheckHandler(t);
  checker.respond(answerWith(503, 'the database is away'));
  await putGroup('i11-db', checker.url, { ...SOON, limit: 1 });
  await prepare(broker, 'i11-db', 'i11-db', { topic, payload: 'i11-db' });
  await eventually('three calls', async () => checker.calls.length >= 3);
  t.match(await show(broker, 'i11-db'), { state: 'prepared', unresolved: false, check: { attempts: 0 } });
  checker.answer(() => 'rollback');
  await inState(broker, 'i11-db', 'rolled_back');
});

t.test('I14 I15: no check before its time, not even by a millisecond; then the full number', needsKafka, async t => {
  const checker = await startCheckHandler(t, id => (id === 'i14-neighbour' ? 'commit' : 'unknown'));
  await putGroup('i14', checker.url, { ...SOON, limit: 3 });
  await prepare(broker, 'i14', 'i14-far', { topic, payload: 'far' }, { check: { afterMs: 600_000 } });
  await prepare(broker, 'i14', 'i14', { topic, payload: 'near' }, { check: { afterMs: 400 } });
  await prepare(broker, 'i14', 'i14-neighbour', { topic, payload: 'x' });
  const near = await shows(broker, 'i14', 'unresolved', one => one.unresolved);
  const asked = checker.calls.filter(({ body }) => body.checks.some(one => one.transactionId === 'i14'));
  t.equal(asked.length, 3, 'asked as often as the limit says, and not once more');
  t.ok(asked[0]!.at >= Date.parse(near.preparedAt) + 400, 'the first one not too early');
  for (const [i, call] of asked.entries()) {
    if (i > 0) t.ok(call.at - asked[i - 1]!.at >= 100, 'and none sooner than the interval after the last');
  }
  const far = await show(broker, 'i14-far');
  t.equal(Date.parse(far.check.nextAt), Date.parse(far.preparedAt) + 600_000);
  t.match(far.check, { attempts: 0, lastAt: null });
  t.notOk(checker.asked.includes('i14-far'));
  await rollback(broker, 'i14-far');
});

t.test('a group without a check address: unresolved once afterMs has passed, nothing decided', needsKafka, async t => {
  await putGroup('nobody', null);
  await prepare(broker, 'nobody', 'nobody', { topic, payload: 'nobody' });
  t.match(await shows(broker, 'nobody', 'unresolved', one => one.unresolved), { state: 'prepared' });
  t.match(await broker.get('/v1/transactions?unresolved=true&group=nobody'), { body: { items: [{ id: 'nobody' }] } });
  t.match(await broker.post('/v1/transactions/nobody/check', { reason: 'x' }), { body: { code: 'NO_CHECK_URL' } });
});
