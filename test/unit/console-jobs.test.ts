/** What the console keeps of acts on many: bounded, and in nobody's way. */
import t from 'tap';
import { BulkJobs } from '../../broker/console/bulk-jobs.ts';
import type { Rest } from '../../broker/console/rest.ts';

const visitor = (id: string) => ({ id, key: 'k', role: 'operator', name: 'n', formToken: 'f' }) as const;
const rest = {} as Rest;

t.test('jobs that nobody confirms make room for others, the oldest first', async t => {
  let now = 0;
  const jobs = new BulkJobs(() => now++);
  const ids = Array.from({ length: 100_000 }, (_, i) => `t${i}`);
  const gone = visitor('gone');
  for (let i = 0; i < 5; i++) t.ok(jobs.begin(gone, rest, 'commit', 'all', { ids }));
  const job = jobs.begin(visitor('here'), rest, 'commit', 'one', { ids: ['t1'] });
  t.match(job, { phase: { name: 'counted', found: 1 }, ids: ['t1'] });
  t.same(
    jobs.of(gone).map(({ phase, ids: { length } }) => [phase.name, length]),
    [...Array.from({ length: 4 }, () => ['counted', 100_000]), ['given up', 0]],
  );
});
