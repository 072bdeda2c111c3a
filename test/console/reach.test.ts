/** The pages are for everybody: with a screen reader, a keyboard alone, a small or a huge screen, without scripts. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { logIn, needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { DANAS_KEY, type Stage, startStage } from '../support/console-stage.ts';
import { startConsole } from '../support/console-visitor.ts';
import { halfMessage, prepareCommand, producerGroup } from '../support/store.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [WIDE, NARROW, HUGE] = [
  { width: 1280, height: 900 },
  { width: 360, height: 740 },
  { width: 3840, height: 2160 },
];

const PAGES = [
  '/console',
  '/console/transactions',
  '/console/transactions?key=nobody',
  '/console/transactions/tr-0904?show=0',
  '/console/transactions/po-0151',
  '/console/transactions/tr-0909?show=0&as=hex',
  '/console/unresolved',
  '/console/unresolved/list',
  '/console/parked',
  '/console/parked/list?topic=points',
  '/console/producer-groups',
  '/console/producer-groups/orders',
  '/console/topics',
  '/console/history',
  '/console/keys',
  '/console/records',
  '/console/jobs',
  '/console/nowhere',
];

let stage: Stage;
let browser: Browser;

t.setTimeout(300_000);
t.before(async () => {
  if (needsBrowser.skip) return;
  [stage, browser] = await Promise.all([startStage(t, 'memory'), openBrowser(t)]);
});

/** Faults of the page as it now is, that keep somebody from using it. */
const barriers = async (page: Page): Promise<string[]> => {
  const { violations } = await page.evaluate<AxeResults>("axe.run(document, { resultTypes: ['violations'] })");
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
};

/** What is wrong with the order of the headings, and what reaches beyond the right edge. */
const SHAPE = `(() => {
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].filter(one => one.checkVisibility()).map(one => Number(one.localName[1]));
  const jumps = levels.filter((level, i) => level > (levels[i - 1] ?? 0) + 1);
  const width = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth > width
    ? [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > width + 1 && !one.closest('.scroll > *, .places ul')).map(one => one.outerHTML.slice(0, 120))
    : [];
  return [
    ...(levels[0] === 1 ? [] : ['the first heading is of level ' + levels[0]]),
    ...(levels.filter(level => level === 1).length === 1 ? [] : ['not one first heading']),
    ...jumps.map(level => 'a heading of level ' + level + ' has none above it'),
    ...wide.map(html => 'too wide: ' + html),
  ];
})()`;

t.test('no page has a barrier, in either look, on a small and a large screen', needsBrowser, async t => {
  const { page, faults } = await openPage(t, browser, stage.url, { reducedMotion: 'reduce' });
  await page.addInitScript(AXE);
  await page.goto('/console/login');
  t.same(await barriers(page), [], 'the login');
  await logIn(page, DANAS_KEY);
  for (const path of PAGES) {
    await page.goto(path);
    await page.locator('h1').waitFor();
    // What opens in its place is looked at, too.
    for (const summary of (await page.locator('#acts summary, [data-testid=create-key] > summary').all()).slice(0, 1))
      await summary.click();
    for (const [viewport, colorScheme] of [
      [WIDE, 'light'],
      [NARROW, 'light'],
      [NARROW, 'dark'],
      [WIDE, 'dark'],
      [HUGE, 'dark'],
    ] as const) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      const what = `${path}, ${viewport.width} px, ${colorScheme}`;
      if (viewport !== HUGE) t.same(await barriers(page), [], what);
      t.same(await page.evaluate(SHAPE), [], `${what}: headings in order, nothing too wide`);
    }
  }
  t.same(
    faults.filter(fault => !/404/.test(fault)),
    [],
  );
});

t.test('the look is the system’s, until somebody switches it', needsBrowser, async t => {
  const { page, faults } = await openPage(t, browser, stage.url, { colorScheme: 'dark' });
  await logIn(page, DANAS_KEY);
  const button = page.getByRole('button', { name: 'Colours' });
  const background = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  const dark = await background();
  t.match(await button.innerText(), /system/);
  await button.click();
  t.match(await button.innerText(), /light/);
  const light = await background();
  t.not(light, dark);
  await page.goto('/console/topics');
  t.equal(await background(), light, 'on other pages, too');
  await page.emulateMedia({ colorScheme: 'light' });
  await button.click();
  t.equal(await background(), dark, 'dark where the system is light');
  t.same(faults, []);
});

t.test('names and errors as long as they may be break, and break nothing', needsBrowser, async t => {
  const [id, group, topic] = ['i'.repeat(64), 'g'.repeat(64), 't'.repeat(249)];
  const error = 'e'.repeat(900);
  const s = await startConsole(t);
  const message = halfMessage({
    topic,
    key: Buffer.from('k'.repeat(500)),
    headers: [['h'.repeat(128), Buffer.from('v'.repeat(900))]],
    contentType: 'c'.repeat(256),
    type: 'y'.repeat(256),
  });
  const [undecided, parked] = [id.slice(1), id];
  await s.coordinator.submit([
    {
      type: 'put_group',
      group: producerGroup(group, { checkUrl: `http://127.0.0.1/${error}`, topics: [topic] }),
      who: 'operator',
    },
    prepareCommand(undecided, group, [message]),
    { type: 'answer', id: undecided, answer: 'none', error },
    { type: 'answer', id: undecided, answer: 'nobody', error: null },
    { type: 'group_health', group, error },
    prepareCommand(parked, group, [message]),
    { type: 'resolve', id: parked, resolution: 'commit', by: 'operator', reason: 'r'.repeat(500) },
    { type: 'park', transactionId: parked, index: 0, error },
  ]);
  const { page, faults } = await openPage(t, browser, s.url, { reducedMotion: 'reduce' });
  for (const path of [
    '',
    '/transactions',
    `/transactions/${undecided}?show=0`,
    `/transactions/${parked}?show=0&as=hex`,
    '/unresolved',
    '/unresolved/list',
    '/parked',
    '/parked/list',
    `/parked/list?topic=${topic}&lastError=${error}`,
    '/producer-groups',
    `/producer-groups/${group}`,
    '/topics',
    '/history',
  ]) {
    await page.goto(`/console${path}`);
    for (const viewport of [NARROW, WIDE]) {
      await page.setViewportSize(viewport);
      t.same(await page.evaluate(SHAPE), [], `${path.slice(0, 60)}, ${viewport.width} px`);
    }
  }
  await page.getByRole('link', { name: 'Parked' }).first().click();
  await page.getByTestId('causes').getByRole('link').first().click();
  await page.getByRole('button', { name: 'Discard…' }).click();
  await page.getByTestId('confirm').waitFor();
  for (const viewport of [NARROW, WIDE]) {
    await page.setViewportSize(viewport);
    t.same(await page.evaluate(SHAPE), [], `an act on many, ${viewport.width} px`);
  }
  t.same(faults, []);
});
