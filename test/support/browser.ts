/** A real browser on the pages of the console, which tells whatever a page did that it should not. */
import { execFileSync } from 'node:child_process';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Scope } from './store.ts';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
/** No test waits so long; a page that never becomes what it should be is found out. */
const PATIENCE_MS = 30_000;

const found = PROGRAMS.map(program => {
  try {
    return execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}).find(path => path !== '');

/** For the options of a test: `t.test(name, needsBrowser, …)`. */
export const needsBrowser = { skip: found === undefined && `there is no browser (${PROGRAMS.join(', ')})` };

/** Closed with the test. */
export const openBrowser = async (t: Scope): Promise<Browser> => {
  const browser = await chromium.launch({ executablePath: found!, chromiumSandbox: false });
  t.teardown(() => browser.close());
  return browser;
};

export interface WatchedPage {
  readonly page: Page;
  /** What no page of ours does: dialogs, errors, words on the console, forbidden content, requests to elsewhere. */
  readonly faults: string[];
}

/** A page in a context of its own, so with no cookie yet. Addresses are relative to `url`. */
export const openPage = async (
  t: Scope,
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> => {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 900 }, ...options });
  t.teardown(() => context.close());
  context.setDefaultTimeout(PATIENCE_MS);
  const faults: string[] = [];
  context.on('dialog', dialog => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('console', message => {
    if (['error', 'warning', 'assert'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  context.on('weberror', error => faults.push(`error: ${error.error().message}`));
  context.on('request', request => {
    if (!request.url().startsWith(`${url}/console`)) faults.push(`request: ${request.url()}`);
  });
  const page = await context.newPage();
  page.on('popup', popup => faults.push(`window: ${popup.url()}`));
  return { page, faults };
};

/** Logs in by the form, and stays where that leads. */
export const logIn = async (page: Page, key: string, path = '/console'): Promise<void> => {
  await page.goto(path);
  await page.getByLabel('Key of a viewer').fill(key);
  await page.getByRole('button', { name: 'Log in' }).click();
};
