/** The first page while things happen: its figures move, survive a restart of the broker, and do not keep it from stopping. */
import t from 'tap';
import { startBrokerProcess } from '../support/broker-process.ts';
import { needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { steadyAddress } from '../support/steady-address.ts';
import { commit, prepare } from '../support/transactions.ts';

t.setTimeout(120_000);
t.test('figures move without a reload, also after the broker was restarted', needsBrowser, async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const url = await steadyAddress(t, () => broker.url);
  await broker.put('/v1/producer-groups/g', { check: { afterMs: 3_600_000 } });
  const { page, faults } = await openPage(t, await openBrowser(t), url);
  await page.goto('/console');
  await page.evaluate('isSamePage = true');
  const shows = (station: string, count: number): Promise<void> =>
    page.locator(`.path.wide [sse-swap=${station}]`).getByText(String(count), { exact: true }).waitFor();
  const checks = page.getByTestId('checks');
  t.match(await page.getByTestId('attention').innerText(), /Nothing needs a person/);
  t.match(await page.getByTestId('health').innerText(), /All well/);

  for (const id of ['t1', 't2', 't3']) await prepare(broker, 'g', id, { topic: 'transfers', payload: id });
  await shows('prepared', 3);
  await commit(broker, 't1');
  await shows('prepared', 2);
  await shows('forwarded', 1);
  t.match(await page.locator('figure.flow .rate').first().innerText(), /^\d+(\.\d)?\/s$/);

  t.equal(await broker.stop(), 0, 'a page that looks keeps no broker from stopping');
  const away = page.getByText('The broker does not answer. What is shown is what it said before');
  await away.waitFor();
  await broker.start();
  await commit(broker, 't2');
  await shows('forwarded', 2);
  await shows('prepared', 1);
  t.equal(await away.isVisible(), false, 'and says so no longer');
  t.equal(await page.evaluate('isSamePage'), true, 'it was never loaded anew');
  t.match(await checks.innerText(), /Nothing stands in the way of any topic/);

  // What needs a person comes by itself, too: nobody can be asked about this one.
  await broker.put('/v1/producer-groups/h', { check: { afterMs: 100 } });
  await prepare(broker, 'h', 't4', { topic: 'transfers', payload: 'x' });
  await page.getByTestId('attention').getByText('1 unresolved of h').waitFor();
  t.match(await page.getByTestId('health').innerText(), /Needs a person/, 'the badge at the top, too');
  t.match(await page.getByRole('navigation').innerText(), /Unresolved\s*1/, 'and the way to it');
  t.equal(await broker.stop(), 0);
  t.same(
    // As the browser and htmx write down that the broker was away.
    faults.filter(fault => !/^console: (?:\[object Event\]|Failed to load resource: net::ERR_)/.test(fault)),
    [],
  );
});
