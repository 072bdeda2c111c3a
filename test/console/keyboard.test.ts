/** Without a mouse, and without scripts: everything can be reached, seen and done. */
import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { logIn, needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { DANAS_KEY, type Stage, startStage } from '../support/console-stage.ts';
import { startConsole } from '../support/console-visitor.ts';
import { storeWith } from '../support/store.ts';
import { until } from '../support/until.ts';

let stage: Stage;
let browser: Browser;

t.setTimeout(120_000);
t.before(async () => {
  if (needsBrowser.skip) return;
  [stage, browser] = await Promise.all([startStage(t), openBrowser(t)]);
});

/** Of whatever has the focus: its words, and what keeps somebody from seeing that it has it. */
const FOCUS = `(() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return { name: 'nothing', words: '', faults: [] };
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const at = document.elementFromPoint(box.x + Math.min(box.width / 2, 40), box.y + Math.min(box.height / 2, 12));
  return {
    name: one.localName,
    words: (one.getAttribute('aria-label') ?? (one.textContent.trim() || one.name || '')).replace(/\\s+/g, ' '),
    faults: [
      ...(outlineStyle === 'none' || parseFloat(outlineWidth) < 2 ? ['no outline'] : []),
      ...(at === null || !(one.contains(at) || at.contains(one)) ? ['covered by ' + at?.outerHTML.slice(0, 60)] : []),
    ],
  };
})()`;

interface Focus {
  readonly name: string;
  readonly words: string;
  readonly faults: readonly string[];
}

const focusOf = (page: Page): Promise<Focus> => page.evaluate<Focus>(FOCUS);

/** What can be acted on and seen. Radio buttons of one name are one stop. */
const STOPS = `[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  .filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.closest('details:not([open]) > :not(summary)'))
  .filter(one => one.type !== 'radio' || one.checked).length`;

/** Tab after tab, from the beginning of the page to its end. Inputs of times are several stops in one. */
const tour = async (page: Page): Promise<Focus[]> => {
  const stops: Focus[] = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const focus = await focusOf(page);
    const before = stops.at(-1);
    if (focus.name === 'nothing' || (before !== undefined && focus.words === stops[0]?.words)) return stops;
    if (stops.length > 500) throw new Error('the walk has no end');
    if (focus.name !== 'input' || focus.words !== before?.words) stops.push(focus);
  }
};

const tabTo = async (page: Page, words: string): Promise<Focus> => {
  for (let i = 0; i < 100; i++) {
    await page.keyboard.press('Tab');
    const focus = await focusOf(page);
    if (focus.words === words) return focus;
  }
  throw new Error(`no tab leads to ${words}`);
};

t.test('every page can be walked through, and what has the focus is seen', needsBrowser, async t => {
  const { page, faults } = await openPage(t, browser, stage.url, { reducedMotion: 'reduce' });
  await logIn(page, DANAS_KEY);
  for (const path of [
    '/console',
    '/console/transactions/tr-0904?show=0',
    '/console/parked',
    '/console/unresolved/list',
    '/console/history',
    '/console/keys',
  ]) {
    await page.goto(path);
    const stops = await tour(page);
    t.equal(stops[0]?.words, 'Skip to the content', `${path}: the first stop leads past the rest`);
    t.equal(stops.length, await page.evaluate<number>(STOPS), `${path}: each is reached once`);
    t.same(
      stops.filter(stop => stop.faults.length > 0),
      [],
      `${path}: each is seen`,
    );
  }
  t.same(faults, []);
});

t.test('a whole act by keyboard alone', needsBrowser, async t => {
  const { page, faults } = await openPage(t, browser, stage.url);
  await page.goto('/console');
  await page.keyboard.type(DANAS_KEY);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('tr-0905');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'tr-0905' }).waitFor();
  await tabTo(page, 'Commit…');
  await page.keyboard.press('Enter');
  const reason = page.getByTestId('commit').getByLabel('Reason');
  const written = page.locator('textarea:focus');
  await written.waitFor();
  await page.keyboard.type('a/b');
  t.equal(await reason.inputValue(), 'a/b', 'what opens can be written in at once; a slash in it is a slash');
  await page.keyboard.press('Escape');
  t.equal((await focusOf(page)).words, 'Commit…', 'what is closed gives the focus back');
  t.equal(await reason.isVisible(), false);
  await page.keyboard.press('Enter');
  await written.waitFor();
  await page.keyboard.type(': in the ledger');
  await page.keyboard.press('Tab');
  t.equal((await focusOf(page)).words, 'Commit tr-0905');
  await page.keyboard.press('Enter');
  await page.getByTestId('notice').getByText('It is committed').waitFor();
  t.match(await page.getByTestId('timeline').innerText(), /a\/b: in the ledger/);
  t.same(faults, []);
});

