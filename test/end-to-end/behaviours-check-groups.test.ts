/** Producer groups beside each other: none is late because of another, and asking for long costs nothing. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MAX_CALLS_IN_FLIGHT } from '../../broker/check-back/group-pace.ts';
import { verifySignature } from '../../broker/protocol/signature.ts';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { CheckHandler, startCheckHandler } from '../support/check-handler.ts';
import { gauges, inState, list, prepare, show } from '../support/transactions.ts';

const SOON = { afterMs: 100, intervalMs: 100, maxIntervalMs: 100, limit: 1000 };
const HOUR_MS = 3_600_000;
/** Numbers that become longer may split a page of the file; 900 lines of history would take three times this. */
const FEW_PAGES_BYTES = 4 * 4096;
const message = { topic: 'transfers', payload: 'x' };

let broker: BrokerProcess;

t.setTimeout(120_000);
t.before(async () => {
  broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
});

const putGroup = async (group: string, checkUrl: string, more: object = {}): Promise<void> => {
  const answer = await broker.put(`/v1/producer-groups/${group}`, { checkUrl, check: SOON, ...more });
  if (answer.status > 201) throw new Error(`${group} was refused: ${answer.body.detail}`);
};

/** Many at once; resolves when all are acknowledged. */
const prepareMany = async (group: string, ids: readonly string[], afterMs: number): Promise<void> => {
  for (let from = 0; from < ids.length; from += 1000) {
    const operations = ids
      .slice(from, from + 1000)
      .map(id => ({ op: 'prepare', id, group, messages: [message], check: { afterMs } }));
    const { status, body } = await broker.post('/v1/batch', { operations });
    const refused = body.results?.find((result: { status: number }) => result.status !== 201);
    if (status !== 200 || refused) throw new Error(`refused: ${JSON.stringify(refused ?? body)}`);
  }
};

t.test('I12: the producer restarts and sends nothing: still asked about', async t => {
  const first = await startCheckHandler(t, () => 'unknown');
  const { url } = first;
  await putGroup('i12', url);
  await prepare(broker, 'i12', 'i12', message);
  await eventually('a first question', async () => first.asked.includes('i12'));
  await first.close();
  const second = new CheckHandler();
  t.teardown(() => second.close());
  second.answer(() => 'commit');
  await second.listen(Number(new URL(url).port));
  t.match(await inState(broker, 'i12', 'committed'), { resolvedBy: 'check' });
});

t.test('I16: the producer’s clock is an hour off, signing on: no effect', async t => {
  for (const [group, offMs] of [
    ['i16-slow', -HOUR_MS],
    ['i16-fast', HOUR_MS],
  ] as const) {
    const secret = `whsec_${Buffer.alloc(32, group).toString('base64')}`;
    const verified: boolean[] = [];
    const checker = await startCheckHandler(t);
    checker.respond(({ headers, raw, body }, response) => {
      const theirNow = Date.now() + offMs;
      verified.push(verifySignature(secret, headers as Record<string, string>, raw.toString(), theirNow));
      response.setHeader('date', new Date(theirNow).toUTCString());
      const resolutions = body.checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' }));
      response.end(JSON.stringify({ group, resolutions }));
    });
    await putGroup(group, checker.url, { checkSecret: secret });
    const date = { date: new Date(Date.now() + offMs).toUTCString() };
    const made = await broker.call('POST', '/v1/transactions', { id: group, group, messages: [message] }, date);
    t.ok(Math.abs(Date.parse(made.body.preparedAt) - Date.now()) < HOUR_MS / 2, 'the broker’s clock counts');
    t.match(await inState(broker, group, 'committed'), { resolvedBy: 'check', check: { attempts: 0 } });
    t.same(verified, [true], 'asked once, and the signature is good');
  }
});

