/** Every page of the console with something on it; and what others wrote, however wicked, stays what it is: text. */
import t, { type Test } from 'tap';
import type { MemoryRecord } from '../../broker/api/surroundings.ts';
import {
  type ConsoleServer,
  type ConsoleVisitor,
  type Page,
  readable,
  startConsole,
} from '../support/console-visitor.ts';
import { storeWith } from '../support/store.ts';

const WICKED =
  '"><script>alert(1)</script><img src=x onerror=alert(1)> \' onclick=\'x {{7*7}} <a hx-get="/console/keys" hx-trigger="load">';

const record: MemoryRecord = {
  position: 1,
  topic: 'transfers',
  partition: 2,
  offset: 40,
  key: Buffer.from(WICKED),
  value: Buffer.from(WICKED),
  headers: [[WICKED, Buffer.from(WICKED)]],
  timestamp: Date.UTC(2026, 10, 21, 10),
};

/** A broker with something on every page. */
const furnished = async (t: Test): Promise<ConsoleServer> => {
  const s = await startConsole(t, { memory: { records: () => [record] } });
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/check', topics: ['transfers'] });
  await s.prepare('t-undecided');
  await s.prepare('t-committed');
  await s.call('POST', '/v1/transactions/t-committed/commit', { reason: WICKED });
  await s.prepare('t-unresolved');
  for (let i = 0; i < 15; i++)
    await s.coordinator.submit([{ type: 'answer', id: 't-unresolved', answer: 'unknown', error: null }]);
  await s.park('t-parked');
  return s;
};

t.test('each page shows what it is for', async t => {
  const s = await furnished(t);
  const visitor = s.visitor();
  const pages: [path: string, ...words: RegExp[]][] = [
    [
      '/console',
      /Needs a person/,
      /1 unresolved of g/,
      /1 parked in transfers/,
      /too large/,
      /Waiting for Kafka 1 committed/,
      /There is room on the disk/,
    ],
    ['/console/transactions', /t-undecided/, /t-parked committed 1 parked/, /That is all: 4 transactions/],
    ['/console/transactions?state=prepared', /That is all: 2 transactions/],
    ['/console/transactions?is=parked', /t-parked/, /That is all: 1 transaction here/],
    ['/console/transactions?key=account-17&since=2026-11-21T00:00', /That is all: 4/],
    ['/console/transactions?topic=none', /No such transaction/],
    [
      '/console/transactions/t-undecided',
      /Undecided for/,
      /g was not asked yet/,
      /Commit t-undecided/,
      /Stored as half messages/,
    ],
    [
      '/console/transactions/t-unresolved',
      /waiting for a person/,
      /answered “unknown” 15 times/,
      /Unresolved: it waits for a person/,
    ],
    [
      '/console/transactions/t-parked',
      /1 message of 1 parked/,
      /Kafka refuses: too large/,
      /Retry message t-parked\.0/,
    ],
    ['/console/transactions/t-parked?show=0', /"amount": 100/, /application\/octet-stream/],
    ['/console/unresolved', /g the producer answered/, /Open those of g/],
    ['/console/unresolved/list?group=g&lastError=', /t-unresolved/, /Roll back…/],
    ['/console/parked', /transfers too large 1/],
    ['/console/parked/list?topic=transfers&lastError=too+large', /t-parked\.0/, /Discard…/],
    ['/console/producer-groups', /g .* was not asked yet/],
    [
      '/console/producer-groups/g',
      /http:\/\/127\.0\.0\.1:9\/check/,
      /First asked after 6\.0 s/,
      /May send to transfers/,
    ],
    ['/console/topics', /transfers .*on its way/],
    ['/console/history', /operator committed t-committed/],
    ['/console/history?act=discard', /No such act/],
    ['/console/keys', /This broker runs without keys/],
    ['/console/records', /transfers 2 40/],
    ['/console/jobs', /You have done nothing to many at once/],
  ];
  for (const [path, ...words] of pages) {
    const page = await visitor.get(path);
    t.equal(page.status, 200, path);
    for (const word of words) t.match(readable(page), word, path);
    t.equal(page.text.match(/<h1[ >]/g)?.length, 1, `${path}: one heading`);
    t.match(page.text, /<main id="main"/, path);
    for (const table of page.text.match(/<table.*?<\/table>/gs) ?? [])
      t.match(table, /<caption/, `${path}: every table says what it is`);
  }
  t.same(s.errors, []);
});

