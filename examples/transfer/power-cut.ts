/**
 * For the demo: `node --import ./power-cut.ts bank-a.ts` dies as by a power cut in the worst moment, right after the
 * local transaction of a transfer whose id begins with `power-cut` has committed, and before the broker is told.
 */
import { SqlFence } from '../../producer-sdk/fence/sql-fence.ts';

const run = SqlFence.prototype.run;
SqlFence.prototype.run = async function (work) {
  const value = await run.call(this, work);
  if (work.id.startsWith('power-cut')) process.kill(process.pid, 'SIGKILL');
  return value as never;
};
