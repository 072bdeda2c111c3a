/** What counts as an answer to a check-back, what does not, and how calls are signed. */
import { createServer, type Server } from 'node:net';
import { Webhook } from 'standardwebhooks';
import t from 'tap';
import { readAnswer } from '../../broker/check-back/answer.ts';
import { clock } from '../../broker/clock.ts';
import { ids, openCheckBack, QUICK, until } from '../support/check-back.ts';
import { type AskedCall, type CheckHandler, type Respond, startCheckHandler } from '../support/check-handler.ts';

// The library's own half minute is for the whole file; a loaded machine needs more.
t.setTimeout(115_000);

type Made = { group: string; resolutions: { transactionId: string; resolution: unknown }[] };

/** The right answer `commit` to everything asked, changed by hand. */
const answer =
  (status: number, change: (right: Made, call: AskedCall) => unknown): Respond =>
  (call, response) => {
    const resolutions = call.body.checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' }));
    const body = change({ group: call.body.group, resolutions }, call);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };

const resolved = (resolution: unknown): Respond =>
  answer(200, right => ({ ...right, resolutions: right.resolutions.map(one => ({ ...one, resolution })) }));

/** V11 and V12: what is no answer, and what the operator reads about it. */
const NO_ANSWERS: [what: string, respond: Respond, error: string][] = [
  ['time-out', () => {}, 'no answer within 2 s'],
  ['headers, then nothing', (_call, response) => void response.writeHead(200).flushHeaders(), 'no answer within 2 s'],
  ['a body without end, slowly', (_call, response) => drip(response, ' ', 20), 'no answer within 2 s'],
  ['a body without end', (_call, response) => drip(response, ' '.repeat(70_000), 1), 'answered more than 64 KiB'],
  ['over 64 KiB', answer(200, right => JSON.stringify(right).padEnd(64 * 1024 + 1)), 'answered more than 64 KiB'],
  ['junk', answer(200, () => 'ROLLBACK'), 'answered something that is not a JSON object'],
  ['HTML', answer(200, () => '<html>commit</html>'), 'answered something that is not a JSON object'],
  ['an empty body', answer(200, () => ''), 'answered something that is not a JSON object'],
  ['a string', answer(200, () => '"commit"'), 'answered something that is not a JSON object'],
  ['null', answer(200, () => 'null'), 'answered something that is not a JSON object'],
  ['a bare list', answer(200, right => right.resolutions), 'answered something that is not a JSON object'],
  [
    'half a body',
    answer(200, right => JSON.stringify(right).slice(0, -1)),
    'answered something that is not a JSON object',
  ],
  ['invalid UTF-8', answer(200, right => invalidUtf8(right)), 'answered something that is not a JSON object'],
  ['201', answer(201, right => right), 'answered 201'],
  ['204', (_call, response) => void response.writeHead(204).end(), 'answered 204'],
  ['302', (_call, response) => void response.writeHead(302, { location: '/' }).end(), 'redirect refused (302)'],
  ['307 with an answer', answer(307, right => right), 'redirect refused (307)'],
  ['400', answer(400, right => right), 'answered 400'],
  ['500', answer(500, right => right), 'answered 500'],
  ['503 ROLLBACK', answer(503, () => 'ROLLBACK'), 'answered 503'],
  ['cut', (_call, response) => void response.destroy(), 'closed the connection without an answer'],
  ['no group', answer(200, ({ resolutions }) => ({ resolutions })), 'answered for another group'],
  ['another group', answer(200, right => ({ ...right, group: 'h' })), 'answered for another group'],
  ['no list', answer(200, ({ group }) => ({ group })), 'answered without a list of resolutions'],
  [
    'no list but an object',
    answer(200, ({ group }) => ({ group, resolutions: {} })),
    'answered without a list of resolutions',
  ],
  ['an empty list', answer(200, right => ({ ...right, resolutions: [] })), 'left out of the answer'],
  [
    'another id',
    answer(200, right => ({ ...right, resolutions: [{ transactionId: 'other', resolution: 'commit' }] })),
    'left out of the answer',
  ],
  [
    'elements that are none',
    answer(200, right => ({ ...right, resolutions: [null, 7, 'commit', []] })),
    'left out of the answer',
  ],
  ['COMMIT', resolved('COMMIT'), 'answered something other than commit, rollback or unknown'],
  ['committed', resolved('committed'), 'answered something other than commit, rollback or unknown'],
  ['a value with a space', resolved('commit '), 'answered something other than commit, rollback or unknown'],
  ['true', resolved(true), 'answered something other than commit, rollback or unknown'],
  ['a list of one', resolved(['commit']), 'answered something other than commit, rollback or unknown'],
  ['a name every object has', resolved('toString'), 'answered something other than commit, rollback or unknown'],
  ['no value', resolved(undefined), 'answered something other than commit, rollback or unknown'],
  ['two values', twice('commit', 'rollback'), 'answered two different values'],
  ['a value and none', twice('commit', 'COMMIT'), 'answered two different values'],
];

