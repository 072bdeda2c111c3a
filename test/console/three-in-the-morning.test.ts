/** Somebody is woken up and settles what hangs, by the pages alone, on a real Kafka. */

import { Kafka } from 'kafkajs';
import type { Browser } from 'playwright-core';
import t from 'tap';
import { type BrokerProcess, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { logIn, needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { type CheckHandler, startCheckHandler } from '../support/check-handler.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { kafkaConfig, readTopic } from '../support/topics.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const asOperator = { authorization: `Bearer ${KEY}` };
const needs = { skip: needsBrowser.skip || needsKafka.skip };

let kafka: Awaited<ReturnType<typeof sharedKafka>>;
let broker: BrokerProcess;
let checker: CheckHandler;
let browser: Browser;

t.setTimeout(120_000);
t.before(async () => {
  if (needs.skip) return;
  [kafka, checker, browser] = await Promise.all([
    sharedKafka(t),
    startCheckHandler(t, () => 'unknown'),
    openBrowser(t),
  ]);
  broker = await startBrokerProcess(t, { args: kafkaArgs(kafka), env: { ESCROWMQ_OPERATOR_KEY: KEY } });
  const check = { afterMs: 100, intervalMs: 100, limit: 2 };
  await call('PUT', '/v1/producer-groups/payments', { checkUrl: checker.url, check });
});

const call = async (method: string, path: string, body?: unknown) => {
  const answer = await broker.call(method, path, body, asOperator);
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
};

t.test(
  'a stuck transfer is found by its key, asked about, committed with a reason, and seen in Kafka',
  needs,
  async t => {
    const topic = await newTopic(kafka);
    const payload = '{"from":"alice","to":"bob","amount":12500}';
    const messages = [{ topic, key: 'order-4711', payload }];
    await call('POST', '/v1/transactions', { id: 'transfer-815', group: 'payments', messages });
    const { page, faults } = await openPage(t, browser, broker.url);
    const story = page.getByTestId('story');

    await logIn(page, KEY);
    const attention = page.getByTestId('attention');
    await attention.getByText('unresolved of').waitFor();
    t.match(
      await attention.innerText(),
      /1 unresolved of payments/,
      'the first page says that something needs a person',
    );

    await page.keyboard.press('/');
    await page.keyboard.type('order-4711');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'transfer-815' }).click();
    t.match(await story.innerText(), /waiting for a person[\s\S]*payments answered “unknown” 2 times: it looked/);

    const before = checker.calls.length;
    await page.getByTestId('check').locator('summary').click();
    await page.getByTestId('check').getByLabel('Reason').fill('their database was restarted');
    await page.getByRole('button', { name: 'Ask payments now' }).click();
    await page.getByTestId('notice').getByText('is being asked').waitFor();
    await story.getByText('waiting for a person').waitFor();
    t.ok(checker.calls.length >= before + 2, 'it was asked again');
    const timeline = page.getByTestId('timeline');
    t.match(await timeline.innerText(), /To be asked again at once[\s\S]*their database was restarted/);

    await page.getByRole('link', { name: 'Show' }).click();
    t.same(JSON.parse(await page.getByTestId('payload').innerText()), JSON.parse(payload), 'it is the right one');
    await page.getByTestId('commit').locator('summary').click();
    t.match(await page.getByTestId('commit').innerText(), new RegExp(`go to Kafka \\(${topic}\\)\\. This is final`));
    await page.getByTestId('commit').getByLabel('Reason').fill('booked in the ledger, ticket 99');
    await page.getByRole('button', { name: 'Commit transfer-815' }).click();
    await story.getByText('Committed by an operator, and in Kafka').waitFor();
    t.equal(await page.locator('#acts summary').count(), 0, 'nothing is left to be done');

    const [record] = await readTopic(kafka, topic, { until: 1 });
    t.equal(record?.value?.toString(), payload);
    t.equal(record?.key?.toString(), 'order-4711');
    const cells = await page.locator('#message-0 > *').allInnerTexts();
    t.same(cells.slice(3, 6), [topic, String(record!.partition), String(record!.offset)], 'as the page says');
    t.match(await timeline.innerText(), /Committed by operator[\s\S]*booked in the ledger, ticket 99/);

    await page.getByRole('link', { name: 'History' }).click();
    const rows = await page.getByRole('row').filter({ hasText: 'transfer-815' }).allInnerTexts();
    t.match(rows[0], /operator\s+committed\s+transfer-815\s+payments\s+booked in the ledger, ticket 99/);
    t.match(rows[1], /operator\s+asked again\s+transfer-815\s+payments\s+their database was restarted/);
    t.same(faults, []);
  },
);

t.test('what Kafka refused is found by its error, and sent once the topic is mended', needs, async t => {
  const topic = await newTopic(kafka, { config: { 'max.message.bytes': '1000' } });
  const payload = 'x'.repeat(5_000);
  await call('POST', '/v1/transactions', { id: 'report-1', group: 'payments', messages: [{ topic, payload }] });
  await call('POST', '/v1/transactions/report-1/commit', { reason: 'as always' });
  const { page, faults } = await openPage(t, browser, broker.url);
  await logIn(page, KEY);
  // The figure comes by itself.
  await page.locator('.path.wide [sse-swap=parked]').getByText('1', { exact: true }).waitFor();

  await page.getByRole('navigation').getByRole('link', { name: 'Parked' }).click();
  const cause = page.getByRole('row').filter({ hasText: topic });
  t.match(await cause.innerText(), /larger than|too large/i, 'the error says what is wrong');
  await cause.getByRole('link', { name: topic, exact: true }).click();
  await page.getByRole('link', { name: 'report-1.0' }).click();
  t.match(await page.getByTestId('story').innerText(), /1 message of 1 parked/);

  const admin = new Kafka(kafkaConfig(kafka)).admin();
  const resource = { type: 2, name: topic, configEntries: [{ name: 'max.message.bytes', value: '100000' }] };
  await admin.connect();
  await admin.alterConfigs({ validateOnly: false, resources: [resource] });
  await admin.disconnect();

  await page.getByTestId('retry-report-1.0').locator('summary').click();
  await page.getByTestId('retry-report-1.0').getByLabel('Reason').fill('the topic takes larger ones now');
  await page.getByRole('button', { name: 'Retry message report-1.0' }).click();
  await page.getByTestId('story').getByText('and in Kafka').waitFor();
  const [record] = await readTopic(kafka, topic, { until: 1 });
  t.equal(record?.value?.toString(), payload);
  t.match(await page.getByTestId('timeline').innerText(), /To be sent again[\s\S]*the topic takes larger ones now/);
  t.same(faults, []);
});
