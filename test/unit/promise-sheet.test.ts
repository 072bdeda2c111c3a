/** The promise sheet on the reliability page: complete, made of the committed results, and each line can go red. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { PAGE, pageWithSheet, readOutcomes } from '../../torture/promise-sheet.ts';
import { PROOFS } from '../../torture/proofs/all.ts';

/** Proven by two banks and by every order of the fence. */
const ELSEWHERE = ['P3', 'P5', 'P8'];
const PROMISES = Array.from({ length: 20 }, (_, i) => `P${i + 1}`).filter(promise => promise !== 'P15');

t.test('every promise has a proof, in order, and every proof a fault that breaks it', async t => {
  const proven = [...PROOFS.map(({ promise }) => promise), ...ELSEWHERE];
  t.same([...proven].sort(), [...PROMISES].sort());
  const names = PROOFS.flatMap(({ faults }) => faults.map(({ name }) => name));
  t.equal(new Set(names).size, names.length, 'names of faults are unique');
  for (const { promise, faults } of PROOFS) {
    t.ok(faults.length > 0, promise);
    // Otherwise planting it would only stop the program.
    for (const { file, from } of faults)
      t.equal(readFileSync(file, 'utf8').split(from).length, 2, `${promise}: ${file}`);
  }
});

t.test('the page shows the committed results, and nothing else', async t => {
  const page = readFileSync(PAGE, 'utf8');
  t.ok(page === pageWithSheet(page), 'made anew it is the same');
  const measured = page.match(/^- Measured: .*$/gm) ?? [];
  t.equal(measured.length, PROMISES.length);
  for (const line of measured) t.match(line, /anomalies\*\*\. 20\d\d-\d\d-\d\d.*: `n/, 'with its date and its command');
  t.throws(() => pageWithSheet('# Reliability\n'), /has lost the marks/);
});

t.test('committed results held, and are of runs without a fault', async t => {
  for (const { promise, anomalies, command, planted } of readOutcomes()) {
    t.same(anomalies, [], promise);
    t.notMatch(command, /--fault/, promise);
    t.same(planted.overlooked, [], promise);
  }
});