t.test('I17: a group whose answers are poison does not hold up the others', async t => {
  const poison = await startCheckHandler(t);
  poison.respond((_, response) => void response.end(`{"group":"i17-poison","resolutions":[${'{'.repeat(5000)}`));
  const healthy = await startCheckHandler(t, () => 'commit');
  await putGroup('i17-poison', poison.url);
  await putGroup('i17', healthy.url);
  await prepareMany('i17-poison', named('i17-poison', 300), 100);
  await eventually('the poison to be met', async () => poison.calls.length > 0);
  await prepareMany('i17', named('i17', 50), 100);
  await eventually('the healthy to be asked', async () => (await count('i17', 'committed')) === 50);
  t.equal(await count('i17-poison', 'prepared'), 300, 'nothing was read into the poison');
  const { attempts } = (await show(broker, 'i17-poison-0')).check;
  t.equal(attempts, 0);
});

const named = (prefix: string, howMany: number): string[] =>
  Array.from({ length: howMany }, (_, i) => `${prefix}-${i}`);

const count = async (group: string, state: string): Promise<number> =>
  (await list(broker, `group=${group}&state=${state}`)).length;

t.test('I18 I19: thousands due at once and one group that never answers: the others go on', async t => {
  const stuck = await startCheckHandler(t);
  stuck.respond(() => {});
  const healthy = await startCheckHandler(t, () => 'rollback');
  await putGroup('i19-stuck', stuck.url);
  for (const group of ['i19-a', 'i19-b', 'i19-c']) await putGroup(group, healthy.url);
  await prepareMany('i19-stuck', named('i19-stuck', 2000), 100);
  await eventually('the stuck group to be asked', async () => stuck.inFlight > 0);
  for (const group of ['i19-a', 'i19-b', 'i19-c']) await prepareMany(group, named(group, 1000), 100);
  const open = stuck.calls.length;
  for (const group of ['i19-a', 'i19-b', 'i19-c']) {
    await eventually(`${group} to be through`, async () => (await count(group, 'rolled_back')) === 1000);
  }
  t.ok(stuck.mostInFlight <= MAX_CALLS_IN_FLIGHT, `${stuck.mostInFlight} calls at once for the stuck one`);
  t.ok(healthy.mostInFlight <= 3 * MAX_CALLS_IN_FLIGHT, `${healthy.mostInFlight} for three that share an address`);
  t.ok(stuck.calls.length - open < 100, 'no storm of calls');
  t.equal(await count('i19-stuck', 'prepared'), 2000);
  t.ok(
    healthy.calls.every(({ body }) => body.checks.length <= 100),
    'and no call asks more than a hundred',
  );
});

t.test('I20: asking for long takes no room: history and file stay as they are', async t => {
  const own = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const checker = await startCheckHandler(t, () => 'unknown');
  await own.put('/v1/producer-groups/i20', { checkUrl: checker.url, check: SOON });
  const ids = named('i20', 20);
  for (const id of ids) await prepare(own, 'i20', id, message);
  const asked = async (times: number) =>
    eventually(`${times} checks`, async () => checker.asked.length >= times && (await show(own, ids[0]!)));
  /** Stopped, so that everything is in the one file. */
  const size = async () => {
    await own.stop();
    const { size } = statSync(join(own.dataDir, 'escrowmq.db'));
    await own.start();
    return size;
  };
  const early = await asked(100);
  const before = await size();
  const late = await asked(1000);
  const grown = (await size()) - before;
  t.ok(grown <= FEW_PAGES_BYTES, `900 checks more made the file ${grown} bytes longer`);
  t.equal(late.history.length, early.history.length, 'lines in the history');
  t.ok(late.check.attempts > early.check.attempts + 10);
  const folded = late.history.find((entry: { event: string }) => entry.event === 'check_unknown');
  t.ok(folded.times >= late.check.attempts - 1, `one line says ${folded?.times} times`);
  t.equal((await gauges(own)).get('escrowmq_transactions{state="prepared"}'), ids.length);
});
