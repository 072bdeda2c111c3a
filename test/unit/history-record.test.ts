/** The page about reliability shows the results that are committed, and nothing else. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { PAGE, pageWith, readLines, tableOf } from '../../torture/record.ts';

t.test('the page has the table of the committed results', async t => {
  const page = readFileSync(PAGE, 'utf8');
  const lines = readLines();
  t.ok(page === pageWith(page, lines), 'made anew it is the same');
  t.match(page, tableOf(lines));
});

t.test('the committed results are long runs that held, one for each database', async t => {
  const lines = readLines();
  t.same(
    lines.map(({ database }) => database),
    ['sqlite', 'postgres', 'mariadb'],
  );
  for (const { database, held, anomalies, counts, command } of lines) {
    t.equal(held, true, database);
    t.same(anomalies, {}, database);
    t.equal(counts.transfers, 20_000, database);
    t.notMatch(command, /--fault/);
  }
});

t.test('a page without the marks is refused', async t => {
  t.throws(() => pageWith('# Reliability\n', []), /has lost the marks/);
});