function twice(first: string, second: string): Respond {
  return answer(200, right => ({
    ...right,
    resolutions: right.resolutions.flatMap(one => [
      { ...one, resolution: first },
      { ...one, resolution: second },
      { ...one, resolution: first },
    ]),
  }));
}

const invalidUtf8 = (right: Made): Buffer =>
  Buffer.concat([
    Buffer.from(JSON.stringify(right).slice(0, -1)),
    Buffer.from(',"x":"'),
    Buffer.from([0xff]),
    Buffer.from('"}'),
  ]);

const drip = (response: Parameters<Respond>[1], text: string, everyMs: number): void => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(text), everyMs);
  response.on('close', () => clearInterval(timer));
};

t.test('V11 V12: no answer is no attempt, whatever it looks like, and it is asked again', async t => {
  const bench = await openCheckBack(t, { deadlineMs: 2_000 });
  const handlers: CheckHandler[] = [];
  for (const [i, [, respond]] of NO_ANSWERS.entries()) {
    const handler = await startCheckHandler(t);
    handler.respond(respond);
    handlers.push(handler);
    await bench.putGroup(`g-${i}`, { checkUrl: handler.url, check: { ...QUICK, limit: 1 } });
    await bench.prepare(`g-${i}`, [`t-${i}`]);
  }
  bench.checkBack.start();
  for (const [i, [what, , error]] of NO_ANSWERS.entries()) {
    const handler = handlers[i]!;
    await until(`${what} is asked again`, () => handler.calls.length >= 2);
    const { state, checkAttempts, unresolved, lastCheckError } = await bench.transaction(`t-${i}`);
    t.same([state, checkAttempts, unresolved, lastCheckError], ['prepared', 0, false, error], what);
    t.equal(handler.calls[1]!.body.checks[0]!.attempt, 1, 'no attempt is counted');
    handler.answer(() => 'commit');
  }
  const all = ids('t', NO_ANSWERS.length);
  await until('all are committed', async () => (await bench.count(all, 'committed')) === all.length);
  for (const [i, [what]] of NO_ANSWERS.entries()) {
    t.match(await bench.transaction(`t-${i}`), { resolvedBy: 'check', lastCheckError: null });
    const lines = (await bench.store.history(`t-${i}`)).filter(line => line.event === 'check_no_answer');
    t.equal(lines.length, 1, `${what}: counted in the history, not listed`);
    t.ok(lines[0]!.times >= 2);
    await until(`${what}: nothing is left open`, () => handlers[i]!.inFlight === 0);
  }
  t.ok(bench.results.no_answer! >= 2 * all.length);
  t.same(bench.fatal, []);
});

t.test('something that does not speak HTTP is no answer', async t => {
  const server: Server = createServer(socket => socket.on('error', () => {}).end('220 mail.example ESMTP\r\n'));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const bench = await openCheckBack(t);
  const { port } = server.address() as { port: number };
  const group = await bench.putGroup('g', { checkUrl: `http://127.0.0.1:${port}/` });
  t.match(await bench.checkBack.test(group), { ok: false, status: null, error: 'answered something that is not HTTP' });
});

t.test('an answer is read id by id', async t => {
  const handler = await startCheckHandler(t);
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: handler.url });
  await bench.putGroup('h', { checkUrl: null, check: { afterMs: 60_000 } });
  await bench.prepare('h', ['not-asked']);
  await bench.prepare('g', ['good', 'capital', 'twice', 'same', 'absent', 'no']);
  handler.respond(
    answer(200, (right, call) => ({
      ...right,
      more: 'ignored',
      resolutions: [
        { transactionId: 'not-asked', resolution: 'commit' },
        { transactionId: 'never-heard-of', resolution: 'commit' },
        ...call.body.checks.flatMap(({ transactionId }) => {
          const say = (...values: string[]) => values.map(resolution => ({ transactionId, resolution, more: 1 }));
          if (transactionId === 'capital') return say('Commit');
          if (transactionId === 'twice') return say('commit', 'rollback');
          if (transactionId === 'same') return say('commit', 'commit');
          if (transactionId === 'no') return say('rollback');
          return transactionId === 'absent' ? [] : say('commit');
        }),
      ],
    })),
  );
  bench.checkBack.start();
  await until('the three others are asked again', () => handler.asked.length >= 9);
  t.equal(await bench.count(['good', 'same'], 'committed'), 2);
  t.equal((await bench.transaction('no')).state, 'rolled_back');
  t.equal(await bench.count(['capital', 'twice', 'absent', 'not-asked'], 'prepared'), 4);
  t.equal((await bench.transaction('not-asked')).checkFailures, 0);
  t.match(bench.coordinator.group('g'), { lastError: null, lastAnswerAt: Number }, 'the group did answer');
});

