/** Who may do what, in a browser: a viewer, somebody whose key was revoked, and a page of somebody else. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import t, { type Test } from 'tap';
import { logIn, needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { type ConsoleServer, startConsole } from '../support/console-visitor.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const asOperator = { authorization: `Bearer ${KEY}` };

let browser: Browser;
t.setTimeout(60_000);
t.before(async () => {
  if (!needsBrowser.skip) browser = await openBrowser(t);
});

/** With an undecided transaction `t1` and a parked one `t2`. */
const withWork = async (t: Test): Promise<ConsoleServer> => {
  const s = await startConsole(t, { operatorKey: KEY });
  await s.call('PUT', '/v1/producer-groups/g', {}, asOperator);
  const messages = [{ topic: 'transfers', payload: 'x' }];
  for (const id of ['t1', 't2']) await s.call('POST', '/v1/transactions', { id, group: 'g', messages }, asOperator);
  await s.call('POST', '/v1/transactions/t2/commit', { reason: 'x' }, asOperator);
  await s.coordinator.submit([{ type: 'park', transactionId: 't2', index: 0, error: 'too large' }]);
  return s;
};

const stateOf = async (s: ConsoleServer, id: string): Promise<string> =>
  (await s.call('GET', `/v1/transactions/${id}`, undefined, asOperator)).json().state;

t.test('a viewer sees everything and is offered nothing', needsBrowser, async t => {
  const s = await withWork(t);
  const { key } = (await s.call('POST', '/v1/keys', { role: 'viewer' }, asOperator)).json();
  const { page, faults } = await openPage(t, browser, s.url);
  await logIn(page, key);
  for (const path of [
    '',
    '/transactions/t1',
    '/transactions/t2',
    '/parked/list',
    '/unresolved',
    '/producer-groups/g',
    '/history',
  ]) {
    await page.goto(`/console${path}`);
    t.equal(await page.locator('main form[method=post], main summary.act, main input[type=checkbox]').count(), 0, path);
  }
  await page.goto('/console/transactions/t2');
  t.match(await page.locator('main').innerText(), /too large[\s\S]*An operator can retry or discard it/);
  t.equal(await page.getByRole('navigation').getByRole('link', { name: 'Keys' }).count(), 0);
  t.same(faults, []);
});

t.test('who has lost the key is out, whatever page is open', needsBrowser, async t => {
  const s = await withWork(t);
  const made = (await s.call('POST', '/v1/keys', { role: 'operator' }, asOperator)).json();
  const { page } = await openPage(t, browser, s.url);
  await logIn(page, made.key, '/console/transactions/t1');
  await page.getByTestId('commit').locator('summary').click();
  await page.getByTestId('commit').getByLabel('Reason').fill('in time?');
  await s.call('DELETE', `/v1/keys/${made.prefix}`, {}, asOperator);
  // The page asks for itself every two seconds, and then leaves by itself; or the form does.
  await page
    .getByRole('button', { name: 'Commit t1' })
    .click({ timeout: 5_000 })
    .catch(() => undefined);
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  t.equal(await stateOf(s, 't1'), 'prepared', 'nothing was changed');
  await page.goto('/console/keys');
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await page.getByLabel('Key of a viewer').fill(made.key);
  await page.getByRole('button', { name: 'Log in' }).click();
  t.match(await page.getByTestId('notice').innerText(), /No such key, or it is good no longer/);
});

/** A page of another address of the same machine: browsers count its port as the same site, and send the cookie along. */
const pageElsewhere = async (t: Test, html: string): Promise<string> => {
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(html));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

t.test('a page of somebody else can do nothing in the name of whoever is logged in', needsBrowser, async t => {
  const s = await withWork(t);
  const { page } = await openPage(t, browser, s.url);
  await logIn(page, KEY, '/console/transactions/t1');
  t.equal(await page.evaluate('document.cookie'), '', 'no script sees the cookie');
  // Even with the token of the form, which no other page can read.
  const formToken = await page.getByTestId('commit').locator('[name=formToken]').inputValue();
  const fields = (token: string): string =>
    `<input name=formToken value="${token}"><input name=reason value=x><button>Win a prize</button>`;
  for (const token of ['', formToken]) {
    const forms = `<form method=post action="${s.url}/console/transactions/t1/commit">${fields(token)}</form>`;
    await page.goto(await pageElsewhere(t, forms));
    await page.getByRole('button').click();
    await page.getByText('This was sent from a page of another address. Nothing was changed.').waitFor();
    t.equal(await stateOf(s, 't1'), 'prepared');
  }

  const script = `<p id=said></p><script>
    const read = fetch('${s.url}/console/transactions/t1', { credentials: 'include' }).then(answer => answer.text());
    const act = fetch('${s.url}/console/transactions/t1/commit', {
      method: 'POST', credentials: 'include', body: new URLSearchParams({ formToken: '${formToken}', reason: 'x' }), mode: 'no-cors' });
    Promise.allSettled([read, act]).then(([{ status }]) => { document.querySelector('#said').textContent = 'reading: ' + status; });
  </script>`;
  await page.goto(await pageElsewhere(t, script));
  await page.getByText('reading: rejected').waitFor();
  t.equal(await stateOf(s, 't1'), 'prepared', 'nor by a script');

  await page.goto(await pageElsewhere(t, `<iframe src="${s.url}/console"></iframe><p>framed</p>`));
  await page.getByText('framed').waitFor();
  const [frame] = page.frames().filter(one => one !== page.mainFrame());
  t.notMatch(await frame!.content(), /What needs a person/, 'nor is it shown in a frame');

  await page.goto(`${s.url}/console/transactions/t1`);
  await page.getByTestId('commit').locator('summary').click();
  await page.getByTestId('commit').getByLabel('Reason').fill('by my own hand');
  await page.getByRole('button', { name: 'Commit t1' }).click();
  await page.getByTestId('notice').getByText('It is committed').waitFor();
  t.same(s.errors, []);
});
