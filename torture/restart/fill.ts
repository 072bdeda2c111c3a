/** Fills a store as the broker would, group by group, says so, and waits until it is killed: its WAL stays behind. */
import { clock } from '../../broker/clock.ts';
import { Coordinator } from '../../broker/coordinator/coordinator.ts';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import { halfMessage, prepareCommand, producerGroup } from '../../test/support/store.ts';
import type { FillGroup } from './filling.ts';

/** In one commit. */
const CHUNK = 1_000;

const [dataDir = '', groups = '[]'] = process.argv.slice(2);
const store = openSqliteStore({ dataDir });
const onFatal = (error: Error): never => {
  throw error;
};
const coordinator = await Coordinator.open({ store, clock, random: Math.random, onFatal });
for (const { name, checkUrl, transactions, afterMs, payloadBytes } of JSON.parse(groups) as FillGroup[]) {
  await coordinator.submit([{ type: 'put_group', group: producerGroup(name, { checkUrl }) }]);
  const message = halfMessage({ payload: Buffer.alloc(payloadBytes, 'x'), partition: 0 });
  for (let from = 0; from < transactions; from += CHUNK) {
    const numbers = Array.from({ length: Math.min(CHUNK, transactions - from) }, (_, i) => from + i);
    const commands = numbers.map(i => prepareCommand(`${name}-${i}`, name, [message], { afterMs }));
    const outcomes = await coordinator.submit(commands, name);
    const refused = outcomes.find(({ kind }) => kind === 'refused');
    if (refused) throw new Error(`a prepare was refused: ${JSON.stringify(refused)}`);
  }
}
process.stdout.write('filled\n');
setInterval(() => {}, 60_000);