t.test('the search finds a transaction by its id, a message by its id, and anything by a key', async t => {
  const s = await furnished(t);
  const found = async (q: string): Promise<string | null> =>
    (await s.visitor().get(`/console/search?q=${encodeURIComponent(q)}`)).location;
  t.equal(await found(' t-parked '), '/console/transactions/t-parked');
  t.equal(await found('t-parked.0'), '/console/transactions/t-parked#message-0');
  t.equal(await found('account-17'), '/console/transactions?key=account-17');
  t.equal(await found('x y&z="'), '/console/transactions?key=x+y%26z%3D%22');
  t.equal(await found(''), '/console/transactions');
});

t.test('what cannot be is said where it was asked', async t => {
  const s = await furnished(t);
  const visitor = s.visitor();
  const wrong: [path: string, status: number, words: RegExp][] = [
    ['/console/transactions?since=yesterday', 400, /since .* RFC 3339/],
    ['/console/transactions?group=a+b', 400, /group/],
    ['/console/transactions?cursor=x', 400, /cursor/],
    ['/console/history?by=me', 400, /by/],
    ['/console/transactions/none', 404, /There is no transaction none/],
    ['/console/transactions/a%20b', 400, /id/],
    ['/console/producer-groups/none', 404, /There is no producer group none/],
    ['/console/jobs/none', 404, /no such job/],
    ['/console/none', 404, /Nothing is at this address/],
  ];
  for (const [path, status, words] of wrong) {
    const page = await visitor.get(path);
    t.equal(page.status, status, path);
    t.match(readable(page), words, path);
    t.match(page.text, /<main id="main"/, `${path}: in the console’s own look`);
  }
});

t.test('a broker that stops, or has too much to do, says so in a page', async t => {
  const s = await furnished(t);
  s.state.accepting = false;
  const page = await s.visitor().get('/console/transactions');
  t.equal(page.status, 503);
  t.ok(page.headers.get('retry-after'));
  t.match(readable(page), /Not now.*starting or stopping.*Load the page again/);
});

t.test('what others wrote is text', async t => {
  const s = await startConsole(t);
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/check?<b>"' });
  const wickeds = [
    WICKED,
    '\u202e\u2066evil',
    'a\r\nevent: x\ndata: y',
    'x'.repeat(100_000),
    '{"a":"</script><script>alert(1)</script>"}',
    '\0\x1b[31m',
  ];
  const messages = wickeds.map(text => ({
    topic: 'transfers',
    key: text,
    payload: text,
    headers: { x: text },
    contentType: 'text/<b>',
    type: WICKED,
  }));
  await s.call('POST', '/v1/transactions', {
    id: 'w',
    group: 'g',
    messages: [...messages, { topic: 'transfers', payload: { base64: '/wD+' } }],
  });
  await s.coordinator.submit([{ type: 'answer', id: 'w', answer: 'none', error: WICKED }]);
  await s.call('POST', '/v1/transactions/w/commit', { reason: WICKED });
  for (let index = 0; index < messages.length; index++)
    await s.coordinator.submit([{ type: 'park', transactionId: 'w', index, error: wickeds[index]!.slice(0, 200) }]);
  s.state.readiness = {
    status: 'degraded',
    checks: { [WICKED]: { status: WICKED, detail: WICKED }, kafka: { status: 'degraded', detail: WICKED } },
  };
  const visitor = s.visitor();
  const formats = ['json', 'text', 'hex'].flatMap(as =>
    messages.map((_, i) => `/console/transactions/w?show=${i}&as=${as}`),
  );
  const query = `x=${encodeURIComponent(WICKED)}`;
  const pages = [
    ...formats,
    '/console/transactions/w?show=6',
    '/console',
    '/console/attention',
    '/console/parked',
    '/console/parked/list',
    `/console/parked/list?topic=transfers&lastError=${encodeURIComponent(WICKED)}`,
    '/console/producer-groups/g',
    '/console/history',
    '/console/topics',
    ...[
      'transactions?key',
      'transactions?state',
      'transactions?is',
      'transactions?group',
      'producer-groups?name',
      'topics?name',
      'history?by',
      'unresolved/list?group',
      'parked/list?cursor',
      'transactions/w?show',
      'transactions/w?as',
      'transactions/w?done',
      'records?topic',
    ].map(path => `/console/${path}=${encodeURIComponent(WICKED)}`),
    `/console/transactions?${query}&${encodeURIComponent(WICKED)}=1&__proto__=x&constructor=y`,
    `/console/${encodeURIComponent(WICKED)}`,
    `/console/transactions/${encodeURIComponent(WICKED)}`,
  ];
  for (const path of pages) {
    const { text, status } = await visitor.get(path);
    const what = decodeURIComponent(path).slice(0, 90);
    t.ok(status < 500, `${what}: ${status}`);
    holdsNothing(t, text, what);
    t.ok(text.length < 400_000, `${what}: ${text.length} characters`);
  }
  await actsHoldNothing(t, s, visitor);
  t.same(s.errors, []);
});