t.test('what refreshes itself takes neither the focus nor what was written', needsBrowser, async t => {
  const { page, faults } = await openPage(t, browser, stage.url);
  await logIn(page, DANAS_KEY, '/console/transactions/tr-0914');
  const refreshed = async (): Promise<void> => {
    await page.evaluate("document.querySelector('#known').isOld = true");
    await until('it is refreshed', () =>
      page.evaluate<boolean>("document.querySelector('#known').isOld === undefined"),
    );
  };
  for (const words of ['Show the payload of message 0', 'payments']) {
    const link = page.locator('main').getByRole('link', { name: words }).first();
    await link.focus();
    await refreshed();
    t.match((await focusOf(page)).words, words, `${words} keeps the focus`);
  }
  await page.getByTestId('commit').locator('summary').click();
  await page.locator('textarea:focus').waitFor();
  await page.keyboard.type('half a reason');
  await refreshed();
  t.equal(await page.getByTestId('commit').getByLabel('Reason').inputValue(), 'half a reason');
  t.equal((await focusOf(page)).words, 'reason');

  await stage.coordinator.submit([
    { type: 'resolve', id: 'tr-0914', resolution: 'commit', by: 'producer', reason: null },
  ]);
  await page.locator('#acts').getByText('Settle it').waitFor({ state: 'detached' });
  t.match(await page.locator('#stand').innerText(), /The transaction has changed: committed/, 'and that is read out');
  t.same(faults, []);
});

t.test('a search that goes on keeps its stop under the finger', needsBrowser, async t => {
  let now = 0;
  const s = await startConsole(t, ({ store }) => ({
    // Each look takes as long as one may, and finds nothing.
    clock: { now: () => Date.UTC(2026, 10, 21, 10), monotonic: () => (now += 1_000) },
    store: storeWith(store, { list: async (_filter, _limit, before) => ({ items: [], next: (before ?? 1e6) - 1 }) }),
  }));
  const { page, faults } = await openPage(t, browser, s.url);
  await page.goto('/console/transactions?key=nobody');
  const tail = page.getByTestId('searching');
  const looks = async (): Promise<number> => Number(/: (\d+) look/.exec(await tail.innerText())![1]);
  await page.getByRole('button', { name: 'Stop' }).focus();
  const before = await looks();
  await until('it has looked further', async () => (await looks()) > before + 2);
  t.equal((await focusOf(page)).words, 'Stop');
  await page.keyboard.press('Enter');
  t.equal((await focusOf(page)).words, 'Go on from here');
  t.equal(await tail.getAttribute('hx-get'), null, 'it goes on no longer');
  t.same(faults, []);
});

t.test('without scripts: search, open, commit with a reason', needsBrowser, async t => {
  const { page, faults } = await openPage(t, browser, stage.url, { javaScriptEnabled: false });
  await logIn(page, DANAS_KEY);
  await page.getByRole('searchbox').fill('account-21');
  await page.getByRole('searchbox').press('Enter');
  t.match(page.url(), /key=account-21/);
  await page.getByLabel('Only what is').selectOption('unresolved');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.getByRole('link', { name: 'tr-0903' }).click();
  await page.getByTestId('commit').locator('summary').click();
  await page.getByTestId('commit').getByLabel('Reason').fill('by hand');
  await page.getByRole('button', { name: 'Commit tr-0903' }).click();
  t.match(await page.getByTestId('notice').innerText(), /It is committed/);
  t.match(await page.getByTestId('timeline').innerText(), /Committed by emq_5c1d3a90be24\s+by hand/);
  t.same(faults, []);
});
