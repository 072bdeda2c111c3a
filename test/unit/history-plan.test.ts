/** What a run of the torture plans, and the logs that it reads afterwards. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fateOf, isFirst } from '../../torture/fates.ts';
import { History, readHistory } from '../../torture/history.ts';
import { planOf } from '../../torture/plan.ts';
import { temporaryFolder } from '../support/store.ts';

t.test('the seed is the whole plan', async t => {
  const textOf = (seed: number): string => JSON.stringify(planOf(1_500, seed));
  t.equal(textOf(7), textOf(7));
  t.not(textOf(7), textOf(8));
});

t.test('the mix of a long run', async t => {
  const { transfers, acts } = planOf(20_000, 1);
  t.equal(transfers.length, 20_000);
  t.equal(new Set(transfers.map(({ id }) => id)).size, 20_000);
  const count = (...fates: string[]): number =>
    transfers.filter(({ id, fate }) => fateOf(id) === fate && fates.includes(fate)).length;
  t.equal(count('refused'), 3_000);
  t.equal(count('vanish-before', 'vanish-after', 'die-checked'), 2_000);
  t.equal(count('swallow'), 1_000);
  for (const fate of ['die-prepared', 'die-begin', 'die-committed', 'die-told', 'die-checked', 'die-crediting']) {
    t.equal(count(fate), 12, fate);
  }
  t.equal(count('die-credited'), 24);
  const counts = Object.fromEntries([...Map.groupBy(acts, ({ act }) => act)].map(([act, list]) => [act, list.length]));
  t.same(counts, {
    'kill broker': 26,
    'kill kafka': 13,
    'freeze kafka': 13,
    'kill bank a': 13,
    'kill bank b': 13,
  });
});

t.test('what happens once happens once, whichever process asks', async t => {
  const folder = temporaryFolder(t);
  t.equal(isFirst(folder, 't1-swallow'), true);
  t.equal(isFirst(folder, 't1-swallow'), false);
  t.equal(isFirst(folder, 't2-swallow'), true);
});

t.test('a line that a process was killed in is left out, those before it are not', async t => {
  const folder = temporaryFolder(t);
  const history = new History(folder, 'a1');
  history.write({ event: 'local', id: 't1-commit' });
  history.close();
  const again = new History(folder, 'a1');
  again.write({ event: 'die', id: 't2-die-begin' });
  again.close();
  appendFileSync(join(folder, 'a1.jsonl'), '{"process":"a1","at":1,"ev');
  t.match(readHistory(folder), [
    { process: 'a1', event: 'local', id: 't1-commit' },
    { process: 'a1', event: 'die', id: 't2-die-begin' },
  ]);
  t.equal(readHistory(folder).length, 2);
});
