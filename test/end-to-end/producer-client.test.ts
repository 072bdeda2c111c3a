/** The producer's client against a real broker, whole and killed. */
import t from 'tap';
import { type Client, createClient } from '../../producer-sdk/index.ts';
import { type BrokerProcess, eventually, startBrokerProcess } from '../support/broker-process.ts';
import { steadyAddress } from '../support/steady-address.ts';
import { list } from '../support/transactions.ts';
import { until } from '../support/until.ts';

const KILLS = 4;
const CALLERS = 40;
const ANSWERS_PER_LIFE = 400;

interface MemoryRecord {
  key: string;
  payload: string | { base64: string };
  headers: Record<string, string>;
}

const readRecords = async (broker: BrokerProcess, topic: string): Promise<MemoryRecord[]> => {
  const records: MemoryRecord[] = [];
  for (let after = 0; ; ) {
    const { body } = await broker.get(`/v1/memory/records?topic=${topic}&limit=500&after=${after}`);
    if (body.items.length === 0) return records;
    records.push(...body.items);
    after = body.next;
  }
};

t.setTimeout(120_000);

t.test('a transaction through the client: bytes, trace, state, refusals', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const client = createClient({ url: broker.url, group: 'shop' });
  t.match(await client.putGroup('shop', { topics: ['orders'] }), { group: 'shop', topics: ['orders'] });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const payload = new Uint8Array([0, 1, 255]);
  const headers = { tenant: 'dé', raw: new Uint8Array([200]) };
  const made = await client.prepare({ messages: [{ topic: 'orders', key: 'k', payload, headers }], traceparent });
  t.match(made, { group: 'shop', state: 'prepared', isNew: true, resolvedAt: null });
  t.match(await client.commit(made.id), { id: made.id, state: 'committed', resolvedBy: 'producer' });
  t.match(await client.commit(made.id), { state: 'committed' }, 'may be repeated');
  t.match(await client.transaction(made.id), { state: 'committed', messages: [{ topic: 'orders', payloadBytes: 3 }] });
  const [record] = await eventually('the record', async () => {
    const records = await readRecords(broker, 'orders');
    return records.length > 0 && records;
  });
  const passed = { tenant: 'dé', raw: { base64: 'yA==' }, traceparent, ce_id: `${made.id}.0` };
  t.match(record, { key: 'k', payload: { base64: 'AAH/' }, headers: passed });

  await t.rejects(client.rollback(made.id), { name: 'ConflictError', state: 'committed', transactionId: made.id });
  await t.rejects(client.commit('none'), { name: 'NotFoundError', code: 'TRANSACTION_NOT_FOUND' });
  const elsewhere = client.prepare({ messages: [{ topic: 'others', payload: null }] });
  const elsewhat = client.prepare({ messages: [{ topic: 'orders', payload: null, size: 1 } as never] });
  const large = client.prepare({ messages: [{ topic: 'orders', payload: new Uint8Array(1_000_001) }] });
  const fine = client.prepare({ messages: [{ topic: 'orders', payload: null }] });
  await t.rejects(elsewhere, { name: 'NotPermittedError', code: 'TOPIC_NOT_ALLOWED' });
  await t.rejects(elsewhat, { code: 'VALIDATION_FAILED', problem: { errors: [{ pointer: '/messages/0/size' }] } });
  await t.rejects(large, { code: 'BODY_TOO_LARGE', problem: { limitBytes: 1_000_000 } });
  t.match(await client.rollback((await fine).id), { state: 'rolled_back' });
  await client.close();
  t.equal(await broker.stop(), 0);
});

t.test(`${KILLS} times kill -9 under load: what resolved is so, and every call has one outcome`, async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const url = await steadyAddress(t, () => broker.url);
  const client = createClient({ url, group: 'load', deadlineMs: 60_000, maxBatch: 10 });
  await client.putGroup('load', { check: { afterMs: 600_000 } });
  const outcome = new Map<string, 'committed' | 'rolled_back'>();
  let answers = 0;
  let isEnough = false;
  const work = async (caller: number): Promise<void> => {
    for (let i = 0; !isEnough; i += 1) {
      const payload = `${caller}-${i}`;
      const { id, state } = await client.prepare({ messages: [{ topic: 'load', key: `${caller}`, payload }] });
      if (state !== 'prepared') t.fail(`${id} is ${state} before anybody decided`);
      const isCommit = i % 4 !== 3;
      const ended = await (isCommit ? client.commit(id) : client.rollback(id));
      if (ended.state !== (isCommit ? 'committed' : 'rolled_back')) t.fail(`${id} became ${ended.state}`);
      outcome.set(id, ended.state as 'committed');
      answers += 1;
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, (_, caller) => work(caller)));
  const more = async (): Promise<void> => {
    const enough = answers + ANSWERS_PER_LIFE;
    await until('more is answered', () => answers >= enough);
  };
  for (let kill = 0; kill < KILLS; kill += 1) {
    await more();
    await broker.kill();
    await broker.start();
  }
  const before = new Set(outcome.keys());
  await more();
  isEnough = true;
  await callers;
  await client.close();

  for (const state of ['committed', 'rolled_back'] as const) {
    const told = [...outcome].filter(([, one]) => one === state).map(([id]) => id);
    t.same((await list(broker, `state=${state}`)).map(({ id }) => id).toSorted(), told.toSorted(), state);
  }
  t.same(await list(broker, 'state=prepared'), []);
  await arriveOnce(t, broker, outcome, before);
  t.equal(await broker.stop(), 0);
});

/** The memory publisher forgets at a kill, so only what was answered in the broker's last life must be there. */
const arriveOnce = async (
  t: Parameters<typeof startBrokerProcess>[0],
  broker: BrokerProcess,
  outcome: ReadonlyMap<string, string>,
  before: ReadonlySet<string>,
): Promise<void> => {
  const wanted = [...outcome]
    .filter(([id, state]) => state === 'committed' && !before.has(id))
    .map(([id]) => `${id}.0`);
  t.ok(wanted.length > 100, `${wanted.length} of ${outcome.size}`);
  const seen = await eventually('the records', async () => {
    const ids = (await readRecords(broker, 'load')).map(({ headers }) => headers.ce_id!);
    const found = new Set(ids);
    return wanted.every(id => found.has(id)) && ids;
  });
  t.equal(new Set(seen).size, seen.length, 'each once in one life of the broker');
  for (const id of seen) t.equal(outcome.get(id.slice(0, -2)), 'committed', id);
};

t.test('many clients at once: one outcome for each id', async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const clients: Client[] = Array.from({ length: 4 }, () => createClient({ url: broker.url, group: 'race' }));
  await clients[0]!.putGroup('race', {});
  const draft = (id: string) => ({ id, messages: [{ topic: 'race', payload: id }] });
  for (let round = 0; round < 50; round += 1) {
    const id = `race-${round}`;
    const prepared = await Promise.all(clients.map(client => client.prepare(draft(id))));
    t.equal(prepared.filter(({ isNew }) => isNew).length, 1);
    const ends = clients.map((client, i) => (i % 2 === 0 ? client.commit(id) : client.rollback(id)));
    const settled = await Promise.allSettled(ends);
    const states = settled.map(one => (one.status === 'fulfilled' ? one.value.state : one.reason.state));
    t.equal(new Set(states).size, 1, states.join());
    t.equal(settled.filter(({ status }) => status === 'fulfilled').length, 2);
  }
  await Promise.all(clients.map(client => client.close()));
  t.equal(await broker.stop(), 0);
});
