/** Acts on more than a person would do one by one: counted, confirmed by their number, followed, stopped, and in order. */
import t from 'tap';
import type { Coordinator } from '../../broker/coordinator/coordinator.ts';
import type { ActBody } from '../../broker/protocol/wire.ts';
import { logIn, needsBrowser, openBrowser, openPage } from '../support/browser.ts';
import { type ConsoleServer, startConsole } from '../support/console-visitor.ts';
import { door } from '../support/publisher-double.ts';
import { prepareCommand } from '../support/store.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const asOperator = { authorization: `Bearer ${KEY}` };
const REFUSED = 'connect ECONNREFUSED 10.1.2.3:8080';

/** Where decisions of people wait, from one on: `from` is reached by so many of them, and no more are let through. */
interface Gate {
  from: number;
  passed: number;
  opened: ReturnType<typeof door>;
}

/** The coordinator, at which decisions wait before the gate. */
const behind = (gate: Gate, coordinator: Coordinator): Coordinator =>
  new Proxy(coordinator, {
    get: (whole, name) => {
      const value = Reflect.get(whole, name, whole);
      if (typeof value !== 'function') return value;
      if (name !== 'submit') return value.bind(whole);
      return async (...given: Parameters<Coordinator['submit']>) => {
        const decisions = given[0].filter(({ type }) => type === 'resolve').length;
        if (decisions > 0 && gate.passed >= gate.from) await gate.opened.wait;
        gate.passed += decisions;
        return whole.submit(...given);
      };
    },
  });

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(4, '0')}`);

/** Unresolved, in this order; `error`: of the last check, null: its producer did not know. */
const unresolved = async ({ coordinator }: ConsoleServer, ids: readonly string[], error: string | null) => {
  await coordinator.submit(ids.map(id => prepareCommand(id, 'g')));
  if (error !== null) await coordinator.submit(ids.map(id => ({ type: 'answer', id, answer: 'none', error })));
  await coordinator.submit(
    ids.map(id => ({ type: 'answer', id, answer: error === null ? 'unknown' : 'nobody', error: null })),
  );
};

/** What operators did, the oldest first. */
const acts = async (s: ConsoleServer): Promise<ActBody[]> => {
  const all: ActBody[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = `/v1/acts?act=commit&limit=500${cursor && `&cursor=${cursor}`}`;
    const answer = await s.call('GET', path, undefined, asOperator);
    const page = answer.json<{ items: ActBody[]; nextCursor: string | null }>();
    all.push(...page.items);
    cursor = page.nextCursor;
  }
  return all.reverse();
};

t.test('a thousand of one cause, then the next, stopped in the middle', needsBrowser, async t => {
  const gate: Gate = { from: 500, passed: 0, opened: door() };
  const s = await startConsole(t, ({ coordinator }) => ({
    operatorKey: KEY,
    coordinator: behind(gate, coordinator),
  }));
  await s.call('PUT', '/v1/producer-groups/g', { check: { limit: 1 } }, asOperator);
  const [first, second] = [numbered('a', 1_000), numbered('b', 1_500)];
  await unresolved(s, first, null);
  await unresolved(s, second, REFUSED);
  const { page, faults } = await openPage(t, await openBrowser(t), s.url);
  await logIn(page, KEY, '/console/unresolved');

  const causes = page.getByTestId('causes').getByRole('row');
  t.match(await causes.nth(1).innerText(), new RegExp(`g\\s+${REFUSED}\\s+1.500`), 'the most first');
  t.match(await causes.nth(2).innerText(), /g\s+the producer answered “unknown”.*\s+1.000/);
  await causes.nth(2).getByRole('link').first().click();
  await page.getByRole('button', { name: 'Commit…' }).click();

  const job = page.getByTestId('job');
  const confirm = page.getByTestId('confirm');
  const half = job.locator('progress[value="500"]');
  await confirm.waitFor();
  t.match(await job.locator('.count').innerText(), /1.000 transactions/);
  t.match(await job.innerText(), /a-0000\s+a-0001\s+a-0002\s+a-0003\s+a-0004\s+and 995 more/, 'the oldest first');
  t.equal(gate.passed, 0, 'nothing has happened');
  await confirm.getByLabel('Reason').fill('booked, ticket 99');
  await confirm.getByLabel('Type 1000 to confirm').fill('100');
  await confirm.getByRole('button').click();
  t.match(await page.getByTestId('notice').innerText(), /Type the number 1000 to confirm\. Nothing was changed/);
  t.equal(gate.passed, 0, 'nor now');
  t.match(faults.splice(0), [/409/], 'the browser notes the refusal, and nothing else');

  t.equal(await confirm.getByLabel('Reason').inputValue(), 'booked, ticket 99', 'nobody writes a reason twice');
  await confirm.getByLabel('Type 1000 to confirm').fill('1000');
  await confirm.getByRole('button').click();
  await half.waitFor();
  t.match(await job.innerText(), /500 of 1.000 transactions committed/, 'the bar has moved to the middle');
  await page.reload();
  await half.waitFor();
  gate.opened.open();
  await page.getByTestId('result').waitFor();
  t.match(await page.getByTestId('result').innerText(), /1.000 of 1.000 transactions committed[\s\S]*ticket 99/);
  const done = await acts(s);
  t.same(
    done.map(({ target }) => target),
    first,
    'in the order of arrival',
  );
  t.ok(done.every(({ reason }) => reason === 'booked, ticket 99'));

  Object.assign(gate, { from: 1_500, opened: door() });
  await page.getByRole('link', { name: 'What still waits' }).click();
  await page.getByRole('link', { name: 'g', exact: true }).click();
  await page.getByRole('button', { name: 'Commit…' }).click();
  await confirm.getByLabel('Reason').fill('these, too');
  await confirm.getByLabel('Type 1500 to confirm').fill('1 500');
  await confirm.getByRole('button').click();
  await half.waitFor();
  await job.getByRole('button', { name: 'Stop' }).click();
  gate.opened.open();
  await page.getByTestId('result').waitFor();
  t.match(
    await page.getByTestId('result').innerText(),
    /1.000 of 1.500 transactions committed[\s\S]*It ended early: [\s\S]*500 were not tried/,
    'what was under way was brought to its end, and no more',
  );
  t.same(
    (await acts(s)).slice(1_000).map(({ target }) => target),
    second.slice(0, 1_000),
  );
  await page.getByRole('link', { name: 'What still waits' }).click();
  t.match(await causes.nth(1).innerText(), new RegExp(`g\\s+${REFUSED}\\s+500`));
  t.same(faults, []);
  t.same(s.errors, []);
});