t.test('what an answer may look like besides', async t => {
  const asked = new Set(['t']);
  const read = (text: string) => readAnswer(Buffer.from(text), 'g', asked);
  const right = '{"group":"g","resolutions":[{"transactionId":"t","resolution":"commit"}]}';
  for (const text of [right, ` \n${right}\t`, `\ufeff${right}`]) {
    const reading = read(text);
    t.same(typeof reading === 'string' ? reading : [...reading.answers], [['t', 'commit']]);
  }
  t.type(read(right.replace('"g"', '"G"')), 'string', 'groups are compared byte for byte');
  t.match(read(right.replace('"t"', '"T"')), { strangers: true });
  t.match(read(right.replace('"t"', '7')), { strangers: true });
});

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const NEW_SECRET = `whsec_${Buffer.alloc(24, 2).toString('base64')}`;

const verified = (secret: string, call: AskedCall): boolean => {
  try {
    new Webhook(secret).verify(call.raw.toString(), call.headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
};

t.test('calls are signed by Standard Webhooks; after a change of the secret both sign for a day', async t => {
  const handler = await startCheckHandler(t);
  const bench = await openCheckBack(t);
  const test = async (): Promise<AskedCall> => {
    t.ok((await bench.checkBack.test(bench.coordinator.group('g')!)).ok);
    return handler.calls.at(-1)!;
  };
  await bench.putGroup('g', { checkUrl: handler.url, checkSecret: SECRET });
  const first = await test();
  t.same(first.body, { group: 'g', checks: [] }, 'the test question');
  t.ok(verified(SECRET, first));
  t.notOk(verified(NEW_SECRET, first));
  t.notOk(verified(SECRET, { ...first, raw: Buffer.from(`${first.raw} `) }));
  await bench.putGroup('g', { checkUrl: handler.url, checkSecret: NEW_SECRET });
  const second = await test();
  t.ok(verified(SECRET, second) && verified(NEW_SECRET, second), 'both');
  t.not(second.headers['webhook-id'], first.headers['webhook-id'], 'a new id for each call');
  const { until } = bench.coordinator.group('g')!.previousSecrets[0]!;
  bench.shift.ms = until - clock.now();
  const third = await test();
  t.equal(String(third.headers['webhook-signature']).split(' ').length, 1, 'the new one alone, a day later');
  t.equal(Number(third.headers['webhook-timestamp']), Math.floor(until / 1000), 'in seconds');
});

t.test('checks are signed like the test question', async t => {
  const handler = await startCheckHandler(t, () => 'commit');
  const bench = await openCheckBack(t);
  await bench.putGroup('g', { checkUrl: handler.url, checkSecret: SECRET });
  await bench.prepare('g', ids('t', 3));
  bench.checkBack.start();
  await until('all are committed', async () => (await bench.count(ids('t', 3), 'committed')) === 3);
  t.ok(verified(SECRET, handler.calls[0]!));
});

t.test('the test question says what happened', async t => {
  const handler = await startCheckHandler(t);
  const bench = await openCheckBack(t, { deadlineMs: 1_000 });
  const group = await bench.putGroup('g', { checkUrl: handler.url });
  t.match(await bench.checkBack.test(group), { ok: true, status: 200, error: null, tookMs: Number });
  const both = await Promise.all([bench.checkBack.test(group), bench.checkBack.test(group)]);
  t.equal(both[0], both[1], 'two at once are one');
  t.equal(handler.calls.length, 2);
  handler.respond(answer(200, right => ({ ...right, resolutions: [{ transactionId: 't', resolution: 'commit' }] })));
  t.match(await bench.checkBack.test(group), {
    ok: false,
    status: 200,
    error: 'answered about transactions that were not asked',
  });
  handler.respond(answer(200, right => ({ ...right, group: 'h' })));
  t.match(await bench.checkBack.test(group), { ok: false, status: 200, error: 'answered for another group' });
  handler.respond(answer(503, () => 'secret words'));
  t.match(await bench.checkBack.test(group), { ok: false, status: 503, error: 'answered 503' });
  handler.respond(() => {});
  t.match(await bench.checkBack.test(group), { ok: false, status: null, error: 'no answer within 1 s' });
  await handler.close();
  t.match(await bench.checkBack.test(group), { ok: false, status: null, error: 'refused the connection' });
  t.match(await bench.checkBack.test({ ...group, checkUrl: null }), { ok: false, error: 'has no check address' });
  await bench.checkBack.stop(0);
  t.match(await bench.checkBack.test(group), { ok: false, error: 'the broker is stopping' });
});
