/** Commit, rollback, and an operator's acts: who decided, what stands, and what the history says. */
import t from 'tap';
import { isProblem, startServer, type TestServer, transaction } from '../support/http-server.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const AS_OPERATOR = { authorization: `Bearer ${KEY}` };

const events = async (s: TestServer, id: string): Promise<string[]> => {
  const { history } = (await s.call('GET', `/v1/transactions/${id}`)).json();
  return history.map((line: { event: string; by: string }) => `${line.event} by ${line.by}`);
};

t.test('the same resolution again is the same answer, the opposite one a 409 (I1, I2, I3)', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (const [id, first, opposite, code] of [
    ['t1', 'commit', 'rollback', 'ALREADY_COMMITTED'],
    ['t2', 'rollback', 'commit', 'ALREADY_ROLLED_BACK'],
  ] as const) {
    await s.prepare(id);
    s.time.now += 1_000;
    const answers = await Promise.all([1, 2].map(() => s.call('POST', `/v1/transactions/${id}/${first}`)));
    s.time.now += 1_000;
    answers.push(await s.call('POST', `/v1/transactions/${id}/${first}`));
    for (const answer of answers) {
      t.equal(answer.statusCode, 200);
      t.same(answer.json(), answers[0]!.json(), `${first} again`);
    }
    t.equal(answers[0]!.json().resolvedBy, 'producer');
    isProblem(t, await s.call('POST', `/v1/transactions/${id}/${opposite}`), code);
    t.same((await s.call('POST', `/v1/transactions/${id}/${first}`)).json(), answers[0]!.json(), 'the first stands');
  }
});

t.test('who resolves: without keys a reason makes the operator', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  for (const id of ['t1', 't2', 't3', 't4']) await s.prepare(id);
  const by = async (id: string, body?: unknown, headers = {}) =>
    (await s.call('POST', `/v1/transactions/${id}/commit`, body, headers)).json().resolvedBy;
  t.equal(await by('t1'), 'producer', 'no body');
  t.equal(await by('t2', {}), 'producer', 'an empty object');
  t.equal(await by('t3', { reason: 'seen at the bank' }), 'operator');
  t.equal(await by('t4', '', { 'content-type': 'application/json' }), 'producer', 'an empty body of a type');
  t.same(await events(s, 't1'), ['prepared by producer', 'committed by producer']);
  t.same(await events(s, 't3'), ['prepared by producer', 'committed by operator']);
  const { history } = (await s.call('GET', '/v1/transactions/t3')).json();
  t.equal(history[1].detail, 'seen at the bank');
});

t.test('with an operator key every resolution is the operator’s and needs a reason', async t => {
  const s = await startServer(t, { operatorKey: KEY });
  await s.call('PUT', '/v1/producer-groups/g', {}, AS_OPERATOR);
  const body = { id: 't1', group: 'g', messages: [{ topic: 'transfers', payload: 'x' }] };
  t.equal((await s.call('POST', '/v1/transactions', body, AS_OPERATOR)).statusCode, 201);
  for (const body of [undefined, {}]) {
    const answer = await s.call('POST', '/v1/transactions/t1/commit', body, AS_OPERATOR);
    t.equal(isProblem(t, answer, 'VALIDATION_FAILED').errors?.[0]?.pointer, '/reason');
  }
  const answer = await s.call('POST', '/v1/transactions/t1/commit', { reason: 'x' }, AS_OPERATOR);
  t.match(answer.json(), { state: 'committed', resolvedBy: 'operator' });
});

t.test('reasons', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  const refused: [what: string, body: unknown][] = [
    ['empty', { reason: '' }],
    ['too long', { reason: 'x'.repeat(501) }],
    ['null', { reason: null }],
    ['a number', { reason: 1 }],
    ['something else', { because: 'x' }],
    ['a list', []],
    ['null instead of a body', 'null'],
  ];
  for (const [what, body] of refused) {
    isProblem(t, await s.call('POST', '/v1/transactions/t1/commit', body), 'VALIDATION_FAILED', what);
  }
  const acts = ['/v1/transactions/t1/check', '/v1/messages/t1.0/retry', '/v1/messages/t1.0/discard'];
  for (const act of acts) {
    isProblem(t, await s.call('POST', act), 'VALIDATION_FAILED', `${act} without a body`);
    isProblem(t, await s.call('POST', act, {}), 'VALIDATION_FAILED', `${act} without a reason`);
  }
  t.equal((await s.call('GET', '/v1/transactions/t1')).json().state, 'prepared', 'nothing was changed');
  const longest = await s.call('POST', '/v1/transactions/t1/commit', { reason: '😀'.repeat(500) });
  t.equal(longest.statusCode, 200, '500 characters, whatever their bytes');
});

t.test('ids in the path', async t => {
  const s = await startServer(t);
  for (const id of ['a.b', 'a%2Fb', 'a%20b', 'x'.repeat(65), 'x'.repeat(5_000), '%00', 'grüße']) {
    isProblem(t, await s.call('GET', `/v1/transactions/${id}`), 'VALIDATION_FAILED', id.slice(0, 20));
  }
  isProblem(t, await s.call('GET', '/v1/transactions/%c3%28'), 'VALIDATION_FAILED', 'no UTF-8');
  isProblem(t, await s.call('POST', '/v1/messages/t1/retry', { reason: 'x' }), 'VALIDATION_FAILED', 'no index');
  isProblem(t, await s.call('POST', '/v1/messages/t1.00/retry', { reason: 'x' }), 'VALIDATION_FAILED', 'index 00');
  isProblem(t, await s.call('POST', '/v1/messages/t1.7/retry', { reason: 'x' }), 'MESSAGE_NOT_FOUND');
  isProblem(t, await s.call('GET', '/v1/transactions/t1'), 'TRANSACTION_NOT_FOUND');
});