/** Tags and attributes are those that templates may write, and no others. */
const holdsNothing = (t: Test, text: string, what: string): void => {
  const own = /<script src="\/console\/files\/[a-z0-9.]+"(?: defer)?><\/script>/g;
  const tags = text.replaceAll(own, '').match(/<[^>]*>/g) ?? [];
  const run = /^<(?:script|style|iframe|object|embed|img|base|svg[^>]* on)|\son\w+=|\sstyle=|javascript:/i;
  // What stands in quotes is only a value.
  t.same(
    tags.filter(tag => run.test(tag.replace(/="[^"]*"/g, '=""'))),
    [],
    what,
  );
  t.notMatch(text, /hx-get="\/console\/keys"/, what);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
  t.notMatch(text, /[\0-\x08\x0b\x0e-\x1f]/, `${what}: nothing that no page may hold`);
  t.notMatch(text.replace(/="[^"]*"/g, ''), /[\u202a-\u202e\u2066-\u2069]/, `${what}: nothing that turns text around`);
};

const actsHoldNothing = async (t: Test, s: ConsoleServer, visitor: ConsoleVisitor): Promise<void> => {
  const on = '/console/transactions/w';
  const answers: Page[] = [
    await visitor.submit('/console/messages/w.0/retry', { reason: 'x'.repeat(501) }, on),
    await visitor.submit(`/console/messages/${encodeURIComponent(WICKED)}/retry`, { reason: 'x' }, on),
    await visitor.submit(`/console/transactions/${encodeURIComponent(WICKED)}/commit`, { reason: 'x' }, on),
    await visitor.submit('/console/jobs', { act: WICKED, scope: WICKED, place: WICKED }, on),
    await visitor.submit('/console/keys', { role: WICKED, group: WICKED, expiresAt: WICKED, reason: WICKED }, on),
    await visitor.submit('/console/keys/x/revoke', { reason: WICKED }, on),
  ];
  for (const { status, text } of answers) {
    t.ok(status >= 400 && status < 500, `refused with ${status}`);
    holdsNothing(t, text, text.slice(0, 40));
  }
  const job = await visitor.submit('/console/jobs', { act: 'retry', scope: 'all', place: WICKED }, on);
  holdsNothing(t, (await visitor.get(job.location!)).text, 'a job');
  t.same(s.errors, []);
};

t.test('a search that takes several looks goes on by itself, and can be gone on with by hand', async t => {
  let looks = 0;
  const s = await startConsole(t, ({ store }) => ({
    clock: { now: () => Date.UTC(2026, 10, 21, 10), monotonic: () => (looks += 1_000) },
    store: storeWith(store, {
      list: async (filter, _limit, before) => {
        const step = await store.list({ ...filter, topic: undefined as never }, 1, before);
        return filter.topic === 'rare' && step.items[0]?.id !== 't1' ? { ...step, items: [] } : step;
      },
    }),
  }));
  await s.createGroup('g');
  for (const id of ['t1', 't2', 't3']) await s.prepare(id);
  const visitor = s.visitor();
  const first = await visitor.get('/console/transactions?topic=rare');
  t.match(readable(first), /Looking through older transactions: 1 look, nothing found so far/);
  let path = /hx-get="([^"]*more[^"]*)"/.exec(first.text)?.[1];
  let last = first;
  for (let i = 0; path !== undefined && i < 9; i++) {
    last = await visitor.get(path.replaceAll('&amp;', '&'), { 'hx-request': 'true' });
    t.notMatch(last.text, /<html/, 'a part of the page');
    path = /hx-get="([^"]*more[^"]*)"/.exec(last.text)?.[1];
    if (path !== undefined) t.match(readable(last), /nothing found so far|1 found so far/);
  }
  t.match(readable(last), /t1|That is all/);
  const byHand = /href="(\/console\/transactions\?[^"]*cursor[^"]*)"/.exec(first.text)![1]!.replaceAll('&amp;', '&');
  t.equal((await visitor.get(byHand)).status, 200);
});
