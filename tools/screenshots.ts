/** The pictures of the console in the documentation: `npm run screenshots` takes all of them anew. */
import { mkdirSync, statSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { logIn, needsBrowser, openBrowser, openPage } from '../test/support/browser.ts';
import { DANAS_KEY, type Stage, startStage } from '../test/support/console-stage.ts';
import { until } from '../test/support/until.ts';

const FOLDER = 'docs/pictures';
const MAX_BYTES = 150_000;
/** As many as the lines of the first page show, and a few to begin with. */
const SECONDS_OF_FIGURES = 310;
/** Each look at the broker reads the clock so often. */
const LEAPS_A_SECOND = 3;
const FULL_LINE = 299;

interface Picture {
  readonly name: string;
  readonly path: string;
  readonly height: number;
  readonly scheme?: 'dark';
  /** What is done on the page first. */
  readonly prepare?: (page: Page) => Promise<void>;
}

const askForMany = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'Commit…' }).click();
  await page.getByTestId('confirm').waitFor();
};

const openCommit = async (page: Page): Promise<void> => {
  await page.getByTestId('commit').locator('summary').click();
  await page.getByTestId('commit').getByLabel('Reason').fill('in the ledger of payments, ticket 4712');
};

const PICTURES: readonly Picture[] = [
  { name: 'overview', path: '/console', height: 975 },
  { name: 'overview-dark', path: '/console', height: 975, scheme: 'dark' },
  { name: 'transaction', path: '/console/transactions/tr-0904', height: 1120, prepare: openCommit },
  { name: 'unresolved', path: '/console/unresolved', height: 520 },
  { name: 'many', path: '/console/unresolved/list?group=payments&lastError=', height: 760, prepare: askForMany },
  { name: 'history', path: '/console/history', height: 620 },
];

/** Until the lines of the first page are full. What is shown then stays: pictures are taken of pages that do not move. */
const passFiveMinutes = async (page: Page, stage: Stage): Promise<void> => {
  stage.pace.leaps = LEAPS_A_SECOND * SECONDS_OF_FIGURES;
  const line = page.locator('figure.flow .line').first();
  await until('five minutes have passed', async () => {
    const points = (await line.getAttribute('d'))?.split('L').length ?? 0;
    return points >= FULL_LINE && stage.pace.leaps <= 0;
  });
  await page.context().close();
};

const take = async (): Promise<void> => {
  const ends: (() => unknown)[] = [];
  const scope = { teardown: (end: () => unknown): void => void ends.unshift(end) } as Parameters<typeof openBrowser>[0];
  try {
    const stage = await startStage(scope);
    const browser = await openBrowser(scope);
    mkdirSync(FOLDER, { recursive: true });
    const { page: first } = await openPage(scope, browser, stage.url);
    await logIn(first, DANAS_KEY);
    await passFiveMinutes(first, stage);
    for (const { name, path, height, scheme, prepare } of PICTURES) {
      const { page } = await openPage(scope, browser, stage.url, {
        viewport: { width: 1280, height },
        colorScheme: scheme ?? 'light',
        reducedMotion: 'reduce',
      });
      await page.route('**/live', route => route.abort());
      await logIn(page, DANAS_KEY, path);
      await page.locator('main h1').waitFor();
      await prepare?.(page);
      const file = `${FOLDER}/console-${name}.png`;
      await page.mouse.move(0, 0);
      await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
      const { size } = statSync(file);
      process.stdout.write(`${file}: ${Math.round(size / 1000)} kB\n`);
      if (size > MAX_BYTES) throw new Error(`${file} is too large for a page: ${MAX_BYTES} bytes at most.`);
      await page.context().close();
    }
  } finally {
    for (const end of ends) await end();
  }
};

if (needsBrowser.skip) {
  process.stderr.write(`screenshots: ${needsBrowser.skip}\n`);
  process.exitCode = 1;
} else await take();