t.test('a contradicted transaction says so, counted onto one line', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  await s.call('POST', '/v1/transactions/t1/commit');
  for (let i = 0; i < 3; i++) await s.call('POST', '/v1/transactions/t1/rollback');
  const detail = (await s.call('GET', '/v1/transactions/t1')).json();
  t.match(detail, { state: 'committed', contradicted: true });
  t.match(detail.history.at(-1), { event: 'contradicted', by: 'producer', times: 3 });
});

t.test('check: asked now, the count anew, no longer unresolved', async t => {
  const s = await startServer(t);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/', check: { limit: 1 } });
  await s.prepare('t1');
  await s.coordinator.submit([{ type: 'answer', id: 't1', answer: 'unknown', error: null }]);
  t.match((await s.call('GET', '/v1/transactions/t1')).json(), {
    unresolved: true,
    check: { attempts: 1, nextAt: null },
  });
  s.time.now += 5_000;
  const answer = await s.call('POST', '/v1/transactions/t1/check', { reason: 'they are back' });
  t.equal(answer.statusCode, 202);
  t.match(answer.json(), { id: 't1', state: 'prepared', unresolved: false, parked: 0 });
  const detail = (await s.call('GET', '/v1/transactions/t1')).json();
  t.match(detail.check, { attempts: 0, nextAt: '2026-11-21T10:00:05.000Z', lastAt: '2026-11-21T10:00:00.000Z' });
  t.match(detail.history.at(-1), { event: 'check_asked', by: 'operator', detail: 'they are back' });
  await s.call('POST', '/v1/transactions/t1/rollback');
  const late = await s.call('POST', '/v1/transactions/t1/check', { reason: 'x' });
  t.equal(isProblem(t, late, 'ALREADY_ROLLED_BACK').state, 'rolled_back');
});

t.test('a parked message again, or never', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.park('t1');
  await s.park('t2');
  t.match((await s.call('GET', '/v1/transactions/t1')).json(), {
    messageStates: { parked: 1 },
    messages: [{ id: 't1.0', state: 'parked', attempts: 1, lastError: 'too large' }],
  });
  const retried = await s.call('POST', '/v1/messages/t1.0/retry', { reason: 'limit raised' });
  t.equal(retried.statusCode, 200);
  t.match(retried.json(), { id: 't1.0', topic: 'transfers', key: 'account-17', state: 'ready' });
  const discarded = await s.call('POST', '/v1/messages/t2.0/discard', { reason: 'obsolete' });
  t.match(discarded.json(), { id: 't2.0', state: 'discarded' });
  isProblem(t, await s.call('POST', '/v1/messages/t2.0/retry', { reason: 'x' }), 'NOT_PARKED');
  t.same(await events(s, 't2'), [
    'prepared by producer',
    'committed by producer',
    'parked by broker',
    'discarded by operator',
  ]);
});

t.test('the history tells all of it in the order of time', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const messages = ['a', 'b'].map(payload => ({ topic: 'transfers', payload }));
  await s.coordinator.submit([{ type: 'topic_seen', topic: 'transfers', partitions: 1 }]);
  await s.prepare('t1', { messages });
  s.time.now += 10;
  await s.coordinator.submit([{ type: 'answer', id: 't1', answer: 'none', error: 'refused' }]);
  s.time.now += 10;
  await s.call('POST', '/v1/transactions/t1/commit');
  s.time.now += 10;
  await s.coordinator.submit([{ type: 'forwarded', transactionId: 't1', index: 0, offset: 57 }]);
  s.time.now += 10;
  await s.call('POST', '/v1/transactions/t1/rollback');
  s.time.now += 10;
  await s.coordinator.submit([{ type: 'forwarded', transactionId: 't1', index: 1, offset: 58 }]);
  const { history, messageStates } = (await s.call('GET', '/v1/transactions/t1')).json();
  t.same(messageStates, { forwarded: 2 });
  t.same(
    history.map(({ at, event, detail }: Record<string, string>) => [at?.slice(-5), event, detail]),
    [
      ['.000Z', 'prepared', null],
      ['.010Z', 'check_no_answer', 'refused'],
      ['.020Z', 'committed', null],
      ['.030Z', 'forwarded', 't1.0 to transfers/0 at offset 57'],
      ['.040Z', 'contradicted', 'rollback came after committed'],
      ['.050Z', 'forwarded', 't1.1 to transfers/0 at offset 58'],
    ],
  );
});

t.test('ids are told apart byte for byte: by case, and where one begins with the other', async t => {
  const s = await startServer(t);
  await s.createGroup('g');
  const ids = ['order-1', 'order-10', 'order-100', 'ORDER-1', 'Order-1', 'order-1-'];
  for (const id of ids) t.equal((await s.call('POST', '/v1/transactions', transaction(id))).statusCode, 201, id);
  for (const [i, id] of ids.entries()) {
    const act = i % 2 === 0 ? 'commit' : 'rollback';
    t.equal((await s.call('POST', `/v1/transactions/${id}/${act}`)).statusCode, 200, id);
  }
  for (const [i, id] of ids.entries()) {
    const { state } = (await s.call('GET', `/v1/transactions/${id}`)).json();
    t.equal(state, i % 2 === 0 ? 'committed' : 'rolled_back', id);
  }
});
